package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/krew/pkg/index"
	"sigs.k8s.io/yaml"
)

// What krew demands of a manifest and of the archives that it names, for files that
// stand for programs: to compile those takes minutes a platform.
func TestRelease(t *testing.T) {
	dir := t.TempDir()
	var archives []archive
	for _, name := range []string{"kubectl-multicast", "kubectl-multicast.exe"} {
		program := filepath.Join(dir, name)
		if err := os.WriteFile(program, []byte("program "+name), 0o755); err != nil {
			t.Fatal(err)
		}
		goos := map[bool]string{true: "windows", false: "linux"}[filepath.Ext(name) != ""]
		a, err := pack(dir, goos, "amd64", program, "../../LICENSE")
		if err != nil {
			t.Fatal(err)
		}
		archives = append(archives, a)
	}
	file := filepath.Join(dir, "multicast.yaml")
	if err := writeManifest(file, "1.2.3", archives); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var p index.Plugin
	if err := yaml.UnmarshalStrict(text, &p); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	// krew's index wants a version with "v", and a short description of at most 50
	// characters (its developer guide, "Naming guide" and "Plugin manifest").
	if !regexp.MustCompile(`^v\d+\.\d+\.\d+$`).MatchString(p.Spec.Version) || len(p.Spec.ShortDescription) > 50 {
		t.Errorf("version %q, short description %q", p.Spec.Version, p.Spec.ShortDescription)
	}
	if len(p.Spec.Platforms) != 2 {
		t.Fatalf("%d platforms", len(p.Spec.Platforms))
	}
	for _, platform := range p.Spec.Platforms {
		path := filepath.Join(dir, filepath.Base(platform.URI))
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != platform.Sha256 {
			t.Errorf("%s: another sum than in the manifest, %s", path, platform.Sha256)
		}
		inside := unpack(t, data)
		var asked []string
		for _, f := range platform.Files {
			asked = append(asked, f.From)
		}
		if diff := cmp.Diff(asked, inside); diff != "" || platform.Bin != inside[0] {
			t.Errorf("%s: program %s, %s", path, platform.Bin, diff)
		}
	}
}

func unpack(t *testing.T, data []byte) (names []string) {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for files := tar.NewReader(zipped); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
}

func TestVersion(t *testing.T) {
	for _, version := range []string{"", "v1.2.3"} {
		if err := run(t.Context(), version, "../..", t.TempDir(), nil); err == nil {
			t.Errorf("-version %q is taken", version)
		}
	}
}
