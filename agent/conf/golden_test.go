package conf_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/smcroute/kube-smcroute/agent/conf"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

var update = flag.Bool("update", false, "write what Parse returns into testdata")

// TestGolden reads each testdata/*.txtar: its first file is parsed and may
// include the others; "layer" and "diagnostics" are what must come out. The word
// "-N" in the archive's comment sets DefaultDisable.
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
			files, want := split(ar)
			layer, diagnostics := conf.Parse(files[0], conf.Options{
				DefaultDisable: slices.Contains(strings.Fields(string(ar.Comment)), "-N"),
				Include:        includeFrom(files),
			})
			got := map[string]string{"layer": dump(layer), "diagnostics": dumpDiagnostics(diagnostics)}
			if *update {
				writeGolden(t, name, ar, got)
				return
			}
			for _, part := range []string{"layer", "diagnostics"} {
				if got[part] != want[part] {
					t.Errorf("%s of %s:\n%s\nwant:\n%s", part, name, got[part], want[part])
				}
			}
		})
	}
}

// split parts an archive into configuration files and expectations.
func split(ar *txtar.Archive) ([]conf.Source, map[string]string) {
	var files []conf.Source
	want := map[string]string{}
	for _, f := range ar.Files {
		if f.Name == "layer" || f.Name == "diagnostics" {
			want[f.Name] = string(f.Data)
		} else {
			files = append(files, conf.Source{Name: f.Name, Text: f.Data})
		}
	}
	return files, want
}

func writeGolden(t *testing.T, name string, ar *txtar.Archive, got map[string]string) {
	ar.Files = slices.DeleteFunc(ar.Files, func(f txtar.File) bool { return got[f.Name] != "" || f.Name == "diagnostics" })
	for _, part := range []string{"layer", "diagnostics"} {
		ar.Files = append(ar.Files, txtar.File{Name: part, Data: []byte(got[part])})
	}
	if err := os.WriteFile(name, txtar.Format(ar), 0o644); err != nil {
		t.Fatal(err)
	}
}

// includeFrom is an Include that knows files and nothing else.
func includeFrom(files []conf.Source) func(string) ([]conf.Source, error) {
	return func(pattern string) ([]conf.Source, error) {
		var found []conf.Source
		for _, f := range files {
			ok, err := path.Match(pattern, f.Name)
			if err != nil {
				return nil, err
			}
			if ok {
				found = append(found, f)
			}
		}
		return found, nil
	}
}

// dump writes a layer in full, in order of Seq.
func dump(l mroute.Layer) string {
	type row struct {
		seq  int
		text string
	}
	var rows []row
	add := func(o mroute.Origin, format string, args ...any) {
		rows = append(rows, row{o.Seq, fmt.Sprintf("%d %v %s\n", o.Seq, o, fmt.Sprintf(format, args...))})
	}
	for _, p := range l.Phyints {
		state := map[mroute.PhyintState]string{mroute.PhyintEnabled: "enabled", mroute.PhyintDisabled: "disabled"}[p.State]
		add(p.Origin, "phyint %s %s mrdisc=%t threshold=%d", p.If, state, p.MRDisc, p.Threshold)
	}
	for _, r := range l.Routes {
		add(r.Origin, "route %s %v%v except=%v to=%v", r.From, r.Match, r.Scopes, r.Except, r.To)
	}
	for _, j := range l.Joins {
		add(j.Origin, "join %s %v", j.If, j.Match)
	}
	slices.SortFunc(rows, func(a, b row) int { return a.seq - b.seq })
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s firstmatch=%t\n", l.Name, l.FirstMatch)
	for _, r := range rows {
		b.WriteString(r.text)
	}
	return b.String()
}

func dumpDiagnostics(list []conf.Diagnostic) string {
	var b strings.Builder
	for _, d := range list {
		fmt.Fprintf(&b, "%v: %s:%d:%d: %s\n", d.Severity, d.File, d.Line, d.Column, d.Message)
	}
	return b.String()
}
