package oci_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/smcroute/kube-smcroute/hack/image/oci"
)

// write writes a file of a test's own, and returns its path.
func write(t *testing.T, name, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func build(t *testing.T, i oci.Image) v1.Image {
	t.Helper()
	image, err := i.Build()
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// entry is one of a layer.
type entry struct {
	Name    string
	Mode    int64
	Type    byte
	Content string
}

// entries are those of the only layer of the image.
func entries(t *testing.T, image v1.Image) []entry {
	t.Helper()
	layers, err := image.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v; want one", len(layers), err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	var entries []entry
	r := tar.NewReader(content)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "" || !h.ModTime.Equal(time.Unix(0, 0)) {
			t.Errorf("%s is of user %d %q, group %d %q and %v; want root and the begin of 1970", h.Name, h.Uid, h.Uname, h.Gid, h.Gname, h.ModTime)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, entry{h.Name, h.Mode, h.Typeflag, string(text)})
	}
}

func TestLayerIsSortedAndHasTheDirectories(t *testing.T) {
	image := build(t, oci.Image{Files: []oci.File{
		{Path: "/usr/lib/a", Mode: 0o600, Data: []byte("A")},
		{Path: "/tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
		{Path: "/usr", Mode: fs.ModeDir | 0o711},
		{Path: "/bin/su", Mode: fs.ModeSetuid | 0o755},
		oci.Program(write(t, "program", "static")),
	}})
	want := []entry{
		{"bin/", 0o755, tar.TypeDir, ""},
		{"bin/su", 0o4755, tar.TypeReg, ""},
		{"program", 0o755, tar.TypeReg, "static"},
		{"tmp/", 0o1777, tar.TypeDir, ""},
		{"usr/", 0o711, tar.TypeDir, ""},
		{"usr/lib/", 0o755, tar.TypeDir, ""},
		{"usr/lib/a", 0o600, tar.TypeReg, "A"},
	}
	if diff := cmp.Diff(want, entries(t, image)); diff != "" {
		t.Errorf("entries (-want +got)\n%s", diff)
	}
}

func TestConfiguration(t *testing.T) {
	created := time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
	image := build(t, oci.Image{
		Arch:    "arm64",
		Files:   []oci.File{{Path: "/a"}},
		Config:  v1.Config{User: "65532:65532", Entrypoint: []string{"/a"}, Labels: map[string]string{"k": "v"}},
		Created: created,
	})
	got, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got.OS != "linux" || got.Architecture != "arm64" || got.Config.User != "65532:65532" ||
		!slices.Equal(got.Config.Entrypoint, []string{"/a"}) || got.Config.Labels["k"] != "v" {
		t.Errorf("got %+v", got)
	}
	if want := "2026-01-02 02:04:05 +0000 UTC"; got.Created.String() != want || got.History[0].Created.String() != want {
		t.Errorf("created %v and %v, want %s", got.Created, got.History[0].Created, want)
	}
	packed, unpacked, err := oci.Size(image)
	if err != nil || packed < 50 || unpacked != 1536 { // one header and two empty blocks
		t.Errorf("size %d, unpacked %d, %v", packed, unpacked, err)
	}
}

func TestWhatIsNoImage(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for _, tt := range []struct {
		files []oci.File
		want  string
	}{
		{[]oci.File{{Path: "a"}}, `"a" is no path`},
		{[]oci.File{{Path: "/"}}, `"/" is no path`},
		{[]oci.File{{Path: "/../a"}}, `"/../a" is no path`},
		{[]oci.File{{Path: "/a/"}}, `"/a/" is no path`},
		{[]oci.File{{Path: "/a"}, {Path: "/a"}}, "/a is there twice"},
		{[]oci.File{{Path: "/a"}, {Path: "/a/b"}}, "/a/b is in /a, which is a file"},
		{[]oci.File{{Path: "/a", Mode: fs.ModeSymlink}}, "expected a file or a directory"},
		{[]oci.File{oci.Program(missing)}, missing},
		{[]oci.File{oci.Program(filepath.Dir(missing))}, "is not a file"},
	} {
		if _, err := (oci.Image{Files: tt.files}).Build(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got error %v, want one with %q", tt.files, err, tt.want)
		}
	}
	for _, tt := range []struct {
		images []oci.Image
		want   string
	}{
		{nil, "no image"},
		{[]oci.Image{{Arch: "arm64"}, {Arch: "arm64"}}, "two images for arm64"},
	} {
		if _, err := oci.Index(tt.images...); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("index of %v: got error %v, want one with %q", tt.images, err, tt.want)
		}
	}
}

// twoArchs is an image for two architectures that differs with content.
func twoArchs(t *testing.T, content string, extra ...oci.File) v1.ImageIndex {
	t.Helper()
	files := append(extra, oci.Program(write(t, "program", content)))
	index, err := oci.Index(oci.Image{Arch: "amd64", Files: files}, oci.Image{Arch: "arm64", Files: files})
	if err != nil {
		t.Fatal(err)
	}
	return index
}

func TestSameFilesSameBytes(t *testing.T) {
	a, b := oci.File{Path: "/a", Data: []byte("a")}, oci.File{Path: "/b", Data: []byte("b")}
	archive := func(index v1.ImageIndex) (v1.Hash, [sha256.Size]byte) {
		file := filepath.Join(t.TempDir(), "image.tar")
		digest, err := oci.Write(file, "kube-smcroute:1", index)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if others, _ := os.ReadDir(filepath.Dir(file)); len(others) != 1 {
			t.Errorf("Write left %v", others)
		}
		return digest, sha256.Sum256(data)
	}
	digest, sum := archive(twoArchs(t, "same", a, b))
	again, sumAgain := archive(twoArchs(t, "same", b, a))
	if digest != again || sum != sumAgain {
		t.Errorf("the same files gave %v and %v, archives of %x and %x", digest, again, sum, sumAgain)
	}
	if other, sumOther := archive(twoArchs(t, "other", a, b)); other == digest || sumOther == sum {
		t.Errorf("other files gave the same digest %v", other)
	}
}

func TestWriteReplacesNothingUnlessComplete(t *testing.T) {
	file := write(t, "image.tar", "older")
	source := write(t, "program", "static")
	index, err := oci.Index(oci.Image{Files: []oci.File{oci.Program(source)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := oci.Write(file, "no/tag", index); err == nil {
		t.Error("a name without a tag did")
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != "older" {
		t.Errorf("the older file is now %q, %v", got, err)
	}
	if _, err := oci.Write(file, "a:1", index); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(file); !bytes.Contains(got, []byte("oci-layout")) {
		t.Error("the older file stayed")
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm()&0o044 == 0 {
		t.Errorf("mode %v, %v; want one that others can read", info.Mode(), err)
	}
}

func TestReference(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"registry.example/a/kube-smcroute:1.2.3-4-g0123abc-dirty", "registry.example/a/kube-smcroute:1.2.3-4-g0123abc-dirty"},
		{"registry.example:5000/a:1", "registry.example:5000/a:1"},
		{"localhost:5000/a:1", "localhost:5000/a:1"},
	} {
		got, err := oci.Reference(tt.name)
		if err != nil || got.String() != tt.want {
			t.Errorf("%s: got %v, %v, want %s", tt.name, got, err, tt.want)
		}
	}
	// A name without a registry gets the one that kubelets look in.
	got, err := oci.Reference("kube-smcroute:devel")
	if err != nil || !strings.HasSuffix(got.String(), "/library/kube-smcroute:devel") {
		t.Errorf("got %v, %v", got, err)
	}
	for _, tt := range []struct{ name, want string }{
		{"kube-smcroute", "no tag"},
		{"kube-smcroute:1.2.3+dirty", "'+'"},
		{"Kube:1", "lowercase"},
		{"a:1@sha256:" + strings.Repeat("0", 64), "digest"},
	} {
		if got, err := oci.Reference(tt.name); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, %v, want an error with %q", tt.name, got, err, tt.want)
		}
	}
}
