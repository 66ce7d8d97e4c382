// Package golden compares what code makes of txtar archives with what the
// archives say it should. "go test -update" writes what it makes into them, to
// be read before it is committed.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what comes out into the golden files")

// Test runs a subtest for each testdata/*.txtar. run gets the archive and
// returns the files that should be in it by now, in order; all else in the
// archive is input. A file without text is not in an archive.
func Test(t *testing.T, run func(t *testing.T, in *txtar.Archive) (out []txtar.File)) {
	t.Helper()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no archives in testdata: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			in, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			out := run(t, in)
			if *update {
				write(t, name, in, out)
			}
			for _, f := range out {
				if diff := cmp.Diff(lines(text(in, f.Name)), lines(string(f.Data))); diff != "" {
					t.Errorf("%s: %s (-want +got)\n%s", name, f.Name, diff)
				}
			}
		})
	}
}

// text is that of a file of the archive.
func text(ar *txtar.Archive, name string) string {
	if i := slices.IndexFunc(ar.Files, func(f txtar.File) bool { return f.Name == name }); i >= 0 {
		return string(ar.Files[i].Data)
	}
	return ""
}

func write(t *testing.T, name string, ar *txtar.Archive, out []txtar.File) {
	t.Helper()
	for _, f := range out {
		ar.Files = slices.DeleteFunc(ar.Files, func(have txtar.File) bool { return have.Name == f.Name })
		if len(f.Data) > 0 {
			ar.Files = append(ar.Files, f)
		}
	}
	if err := os.WriteFile(name, txtar.Format(ar), 0o644); err != nil {
		t.Fatal(err)
	}
}

func lines(text string) []string { return strings.Split(text, "\n") }
