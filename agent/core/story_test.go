package core_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/conf"
	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// conf replaces the layer "file" by what the text says, and drops edits.
func (r *router) conf(lines ...string) {
	r.t.Helper()
	r.step(core.SetLayer{Layer: r.parse(lines...), DropEdits: true})
}

// parse is what the text says, as the layer "file".
func (r *router) parse(lines ...string) mroute.Layer {
	r.t.Helper()
	l, diags := conf.Parse(conf.Source{Name: "conf", Text: strings.Join(lines, "\n")}, conf.Options{})
	for _, d := range diags {
		if d.Severity == conf.Error {
			r.t.Fatalf("%v", d)
		}
	}
	return l
}

// ctl gives a command of smcroutectl.
func (r *router) ctl(line string) {
	r.t.Helper()
	words := strings.Fields(line)
	kind := map[string]mroute.EditKind{
		"add": mroute.AddRoute, "remove": mroute.RemoveRoute, "join": mroute.AddJoin, "leave": mroute.RemoveJoin,
	}[words[0]]
	ed, err := conf.ParseEdit(kind, words[1:])
	if err == nil {
		err = r.edit(ed)
	}
	if err != nil {
		r.t.Fatalf("%s: %v", line, err)
	}
}

// flow is an (S,G) written "S G".
func flow(s string) mroute.SG { return match(s).SG() }

// entries lists the forwarding cache as the state has it: "learned a0 (S, G) -> b0".
func (r *router) entries() []string {
	var es []string
	for _, e := range r.state.Snapshot(r.now, nil).Entries {
		es = append(es, strings.TrimSpace(fmt.Sprintf("%v %s %v -> %s", e.Kind, e.IIF, e.SG, strings.Join(e.OIFs, " "))))
	}
	return es
}

// vif is the number of a link in the IPv4 table, or NoVIF.
func (r *router) vif(link string) mroute.VIF {
	for _, l := range r.state.Snapshot(r.now, nil).Links {
		if l.Name == link {
			return l.VIF
		}
	}
	return mroute.NoVIF
}

// takeLogs returns the lines logged since the last call.
func (r *router) takeLogs() []string {
	l := r.logs
	r.logs = nil
	return l
}

func (r *router) takeFlows() []string {
	var fs []string
	for _, f := range r.flows {
		s := fmt.Sprintf("%v %v from %s", f.Kind, f.SG, f.Link)
		if f.Moved {
			s += " moved"
		}
		fs = append(fs, s)
	}
	r.flows = nil
	return fs
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n  %s\nwant\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func is[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func addrFrom(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a
}
