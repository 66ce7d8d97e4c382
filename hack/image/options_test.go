package main

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smcroute/kube-smcroute/hack/image/oci"
)

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		args string
		want options
	}{
		{"", options{out: "dist", name: "kube-smcroute", version: "devel", archs: []string{"amd64", "arm64"}}},
		{"-o d -name registry.example/a -version 1.2.3-4-g0123abc-dirty -arch arm64", options{
			out: "d", name: "registry.example/a", version: "1.2.3-4-g0123abc-dirty", archs: []string{"arm64"},
		}},
		{"-name t -version 1 -file a/b:/b -file c:/d/c:4755 -dir /tmp:1777 -dir /run -user 1:2 -- /b -x", options{
			out: "dist", name: "t", version: "1", archs: []string{runtime.GOARCH},
			files: []oci.File{
				{From: "a/b", Path: "/b", Mode: 0o755},
				{From: "c", Path: "/d/c", Mode: fs.ModeSetuid | 0o755},
				{Path: "/tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
				{Path: "/run", Mode: fs.ModeDir | 0o755},
			},
			user: "1:2", entrypoint: []string{"/b", "-x"},
		}},
	} {
		got, err := parse(strings.Fields(tt.args), io.Discard)
		if err != nil {
			t.Errorf("%q: %v", tt.args, err)
			continue
		}
		if len(got.entrypoint) == 0 {
			got.entrypoint = nil
		}
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(options{})); diff != "" {
			t.Errorf("%q (-want +got)\n%s", tt.args, diff)
		}
	}
}

func TestWrongOptions(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"-version 1.2.3+dirty", `-name, -version: "kube-smcroute:1.2.3+dirty" is no name of an image: there can be no '+'`},
		{"-name a:1", "-name"},
		{"-version 1:2", "-version"},
		{"-arch amd64,,", `"" is no architecture`},
		{"-arch ../x", `"../x" is no architecture`},
		{"-arch amd64,arm64 -file a:/a", "files are for one architecture"},
		{"-dir /tmp", "expected -file"},
		{"-user 1", "expected -file"},
		{"/program", "expected -file"},
		{"-push registry.example/a", `"registry.example/a" has no tag`},
		{"-file a", "expected SRC:DEST"},
		{"-file a:/a:9", `"9" is no mode`},
		{"-nonsense", "flag provided but not defined"},
	} {
		var stderr bytes.Buffer
		_, err := parse(strings.Fields(tt.args), &stderr)
		if err == nil {
			t.Errorf("%q: no error", tt.args)
			continue
		}
		if told := stderr.String() + err.Error(); !strings.Contains(told, tt.want) {
			t.Errorf("%q: told %q, want %q", tt.args, told, tt.want)
		}
	}
	if _, err := parse([]string{"-h"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: got %v, want help", err)
	}
}

// An image of other files, as its user types it.
func TestImageOfFiles(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "pause")
	if err := os.WriteFile(program, []byte("static"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout bytes.Buffer
	err := run(t.Context(), []string{"-o", filepath.Join(dir, "out"), "-name", "registry.example/pause", "-version", "1", "-file", program + ":/pause", "--", "/pause"}, &stdout, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "out", "pause-1.tar")
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	if got := stdout.String(); !strings.Contains(got, file+": registry.example/pause:1 sha256:") || !strings.Contains(got, "linux/"+runtime.GOARCH+": 0.0 MB") {
		t.Errorf("told %q", got)
	}
}
