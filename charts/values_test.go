package charts_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/smcroute/kube-smcroute/test/golden"
)

// TestValues: in each file of testdata there are values, NAME.yaml, and what
// they change in what is installed by default, NAME.diff; or why they are
// refused, NAME.error. Without values NAME.diff is all that is installed.
func TestValues(t *testing.T) {
	programs := build(t)
	before := mustInstall(t, "")
	golden.Test(t, func(t *testing.T, in *txtar.Archive) []txtar.File {
		var out []txtar.File
		for _, f := range in.Files {
			name, ok := strings.CutSuffix(f.Name, ".yaml")
			if !ok {
				continue
			}
			refused, changes := "", ""
			if r, err := install(t, string(f.Data)); err != nil {
				refused = inOrder(err)
			} else {
				than := before
				if len(bytes.TrimSpace(f.Data)) == 0 {
					than = &release{}
				}
				changes = difference(t, than, r)
				programs.check(t, name, r)
			}
			out = append(out, txtar.File{Name: name + ".error", Data: []byte(refused)}, txtar.File{Name: name + ".diff", Data: []byte(changes)})
		}
		return out
	})
}

// inOrder returns a refusal, its complaints about values in order: Helm has them
// in any, as a tree.
func inOrder(err error) string {
	var lines, complaints []string
	for _, line := range strings.Split(strings.TrimSpace(err.Error()), "\n") {
		switch complaint := strings.TrimSpace(line); {
		case strings.HasPrefix(complaint, "level=INFO "): // the same in other words
		case !strings.HasPrefix(complaint, "- at "):
			lines = append(lines, line)
		case !strings.HasSuffix(complaint, "validation failed"): // which is of a branch
			complaints = append(complaints, complaint)
		}
	}
	slices.Sort(complaints)
	return strings.Join(append(lines, complaints...), "\n") + "\n"
}

// difference says what is new in each object, and in the notes.
func difference(t *testing.T, before, after *release) string {
	t.Helper()
	var b strings.Builder
	show := func(name, old, now string) {
		lines := strings.SplitAfter(string(diff.Diff("before", []byte(old), "after", []byte(now))), "\n")
		if len(lines) <= 3 {
			return // the same
		}
		fmt.Fprintf(&b, "# %s\n", name)
		for _, line := range lines[3:] {
			if strings.HasPrefix(line, "@@") {
				line = "@@\n" // where, would change often
			}
			b.WriteString(line)
		}
	}
	old := map[string]string{}
	for _, d := range documents(t, before.Manifest) {
		old[d.name] = shortened(d)
	}
	for _, d := range documents(t, after.Manifest) {
		show(d.name, old[d.name], shortened(d))
		delete(old, d.name)
	}
	for _, d := range documents(t, before.Manifest) {
		if _, gone := old[d.name]; gone {
			fmt.Fprintf(&b, "# no %s\n", d.name)
		}
	}
	show("NOTES", before.Info.Notes, after.Info.Notes)
	return b.String()
}

// shortened leaves out what config/crd has tests for.
func shortened(d document) string {
	if strings.HasPrefix(d.name, "CustomResourceDefinition ") {
		d.text, _, _ = strings.Cut(d.text, "\nspec:")
	}
	return d.text + "\n"
}
