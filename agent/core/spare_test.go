package core_test

import (
	"testing"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Of two numbers of one link the kernel takes the higher; the other goes.
func TestLinkWithTwoVIFs(t *testing.T) {
	h := mroute.Held{Own: true, VIFs: map[mroute.VIF]int{0: 2, 4: 2, 1: 3, 5: 3, 7: 3}, Entries: map[mroute.SG]mroute.Entry{exact: {OIFs: mroute.OIFs{1: 5, 5: 2}}}}
	r := holding(t, h, "a0", "b0", "b1")
	is(t, "input", r.vif("a0"), 4)
	is(t, "output", r.vif("b0"), 7)
	is(t, "out", r.out("a0", exact), "b0")
	is(t, "TTL 2", len(r.host.Outputs("a0", exact, 2)), 0)
	is(t, "TTL 3", len(r.host.Outputs("a0", exact, 3)), 1)
	r.conf("mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0 b1")
	r.step(core.Complete{})
	is(t, "number of another", r.vif("b1"), 0)
	is(t, "out", r.out("a0", exact), "b0 b1")
}

// The other number stays as long as an entry may need it: the kernel refuses to
// set this one.
func TestLinkWithTwoVIFsThatAnEntryNeeds(t *testing.T) {
	refused := func(t *testing.T) *router {
		r := newRouter(t, "a0", "b0")
		r.guest(addVIF(0, r.link("a0")), addVIF(1, r.link("b0")), addVIF(2, r.link("a0")), addVIF(3, r.link("b0")),
			setMFC("10.0.0.1 225.1.1.1", 0, 1), setMFC("10.0.0.2 225.1.1.1", 0, 1))
		r.host.Fail(failing(func(op mroute.Op) bool { return op.Kind == mroute.SetMFC && op.SG == exact }))
		r.restart(core.Options{RemoveForeign: true})
		same(t, "ops", r.kinds(), "SetMFC (10.0.0.1, 225.1.1.1)", "SetMFC (10.0.0.2, 225.1.1.1)", "SetMFC (10.0.0.1, 225.1.1.1)")
		is(t, "out", r.out("a0", exact), "b0")
		return r
	}
	t.Run("it is set later", func(t *testing.T) {
		r := refused(t)
		r.step(core.Retry{})
		is(t, "out after another failure", r.out("a0", exact), "b0")
		r.host.Fail(nil)
		r.takeOps()
		r.step(core.Retry{})
		same(t, "ops", r.kinds(), "SetMFC (10.0.0.1, 225.1.1.1)", "DelVIF IPv4 0", "DelVIF IPv4 1")
		is(t, "out", r.out("a0", exact)+" "+r.out("a0", flow("10.0.0.2 225.1.1.1")), "b0 b0")
		r.step(core.Retry{})
		same(t, "ops after that", r.kinds())
	})
	t.Run("nobody wants the links", func(t *testing.T) {
		r := refused(t)
		r.host.Fail(failing(func(op mroute.Op) bool { return op.SG == exact }))
		r.takeOps()
		r.step(core.Complete{})
		same(t, "ops", r.kinds(), "DelMFC (10.0.0.1, 225.1.1.1)", "DelMFC (10.0.0.2, 225.1.1.1)",
			"DelVIF IPv4 0", "DelVIF IPv4 1", "DelVIF IPv4 2", "DelVIF IPv4 3", "DelMFC (10.0.0.1, 225.1.1.1)")
		is(t, "out", r.out("a0", exact), "-")
	})
	t.Run("no entry does", func(t *testing.T) {
		r := newRouter(t, "a0")
		r.guest(addVIF(0, r.link("a0")), addVIF(1, r.link("a0")))
		r.restart(core.Options{})
		same(t, "ops", r.kinds(), "DelVIF IPv4 0")
	})
}
