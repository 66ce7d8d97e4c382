package manifests

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"
)

// TestHostileFiles feeds damaged files to the reader; the documents alone are
// fuzzed in package yamldoc. Whatever is in them: no object is good and has
// problems, and all lines are lines of the file.
func TestHostileFiles(t *testing.T) {
	var seeds [][]byte
	archives, _ := filepath.Glob("testdata/*.txtar")
	for _, name := range archives {
		ar, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range ar.Files {
			if file.Name != "want" {
				seeds = append(seeds, file.Data)
			}
		}
	}
	samples, _ := filepath.Glob("../../config/samples/*.yaml")
	for _, name := range samples {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, text)
	}
	for _, text := range seeds {
		checkContents(t, text)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := slices.Clone(rapid.SampledFrom(seeds).Draw(t, "file"))
		for range rapid.IntRange(1, 3).Draw(t, "damages") {
			at := rapid.IntRange(0, len(text)).Draw(t, "at")
			end := min(len(text), at+rapid.IntRange(0, 20).Draw(t, "length"))
			bad := rapid.SampledFrom([]string{"", "\x00", "\n", "---\n", "{", "]", "&a [*a]", "- ", ": ", "\"", "1e9", "null", "!!binary x", "\t"}).Draw(t, "by")
			text = slices.Concat(text[:at], []byte(bad), text[end:])
		}
		checkContents(t, text)
	})
}

func checkContents(t interface{ Errorf(string, ...any) }, text []byte) {
	lines := strings.Count(string(text), "\n") + 1
	check := func(ps []Problem) {
		for _, p := range ps {
			if p.Line < 1 || p.Line > lines || p.Message == "" {
				t.Errorf("%q of a file of %d lines:\n%s", p, lines, text)
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
}
