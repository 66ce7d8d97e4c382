package manifests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzParse feeds files to the reader. Whatever is in them: no object is good
// and has problems, all lines are lines of the file, and nothing is lost: a
// document comes out as something.
func FuzzParse(f *testing.F) {
	archives, _ := filepath.Glob("testdata/*.txtar")
	for _, name := range archives {
		ar, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range ar.Files {
			if file.Name != "want" {
				f.Add(file.Data)
			}
		}
	}
	samples, _ := filepath.Glob("../../config/samples/*.yaml")
	for _, name := range samples {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("a: &a [1]\nb: &b [*a,*a]\nc: [*b,*b]\n"))
	f.Add([]byte("---\n...\n---\r\n%YAML 1.2\n--- |\n x\n"))
	f.Add([]byte("apiVersion: v1\nkind: List\nitems: &i [*i]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		lines := strings.Count(string(text), "\n") + 1
		check := func(ps []Problem) {
			for _, p := range ps {
				if p.Line < 1 || p.Line > lines || p.Message == "" {
					t.Errorf("%q of a file of %d lines", p, lines)
				}
			}
		}
		c := parse(validator(), "f.yaml", text)
		check(c.strays)
		for _, d := range c.declarations {
			check(d.problems)
			if (d.object == nil) != (len(d.problems) > 0) {
				t.Errorf("%s: an object: %v, problems: %v", d.key, d.object != nil, d.problems)
			}
			if d.line < 1 || d.line > lines || d.key.Name == "" || d.key.Namespace == "" {
				t.Errorf("%s at line %d of %d", d.key, d.line, lines)
			}
			if name := statusFile(d.key); name != filepath.Base(name) {
				t.Errorf("%s: the status file would be %s", d.key, name)
			}
		}
	})
}
