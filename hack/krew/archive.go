package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// archive is a program for a platform, with its licence.
type archive struct {
	goos, goarch string
	name         string // of the file
	sha256       string // of it, in hexadecimal
	program      string // its name inside
}

// build compiles the plug-in into a directory of its own.
func build(ctx context.Context, root, version, goos, goarch string) (program string, err error) {
	dir, err := os.MkdirTemp("", "krew-")
	if err != nil {
		return "", err
	}
	program = filepath.Join(dir, "kubectl-multicast")
	if goos == "windows" {
		program += ".exe"
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags=-s -w -X github.com/smcroute/kube-smcroute/cmd/internal/install.Version="+version, "-o", program, "./cmd/kubectl-multicast")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch)
	if text, err := cmd.CombinedOutput(); err != nil {
		_ = os.RemoveAll(dir)
		return "", fmt.Errorf("%v for %s/%s: %w\n%s", cmd, goos, goarch, err, text)
	}
	return program, nil
}

// pack writes the archive. The same files make the same archive: it has neither
// times nor owners.
func pack(dir, goos, goarch, program, licence string) (a archive, err error) {
	a = archive{goos: goos, goarch: goarch, name: fmt.Sprintf("kubectl-multicast-%s-%s.tar.gz", goos, goarch), program: filepath.Base(program)}
	f, err := os.Create(filepath.Join(dir, a.name))
	if err != nil {
		return a, err
	}
	defer f.Close()
	sum := sha256.New()
	zipped := gzip.NewWriter(io.MultiWriter(f, sum))
	files := tar.NewWriter(zipped)
	for _, file := range []struct {
		path, name string
		mode       int64
	}{{program, a.program, 0o755}, {licence, "LICENSE", 0o644}} {
		data, err := os.ReadFile(file.path)
		if err != nil {
			return a, err
		}
		if err := files.WriteHeader(&tar.Header{Name: file.name, Mode: file.mode, Size: int64(len(data))}); err != nil {
			return a, err
		}
		if _, err := files.Write(data); err != nil {
			return a, err
		}
	}
	for _, c := range []io.Closer{files, zipped, f} {
		if err := c.Close(); err != nil {
			return a, err
		}
	}
	a.sha256 = hex.EncodeToString(sum.Sum(nil))
	return a, nil
}
