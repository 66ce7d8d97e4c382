package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/smcroute/kube-smcroute/test/golden"
)

// TestGenerate: in each file of testdata there is a values.yaml, and what is made
// of it, or the error.
func TestGenerate(t *testing.T) {
	golden.Test(t, func(t *testing.T, in *txtar.Archive) []txtar.File {
		chart, out := t.TempDir(), t.TempDir()
		write(t, filepath.Join(chart, "README.md"), "# Chart\n\n"+tableBegin+"old\n"+tableEnd+"\nMore.\n")
		for _, f := range in.Files {
			if f.Name == "values.yaml" || f.Name == "README.md" {
				write(t, filepath.Join(chart, f.Name), string(f.Data))
			}
		}
		complaint := ""
		if err := generate(chart, out); err != nil {
			complaint = strings.ReplaceAll(err.Error(), chart+"/", "") + "\n"
		}
		return []txtar.File{
			{Name: "error", Data: []byte(complaint)},
			{Name: "made/README.md", Data: made(out, "README.md")},
			{Name: "made/values.schema.json", Data: made(out, "values.schema.json")},
		}
	})
}

// made returns a file without the definitions, which are the same in each.
func made(dir, name string) []byte {
	text, _ := os.ReadFile(filepath.Join(dir, name)) // none if there was an error
	before, _, ok := strings.Cut(string(text), "\n  \"definitions\": {\n")
	if ok {
		before += "\n  \"definitions\": ...\n"
	}
	return []byte(before)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
