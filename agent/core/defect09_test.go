package core_test

import (
	"testing"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Defect 9: the original goes through lists of all routes for each. Here a
// route that is added, and a flow that is learned, is compared alone, however
// many others there are. test/bench has the times.
func TestDefect09OthersAreNotLookedAt(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	layer := exactRoutes(1000)
	layer.Routes = append(layer.Routes, mroute.Route{
		From: "a0", Match: match("* 239.0.0.0/8"), To: []mroute.Output{{If: "b0"}},
		Origin: mroute.Origin{Ref: "conf", Line: 1001, Seq: 1001},
	})
	r.step(core.SetLayer{Layer: layer})
	is(t, "entries looked at by a reload", r.state.Looked(), 1000)
	r.ctl("add a0 10.9.9.9 225.9.9.9 b0")
	is(t, "entries looked at by add", r.state.Looked(), 1)
	r.ctl("remove a0 10.9.9.9 225.9.9.9 b0")
	is(t, "entries looked at by remove", r.state.Looked(), 1)
	r.send("a0", flow("10.0.0.1 239.1.1.1"))
	is(t, "entries looked at by learning", r.state.Looked(), 1)
	r.ctl("add a0 239.1.1.1 b1")
	is(t, "entries looked at by add of a template", r.state.Looked(), 1)
}
