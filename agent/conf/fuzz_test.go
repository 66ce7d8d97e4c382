package conf_test

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/smcroute/kube-smcroute/agent/conf"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// FuzzParse: no text makes Parse panic; each diagnostic has a place; Seq rises
// by one; no interface is pinned; and what Format writes of the layer is the same layer.
func FuzzParse(f *testing.F) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range archives {
		ar, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range sources(ar) {
			f.Add([]byte(file.Text), false)
			f.Add([]byte(file.Text), true)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, disable bool) {
		src := conf.Source{Name: "fuzz", Text: string(text)}
		opt := conf.Options{DefaultDisable: disable, Include: includeFrom([]conf.Source{src, {Name: "other", Text: string(text)}})}
		layer, diagnostics := conf.Parse(src, opt)
		lines := 1 + strings.Count(string(text), "\n")
		for _, d := range diagnostics {
			if d.Line < 1 || d.Line > lines || d.Column < 1 || d.Column > len(text)+1 || d.File == "" || d.Message == "" ||
				d.Severity < conf.Error || d.Severity > conf.Info {
				t.Errorf("diagnostic %#v", d)
			}
		}
		if n := len(layer.Phyints) + len(layer.Routes) + len(layer.Joins); n != lastSeq(layer) {
			t.Errorf("%d items, but the last Seq is %d", n, lastSeq(layer))
		}
		if pinned(layer) {
			t.Errorf("a pinned pattern in %q", conf.Format(layer))
		}
		again, diagnostics := parse(conf.Format(layer))
		for _, d := range diagnostics {
			if d.Severity == conf.Error {
				t.Errorf("in what Format wrote: %v", d)
			}
		}
		if got, want := withoutPlaces(again), withoutPlaces(layer); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v\nwant %+v\nfrom %q", got, want, conf.Format(layer))
		}
	})
}

// pinned reports whether a pattern of the layer is.
func pinned(l mroute.Layer) bool {
	found := false
	look := func(p mroute.IfPattern) {
		_, pin := p.Pin()
		found = found || pin
	}
	for _, p := range l.Phyints {
		look(p.If)
	}
	for _, r := range l.Routes {
		look(r.From)
		for _, o := range r.To {
			look(o.If)
		}
	}
	for _, j := range l.Joins {
		look(j.If)
	}
	return found
}

func lastSeq(l mroute.Layer) int {
	last := 0
	eachOrigin(&l, func(o *mroute.Origin) { last = max(last, o.Seq) })
	return last
}

// withoutPlaces clears what Format cannot keep: file and line.
func withoutPlaces(l mroute.Layer) mroute.Layer {
	eachOrigin(&l, func(o *mroute.Origin) { *o = mroute.Origin{Seq: o.Seq} })
	return normal(l)
}

func eachOrigin(l *mroute.Layer, do func(*mroute.Origin)) {
	for i := range l.Phyints {
		do(&l.Phyints[i].Origin)
	}
	for i := range l.Routes {
		do(&l.Routes[i].Origin)
	}
	for i := range l.Joins {
		do(&l.Joins[i].Origin)
	}
}

// FuzzParseEdit: no arguments make ParseEdit panic, and what it takes for "add"
// it takes for "remove".
func FuzzParseEdit(f *testing.F) {
	f.Add("a1 1.2.3.4/24 225.1.1.1/16 a2 a3")
	f.Add("wpan0 :: :: 65472 eth0")
	f.Add("a1 225.1.1.1/33")
	f.Add("a1 ::/0 ff05::1")
	f.Add("from a1 source 1.2.3.4 group 225.1.1.1 to a2")
	f.Add("from a1 group ff05::1 native flows 7 to a2 a+")
	f.Add("from a1 source :: group :: except ::1 to 7 a2")
	f.Fuzz(func(t *testing.T, command string) {
		args := strings.Split(command, " ")
		add, err := conf.ParseEdit(mroute.AddRoute, args)
		remove, removeErr := conf.ParseEdit(mroute.RemoveRoute, args)
		if err == nil && (removeErr != nil || !reflect.DeepEqual(add.Route, remove.Route)) {
			t.Errorf("add gives %+v; remove %+v, %v", add, remove, removeErr)
		}
		if _, err := conf.ParseEdit(mroute.AddJoin, args); err == nil && removeErr != nil {
			t.Errorf("a join, but not a route: %v", removeErr)
		}
	})
}
