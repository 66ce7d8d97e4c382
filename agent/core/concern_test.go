package core_test

import (
	"testing"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Entries are looked at again for a link that a rule names, or that has a number,
// and for no other; of a layer those that it says something else of.
func TestOnlyWhatIsConcernedIsLookedAt(t *testing.T) {
	r := newRouter(t, "a0", "b0", "c0")
	l := exactRoutes(50)
	r.step(core.SetLayer{Layer: l})
	looked := func(what string, want int) {
		t.Helper()
		if got := r.state.Looked(); got != want {
			t.Errorf("%s: %d entries were looked at, want %d", what, got, want)
		}
	}
	looked("the first layer", 50)
	changes := r.changes
	r.host.AddLink("veth9")
	r.readLinks()
	looked("a link that nobody names", 0)
	if r.changes == changes {
		t.Error("nobody was told of it")
	}
	r.host.RenameLink("veth9", "veth8")
	r.readLinks()
	looked("its new name", 0)
	r.del("veth8")
	r.readLinks()
	looked("its end", 0)
	r.host.AddLink("b1")
	r.readLinks()
	looked("an output", 50)

	r.step(core.SetLayer{Layer: exactRoutes(50)})
	looked("the same layer", 0)
	l = exactRoutes(50)
	l.Routes[20].To = []mroute.Output{{If: "c0"}}
	r.step(core.SetLayer{Layer: l})
	if got := r.out("a0", l.Routes[20].Match.SG()); got != "c0" {
		t.Errorf("the route that changed goes to %s", got)
	}
	// The new output had everything looked at; not so what follows.
	r.step(core.SetLayer{Layer: l})
	looked("the same again", 0)
	l.Routes = append(l.Routes[:30:30], l.Routes[31:]...)
	r.step(core.SetLayer{Layer: l})
	looked("without one", 0) // which is gone
	if got := r.out("a0", exactRoutes(50).Routes[30].Match.SG()); got != "-" {
		t.Errorf("the route that is gone goes to %s", got)
	}
}
