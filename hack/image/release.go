package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/smcroute/kube-smcroute/hack/image/oci"
)

// release is what is to be built.
type release struct {
	root     string   // of the module
	programs []string // in its cmd directory
	name     string   // of the image
	version  string
	archs    []string
	out      string // directory of programs and bills of materials
}

// build builds the programs, makes images of them, and writes their bills of
// materials, whose names it prints. What the go command says goes to stderr.
func (r release) build(ctx context.Context, stdout, stderr io.Writer) (v1.ImageIndex, error) {
	for _, name := range r.programs {
		dir := filepath.Join(r.root, "cmd", name)
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("the image has a program %s, but there is no directory %s", name, dir)
		}
	}
	origin, err := originOf(ctx, r.root)
	if err != nil {
		return nil, err
	}
	var images []oci.Image
	for _, arch := range r.archs {
		if err := r.compile(ctx, arch, stderr); err != nil {
			return nil, err
		}
		images = append(images, oci.Image{
			Arch:    arch,
			Files:   contents(r.bin(arch), r.programs),
			Config:  configuration(r.version, origin.revision),
			Created: origin.time,
		})
	}
	index, err := oci.Index(images...)
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	for n, arch := range r.archs {
		b := bill{name: r.name, version: r.version, arch: arch, image: manifest.Manifests[n].Digest, created: origin.time}
		file := filepath.Join(r.out, path.Base(r.name)+"-"+r.version+"-"+arch+".cdx.json")
		if err := b.write(file, r.bin(arch), r.programs); err != nil {
			return nil, err
		}
		fmt.Fprintln(stdout, file)
	}
	return index, nil
}

// bin is the directory of the programs for arch. They stay there, since the go
// command links again only what has changed.
func (r release) bin(arch string) string { return filepath.Join(r.out, "linux-"+arch) }

// buildFlags are those of the Makefile. Nothing in a program depends on the
// machine that it was built on, or on its directory.
func buildFlags(version string) []string {
	return []string{"-trimpath", "-buildvcs=false", "-tags=grpcnotrace", "-ldflags=" + ldflags(version)}
}

// ldflags leave out symbols and debug information, and say what the programs'
// own package install wants to know.
func ldflags(version string) string {
	const install = module + "/cmd/internal/install"
	return "-s -w" +
		" -X " + install + ".Version=" + version +
		" -X " + install + ".SysConfDir=/etc" +
		" -X " + install + ".RunStateDir=/run"
}

// compile builds the programs for arch.
func (r release) compile(ctx context.Context, arch string, stderr io.Writer) error {
	out, err := filepath.Abs(r.bin(arch))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	args := append([]string{"build"}, buildFlags(r.version)...)
	args = append(args, "-o", out+string(filepath.Separator))
	for _, name := range r.programs {
		args = append(args, "./cmd/"+name)
	}
	cmd := exec.CommandContext(ctx, goCommand(), args...)
	cmd.Dir = r.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	cmd.Stdout, cmd.Stderr = stderr, stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building the programs for %s: %w", arch, err)
	}
	return nil
}

// moduleRoot is the directory of the module that the current directory is in,
// which has to be this one.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, goCommand(), "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("go list -m %s: %w: expected to run in a clone of %s", module, err, source)
	}
	return strings.TrimSpace(string(out)), nil
}

// goCommand is the go command: that of the environment variable GO, as with make.
func goCommand() string {
	if name := os.Getenv("GO"); name != "" {
		return name
	}
	return "go"
}
