package draw

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/smcroute/kube-smcroute/test/golden"
)

// readRouters reads routers as archives have them: one JSON object after the other.
func readRouters(t *testing.T, in *txtar.Archive, name string) (routers []Router) {
	t.Helper()
	for _, f := range in.Files {
		if f.Name != name {
			continue
		}
		d := json.NewDecoder(strings.NewReader(string(f.Data)))
		d.DisallowUnknownFields()
		for d.More() {
			var r Router
			if err := d.Decode(&r); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			routers = append(routers, r)
		}
	}
	return routers
}

// TestGolden draws what routers said "now", and "before" it, with the filter in
// "arguments".
func TestGolden(t *testing.T) {
	golden.Test(t, func(t *testing.T, in *txtar.Archive) (out []txtar.File) {
		l := &Look{Now: readRouters(t, in, "now"), Before: readRouters(t, in, "before")}
		for _, f := range in.Files {
			if f.Name == "arguments" {
				var err error
				if l.Filter, err = ParseFilter(strings.Fields(string(f.Data))); err != nil {
					t.Fatal(err)
				}
			}
		}
		add := func(name string, listing Listing, f Format, s Style) {
			text, err := Print(listing, f, s)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, txtar.File{Name: name, Data: []byte(text)})
		}
		add("routes", l.Routes(), Text, Style{})
		add("routes-wide", l.Routes(), Wide, Style{})
		add("routes.yaml", l.Routes(), YAML, Style{})
		add("flows", l.Flows(), Text, Style{})
		add("flows-wide", l.Flows(), Wide, Style{})
		add("top", l.Top(2), Text, Style{})
		add("top-narrow", l.Top(0), Text, Style{Width: 40})
		add("top.json", l.Top(1), JSON, Style{})
		add("tree", l.Tree(), Text, Style{})
		add("tree-ascii", l.Tree(), Wide, Style{ASCII: true})
		changes := txtar.File{Name: "changes"}
		lines := txtar.File{Name: "changes.json"}
		for _, c := range append([]Change{*l.Beginning()}, l.Changes()...) {
			for f, to := range map[Format]*txtar.File{Text: &changes, JSON: &lines} {
				text, err := PrintLine(&c, f, Style{})
				if err != nil {
					t.Fatal(err)
				}
				to.Data = append(to.Data, text...)
			}
		}
		return append(out, changes, lines)
	})
}
