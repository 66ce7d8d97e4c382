package show

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the golden files anew")

// listings are the files of a golden archive.
var listings = []struct {
	name   string
	what   What
	detail bool
	json   bool
}{
	{"routes", Routes, false, false},
	{"routes-detail", Routes, true, false},
	{"routes-json", Routes, false, true},
	{"groups", Groups, false, false},
	{"groups-detail", Groups, true, false},
	{"groups-json", Groups, false, true},
	{"interfaces", Interfaces, false, false},
	{"interfaces-json", Interfaces, false, true},
	{"pending", Pending, false, false},
	{"pending-detail", Pending, true, false},
	{"pending-json", Pending, false, true},
}

// TestGolden compares every listing of every snapshot with testdata/*.txtar.
// There "|" stands for the end of each line, so that trailing blanks show.
func TestGolden(t *testing.T) {
	for name, snap := range snapshots {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".txtar")
			got := &txtar.Archive{Comment: []byte("Listings of the snapshot \"" + name + "\" of snapshot_test.go. A | ends each line.\n\n")}
			for _, l := range listings {
				text := Text(snap, l.what, l.detail)
				if l.json {
					text = JSON(snap, l.what)
				}
				got.Files = append(got.Files, txtar.File{Name: l.name, Data: []byte(strings.ReplaceAll(text, "\n", "|\n"))})
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(txtar.Format(got))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
