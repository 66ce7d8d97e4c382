package core_test

import (
	"fmt"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// keptFrom checks after each op that no packet of exact leaves through the link.
func (r *router) keptFrom(t *testing.T, in, out string) {
	r.after = func(op mroute.Op) {
		for _, n := range r.host.Outputs(in, exact, 64) {
			if n == out {
				t.Errorf("after %v %v a packet of %v leaves through %s", op.Kind, op.SG, exact, out)
			}
		}
	}
}

func (r *router) fail(kind mroute.OpKind, sg mroute.SG) {
	r.host.Fail(failing(func(op mroute.Op) bool { return op.Kind == kind && op.SG == sg }))
}

const stopExact = "mroute from a0 source 10.0.0.1 group 225.1.1.1"

// The (*,G) entry cannot be deleted: what keeps packets from it stays as long.
func TestNativeThatStays(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.conf(nativeConf, stopExact)
	r.fail(mroute.DelMFC, anyExact)
	r.keptFrom(t, "a0", "b0")
	r.takeOps()
	r.conf("phyint a0", "phyint b0", "phyint b1")
	same(t, "ops", r.kinds(), "DelMFC (*, 225.1.1.1)")
	same(t, "entries", r.entries(), "static a0 (10.0.0.1, 225.1.1.1) ->", "static a0 (*, 225.1.1.1) -> b0 b1")
	r.host.Fail(nil)
	r.step(core.Retry{})
	same(t, "after a retry", r.kinds(), "DelMFC (*, 225.1.1.1)", "DelMFC (10.0.0.1, 225.1.1.1)")
}

// It cannot be changed: likewise.
func TestNativeThatStaysAsItWas(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.conf(nativeConf, stopExact)
	r.fail(mroute.SetMFC, anyExact)
	r.keptFrom(t, "a0", "b0")
	r.conf("mroute from a0 group 225.1.1.1 native to b1", "phyint b0")
	r.host.Fail(nil)
	r.step(core.Retry{})
	same(t, "entries", r.entries(), "static a0 (*, 225.1.1.1) -> b1")
	same(t, "left", r.send("a0", exact), "b1")
}

// An (S,G) entry is refused: the (*,G) entry that would have its packets waits.
// Others are learned meanwhile.
func TestNativeWaitsForWhatIsRefused(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.conf("phyint a0", "phyint b0", "phyint b1")
	r.fail(mroute.SetMFC, exact)
	r.keptFrom(t, "a0", "b0")
	r.conf(nativeConf, stopExact)
	r.send("a0", other)
	same(t, "another source", r.send("a0", other), "b0", "b1")
	p := r.state.Snapshot(r.now, nil).Pending
	is(t, "pending", len(p), 2)
	is(t, "reason", p[0].Reason, "the (*, 225.1.1.1) entry waits for that of (10.0.0.1, 225.1.1.1): SetMFC (10.0.0.1, 225.1.1.1): no")
	r.host.Fail(nil)
	r.step(core.Retry{})
	same(t, "entries", r.entries(), "static a0 (10.0.0.1, 225.1.1.1) ->", "static a0 (*, 225.1.1.1) -> b0 b1")
	is(t, "pending", len(r.state.Snapshot(r.now, nil).Pending), 0)
}

// What waits is not tried again with the rule gone for which it did.
func TestNativeWaitsNoLonger(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.conf("phyint a0", "phyint b0", "phyint b1")
	r.fail(mroute.SetMFC, exact)
	r.conf(nativeConf, stopExact)
	r.conf(nativeConf)
	same(t, "entries", r.entries(), "static a0 (*, 225.1.1.1) -> b0 b1")
}

// A (*,G) entry that waits does no longer what it shall not do any more.
func TestNativeThatWaitsIsNarrowed(t *testing.T) {
	for _, tt := range []struct{ conf, want string }{
		{"mroute from a0 group 225.1.1.1 native to b1 c0", "[static a0 (*, 225.1.1.1) -> b1]"},
		{"mroute from b0 group 225.1.1.1 native to c0", "[]"},
	} {
		r := newRouter(t, "a0", "b0", "b1", "c0")
		r.conf(nativeConf, "phyint c0")
		r.fail(mroute.SetMFC, exact)
		r.keptFrom(t, "a0", "c0")
		r.conf(tt.conf, stopExact, "mroute from b0 source 10.0.0.1 group 225.1.1.1 to b1")
		is(t, "entries", fmt.Sprint(r.entries()), tt.want)
	}
}

// The link from which an (S,G) entry takes its packets goes: those that come by
// another link are not for the (*,G) entry, not even before the next (S,G) is set.
func TestNativeWhenLinksGo(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1", "c0")
	r.conf(nativeConf, "mroute from a0 source 10.0.0.1 group 225.1.1.1 to b1", "mroute from c0 source 10.0.0.1 group 225.1.1.1 to b1")
	same(t, "entries", r.entries(), "static c0 (10.0.0.1, 225.1.1.1) -> b1", "static a0 (*, 225.1.1.1) -> b0 b1")
	r.takeOps()
	r.keptFrom(t, "a0", "b0")
	r.del("c0")
	r.readLinks()
	same(t, "entries", r.entries(), "static a0 (10.0.0.1, 225.1.1.1) -> b1", "static a0 (*, 225.1.1.1) -> b0 b1")
	r.after = nil
	r.conf(nativeConf)
	same(t, "entries", r.entries(), "static a0 (*, 225.1.1.1) -> b0 b1")
}

// Both inputs go, and the (*,G) entry cannot be deleted.
func TestNativeThatStaysWhenLinksGo(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1", "c0")
	r.conf(nativeConf, "mroute from c0 source 10.0.0.1 group 225.1.1.1 to b1")
	r.fail(mroute.DelMFC, anyExact)
	r.keptFrom(t, "a0", "b0")
	r.conf("phyint b0", "phyint b1")
	r.host.Fail(nil)
	r.step(core.Retry{})
	same(t, "entries", r.entries())
	is(t, "pending", len(r.state.Snapshot(r.now, nil).Pending), 0)
}

// What was found of a link that is gone keeps no number: the (*,G) entry gets no
// packets, and what is beside it goes as it would alone.
func TestNativeFoundWithoutItsInput(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1", "c0")
	r.conf("mroute from a0 group 225.1.1.1 native to b0", "mroute from a0 source 10.0.0.1 group 225.1.1.1 to b1")
	if err := r.kernel.Detach(); err != nil {
		t.Fatal(err)
	}
	r.host.DeleteLink("a0")
	r.begin(core.Options{})
	r.takeOps()
	r.del("b1")
	r.readLinks()
	same(t, "ops", r.kinds(), "DelMFC (10.0.0.1, 225.1.1.1)", "DelVIF IPv4 2", "DelVIF IPv6 2")
	r.step(core.Complete{})
	is(t, "entries in the kernel", len(r.dump()), 0)
	r.takeOps()
	r.step(core.Retry{})
	is(t, "ops", len(r.takeOps()), 0)
}
