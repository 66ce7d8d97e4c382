package main

import (
	"archive/tar"
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// tiny writes a module like this one, with two small programs, into a new
// directory, and returns a release of it.
func tiny(t *testing.T, word string) release {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":                          "module " + module + "\n\ngo " + goVersion(t) + "\n",
		"cmd/internal/install/install.go": "package install\n\nvar Version, SysConfDir, RunStateDir string\n",
		"cmd/one/main.go": "package main\n\nimport \"" + module + "/cmd/internal/install\"\n\n" +
			"func main() { println(install.Version, install.SysConfDir, install.RunStateDir) }\n",
		"cmd/two/main.go": "package main\n\nfunc main() { println(\"" + word + "\") }\n",
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return release{
		root: root, programs: []string{"one", "two"}, name: "tiny", version: "1.2.3",
		archs: []string{"amd64", "arm64"}, out: filepath.Join(root, "dist"),
	}
}

func (r release) mustBuild(t *testing.T) v1.ImageIndex {
	t.Helper()
	// Of all that the environment may say, not of a git repository around the
	// temporary directory.
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(r.root))
	index, err := r.build(t.Context(), io.Discard, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	return index
}

func digest(t *testing.T, index v1.ImageIndex) v1.Hash {
	t.Helper()
	d, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// imageOf is the image for arch.
func imageOf(t *testing.T, index v1.ImageIndex, arch string) v1.Image {
	t.Helper()
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range manifest.Manifests {
		if m.Platform.Architecture == arch {
			image, err := index.Image(m.Digest)
			if err != nil {
				t.Fatal(err)
			}
			return image
		}
	}
	t.Fatalf("no image for %s in %v", arch, manifest.Manifests)
	return nil
}

// extract unpacks the image's files, not its directories, into a new directory,
// and tells their modes.
func extract(t *testing.T, image v1.Image) (dir string, modes map[string]int64) {
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
	dir, modes = t.TempDir(), map[string]int64{}
	r := tar.NewReader(content)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir, modes
		}
		if err != nil {
			t.Fatal(err)
		}
		modes[h.Name] = h.Mode
		if h.Typeflag == tar.TypeDir {
			continue
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, h.Name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestImageHasThePrograms(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	t.Setenv("CGO_ENABLED", "1") // programs are static even so
	r := tiny(t, "two")
	index := r.mustBuild(t)
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		image := imageOf(t, index, arch)
		dir, modes := extract(t, image)
		want := map[string]int64{
			"etc/": 0o755, "etc/group": 0o644, "etc/passwd": 0o644, "run/": 0o755, "tmp/": 0o1777,
			"one": 0o755, "two": 0o755,
		}
		if diff := cmp.Diff(want, modes); diff != "" {
			t.Errorf("%s: files (-want +got)\n%s", arch, diff)
		}
		program, err := elf.Open(filepath.Join(dir, "one"))
		if err != nil {
			t.Fatal(err)
		}
		defer program.Close()
		if program.Machine != machine || program.Section(".interp") != nil || program.Section(".debug_info") != nil || program.Section(".symtab") != nil {
			t.Errorf("%s: the program is for %v with sections %v; want a static one for %v without symbols", arch, program.Machine, program.Sections, machine)
		}
		info, err := buildinfo.ReadFile(filepath.Join(dir, "one"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(info.Settings, debug.BuildSetting{Key: "CGO_ENABLED", Value: "0"}) {
			t.Errorf("%s: built with %v", arch, info.Settings)
		}
		if arch == runtime.GOARCH {
			out, err := exec.Command(filepath.Join(dir, "one")).CombinedOutput()
			if got, want := string(out), "1.2.3 /etc /run\n"; err != nil || got != want {
				t.Errorf("the program says %q, %v; want %q", got, err, want)
			}
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(configuration("1.2.3", ""), config.Config); diff != "" {
			t.Errorf("%s: configuration (-want +got)\n%s", arch, diff)
		}
		if config.Created.Unix() != 1700000000 {
			t.Errorf("%s: created %v, want that of SOURCE_DATE_EPOCH", arch, config.Created)
		}

		manifest, err := image.Digest()
		if err != nil {
			t.Fatal(err)
		}
		bill, err := os.ReadFile(filepath.Join(r.out, "tiny-1.2.3-"+arch+".cdx.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`"2023-11-14T22:13:20Z"`, `"` + manifest.Hex + `"`} {
			if !strings.Contains(string(bill), want) {
				t.Errorf("%s: the bill of materials has no %s:\n%s", arch, want, bill)
			}
		}
	}
}

// What is written in two places at two times is the same, down to the last byte.
func TestSameInputsSameDigest(t *testing.T) {
	first, second := tiny(t, "two"), tiny(t, "two")
	index := first.mustBuild(t)
	if one, two := digest(t, index), digest(t, second.mustBuild(t)); one != two {
		t.Errorf("two clones gave %v and %v", one, two)
	}
	bills := func(r release) map[string]string {
		files, err := filepath.Glob(filepath.Join(r.out, "*.cdx.json"))
		if err != nil {
			t.Fatal(err)
		}
		texts := map[string]string{}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			texts[filepath.Base(file)] = string(text)
		}
		return texts
	}
	if diff := cmp.Diff(bills(first), bills(second)); diff != "" {
		t.Errorf("bills of materials (-first +second)\n%s", diff)
	}
	if got, want := slices.Sorted(maps.Keys(bills(first))), []string{"tiny-1.2.3-amd64.cdx.json", "tiny-1.2.3-arm64.cdx.json"}; !slices.Equal(got, want) {
		t.Errorf("bills %v, want %v", got, want)
	}

	// Of what differs one architecture is enough.
	image, err := imageOf(t, index, runtime.GOARCH).Digest()
	if err != nil {
		t.Fatal(err)
	}
	version := tiny(t, "two")
	version.version = "1.2.4"
	for what, r := range map[string]release{"source": tiny(t, "deux"), "version": version} {
		r.archs = []string{runtime.GOARCH}
		other, err := imageOf(t, r.mustBuild(t), runtime.GOARCH).Digest()
		if err != nil {
			t.Fatal(err)
		}
		if other == image {
			t.Errorf("another %s gave the same digest", what)
		}
	}
}

func TestProgramThatIsMissing(t *testing.T) {
	r := tiny(t, "two")
	r.programs = append(r.programs, "three")
	_, err := r.build(t.Context(), io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "the image has a program three, but there is no directory "+filepath.Join(r.root, "cmd", "three")) {
		t.Errorf("got %v", err)
	}
}

func TestProgramsAreThere(t *testing.T) {
	for _, name := range programs {
		if _, err := os.Stat(filepath.Join("../../cmd", name, "main.go")); err != nil {
			t.Error(err)
		}
	}
}
