package manifests

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"

	"github.com/smcroute/kube-smcroute/config/crd"
	"github.com/smcroute/kube-smcroute/test/golden"
)

// validator is made once: compiling the rules takes a while.
var validator = sync.OnceValue(func() Validator {
	v, err := crd.NewValidator()
	if err != nil {
		panic(err)
	}
	return v
})

// TestGolden reads each testdata/*.txtar: the directories 1, 2 and so on in it
// are what the manifests' directory holds, one after the other. A file with the
// text "UNREADABLE" is. The file "want" says what must come out of each.
func TestGolden(t *testing.T) {
	golden.Test(t, func(t *testing.T, in *txtar.Archive) []txtar.File {
		return []txtar.File{{Name: "want", Data: []byte(play(t, in))}}
	})
}

// play shows a catalog the states of the directory, and prints what it has.
func play(t *testing.T, ar *txtar.Archive) string {
	steps := map[string][]file{}
	for _, f := range ar.Files {
		step, name, ok := strings.Cut(f.Name, "/")
		if !ok {
			continue
		}
		read := file{name: name, text: f.Data}
		if strings.TrimSpace(string(f.Data)) == "UNREADABLE" {
			read = file{name: name, err: os.ErrPermission}
		}
		steps[step] = append(steps[step], read)
	}
	c := newCatalog(validator())
	var out strings.Builder
	for n := 1; ; n++ {
		files, ok := steps[fmt.Sprint(n)]
		if !ok && n > len(steps) {
			return out.String()
		}
		slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
		c.update(files)
		fmt.Fprintf(&out, "== %d\n", n)
		for _, p := range c.problems {
			fmt.Fprintln(&out, "problem:", p)
		}
		for _, f := range c.foreign {
			fmt.Fprintln(&out, "foreign:", f)
		}
		printObjects(t, &out, c)
	}
}

func printObjects(t *testing.T, out *strings.Builder, c *catalog) {
	specs := map[Key]any{}
	routes, groups := c.objects()
	for _, r := range routes {
		specs[Key{"MulticastRoute", r.Namespace, r.Name}] = r.Spec
		if r.DeletionTimestamp != nil {
			fmt.Fprintln(out, r.Name, "is being deleted")
		}
	}
	for _, g := range groups {
		specs[Key{"MulticastGroup", g.Namespace, g.Name}] = g.Spec
	}
	for _, e := range c.sorted() {
		fmt.Fprintf(out, "%s of %s:%d, generation %d\n", e.key, e.file, e.line, e.generation)
		for _, p := range e.problems {
			fmt.Fprintln(out, "  problem:", p)
		}
		if specs[e.key] == nil {
			fmt.Fprintln(out, "  never was good")
			continue
		}
		text, err := yaml.Marshal(specs[e.key])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(out, "  ", strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "\n  "), "\n")
	}
}
