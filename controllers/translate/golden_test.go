package translate_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/smcroute/kube-smcroute/controllers/translate"
)

var update = flag.Bool("update", false, "write what Translate returns into testdata")

// TestGolden reads each testdata/*.txtar: "in.yaml" holds the objects, "out" is
// what must come of them. The comment tells the story.
func TestGolden(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives in testdata: %v", err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if len(ar.Files) == 0 || ar.Files[0].Name != "in.yaml" {
				t.Fatalf("%s: expected in.yaml first", name)
			}
			got := text(translate.Translate(parse(t, ar.Files[0].Data)))
			if *update {
				ar.Files = append(ar.Files[:1], txtar.File{Name: "out", Data: []byte(got)})
				if err := os.WriteFile(name, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if len(ar.Files) != 2 || string(ar.Files[1].Data) != got {
				t.Errorf("%s:\n%s\nwant:\n%s", name, got, ar.Files[len(ar.Files)-1].Data)
			}
		})
	}
}
