package oci_test

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/smcroute/kube-smcroute/hack/image/oci"
)

// unpack unpacks an archive into a new directory.
func unpack(t *testing.T, file string) string {
	t.Helper()
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	dir := t.TempDir()
	r := tar.NewReader(in)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Uname != "" || !h.ModTime.Equal(time.Unix(0, 0)) {
			t.Errorf("%s is of user %d %q and %v; want root and the begin of 1970", h.Name, h.Uid, h.Uname, h.ModTime)
		}
		path := filepath.Join(dir, h.Name)
		if h.Typeflag == tar.TypeDir {
			err = os.Mkdir(path, 0o755)
		} else {
			var data []byte
			if data, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(path, data, 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Every blob of the archive is what its digest and size say, up from index.json.
func TestArchiveIsAnImageLayout(t *testing.T) {
	file := filepath.Join(t.TempDir(), "image.tar")
	digest, err := oci.Write(file, "registry.example/kube-smcroute:1", twoArchs(t, "static"))
	if err != nil {
		t.Fatal(err)
	}
	index, err := layout.ImageIndexFromPath(unpack(t, file))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	top, err := index.IndexManifest()
	if err != nil || len(top.Manifests) != 1 || top.Manifests[0].Digest != digest {
		t.Fatalf("index.json is %+v, %v; want one index, %v", top, err, digest)
	}
	if got, want := top.Manifests[0].Annotations["io.containerd.image.name"], "registry.example/kube-smcroute:1"; got != want {
		t.Errorf("it is called %q, want %q", got, want)
	}
	images, err := index.ImageIndex(digest)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := images.IndexManifest()
	if err != nil || len(manifest.Manifests) != 2 {
		t.Fatalf("%+v, %v; want two images", manifest, err)
	}
	for n, arch := range []string{"amd64", "arm64"} {
		if got, want := manifest.Manifests[n].Platform, (v1.Platform{OS: "linux", Architecture: arch}); got == nil || !got.Equals(want) {
			t.Errorf("image %d is for %v, want %v", n, got, want)
		}
	}
}
