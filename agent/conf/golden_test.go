package conf_test

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/smcroute/kube-smcroute/agent/conf"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/golden"
)

// TestGolden reads each testdata/*.txtar: its first file is parsed and may
// include the others; "layer" and "diagnostics" are what must come out. The word
// "-N" in the archive's comment sets DefaultDisable.
func TestGolden(t *testing.T) {
	golden.Test(t, func(t *testing.T, in *txtar.Archive) []txtar.File {
		files := sources(in)
		layer, diagnostics := conf.Parse(files[0], conf.Options{
			DefaultDisable: slices.Contains(strings.Fields(string(in.Comment)), "-N"),
			Include:        includeFrom(files),
		})
		return []txtar.File{
			{Name: "layer", Data: []byte(dump(layer))},
			{Name: "diagnostics", Data: []byte(dumpDiagnostics(diagnostics))},
		}
	})
}

// sources are the configuration files of an archive.
func sources(ar *txtar.Archive) (files []conf.Source) {
	for _, f := range ar.Files {
		if f.Name != "layer" && f.Name != "diagnostics" {
			files = append(files, conf.Source{Name: f.Name, Text: string(f.Data)})
		}
	}
	return files
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
		learn := ""
		if r.AnySource == mroute.NativeSources {
			learn = " native"
		}
		if r.MaxFlows != 0 {
			learn += fmt.Sprintf(" flows=%d", r.MaxFlows)
		}
		add(r.Origin, "route %s %v%v except=%v%s to=%v", r.From, r.Match, r.Scopes, r.Except, learn, r.To)
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
