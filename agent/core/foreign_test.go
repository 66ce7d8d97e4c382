package core_test

import (
	"slices"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Another program's entries stay, with their VIFs, and are reported once. Other
// links get other numbers.
func TestForeignEntries(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1", "c0")
	r.guest(addVIF(0, r.link("b0")), addVIF(1, r.link("c0")), addVIF(2, r.link("b1")),
		setMFC("10.0.0.9 225.9.9.9", 1, 0), setMFC("10.0.0.8 225.9.9.9", 1))
	r.restart(core.Options{})
	r.conf("mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0")
	r.takeLogs()
	r.step(core.Complete{})
	theirs := flow("10.0.0.9 225.9.9.9")
	is(t, "theirs", r.out("c0", theirs), "b0")
	is(t, "ours", r.out("a0", exact), "b0")
	is(t, "a number that no entry names", r.vif("b1"), mroute.NoVIF)
	same(t, "foreign", r.foreign(), "c0 (10.0.0.8, 225.9.9.9) ->", "c0 (10.0.0.9, 225.9.9.9) -> b0")
	same(t, "entries", r.entries(), "static a0 (10.0.0.1, 225.1.1.1) -> b0")
	same(t, "log", r.takeLogs(), "the IPv4 table holds entries that another program left, and that no rule wants. They stay, unless this is started with --remove-foreign: (10.0.0.8, 225.9.9.9), (10.0.0.9, 225.9.9.9)")
	settled := slices.Clone(r.settled)
	is(t, "settled", len(settled), 2)
	is(t, "foreign entries of IPv4", len(settled[0].Foreign), 2)

	r.conf("phyint a0")
	r.step(core.Retry{})
	is(t, "theirs", r.out("c0", theirs), "b0")
	same(t, "log", r.takeLogs())
	is(t, "settled again", len(r.settled), 2)

	// A restart still knows whose they are.
	r.restart(core.Options{})
	r.conf("phyint a0")
	r.step(core.Complete{})
	is(t, "theirs", r.out("c0", theirs), "b0")

	// Their link goes.
	r.del("c0")
	r.readLinks()
	same(t, "foreign", r.foreign())
	is(t, "settled again", len(r.settled), 3)
	is(t, "their output", r.vif("b0"), mroute.NoVIF)
}

// What another program left and a rule wants is the rule's from then on.
func TestForeignEntryBecomesOurs(t *testing.T) {
	for _, how := range []struct {
		name string
		want func(r *router)
	}{
		{"exact rule", func(r *router) { r.ctl("add a0 10.0.0.9 225.9.9.9 b1") }},
		{"template", func(r *router) { r.ctl("add a0 225.9.0.0/16 b1") }},
		{"template of a group", func(r *router) { r.ctl("add a0 225.9.9.9 b1") }},
		{"file", func(r *router) { r.conf("phyint b1", "mroute from a0 group 225.9.9.9 to b1") }},
		{"packets elsewhere", func(r *router) {
			r.ctl("add b0 225.9.9.9 b1")
			r.send("b0", flow("10.0.0.9 225.9.9.9"))
		}},
	} {
		t.Run(how.name, func(t *testing.T) {
			r := newRouter(t, "a0", "b0", "b1")
			r.guest(addVIF(0, r.link("a0")), addVIF(1, r.link("b0")), setMFC("10.0.0.9 225.9.9.9", 0, 1))
			r.restart(core.Options{})
			r.conf("phyint b1")
			r.step(core.Complete{})
			is(t, "theirs", r.out("a0", flow("10.0.0.9 225.9.9.9")), "b0")
			is(t, "settled", len(r.settled), 2)
			how.want(r)
			same(t, "foreign", r.foreign())
			is(t, "settled again", len(r.settled), 3)
			is(t, "foreign entries", len(r.settled[2].Foreign), 0)
			is(t, "entries", len(r.entries()), 1)
			in := "a0"
			if how.name == "packets elsewhere" {
				in = "b0"
			} else {
				is(t, "their VIF", r.vif("b0"), mroute.NoVIF)
			}
			is(t, "ours", r.out(in, flow("10.0.0.9 225.9.9.9")), "b1")
			r.conf("phyint a0")
			r.step(core.Expire{})
			r.step(core.Expire{})
			is(t, "not wanted any more", len(r.entries()), 0)
		})
	}
}

// A rule that wants it before all is known only adds.
func TestForeignEntryIsWantedWhileHolding(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.guest(addVIF(0, r.link("a0")), addVIF(1, r.link("b0")), setMFC("10.0.0.1 225.1.1.1", 0, 1))
	r.restart(core.Options{})
	r.conf("mroute from a0 source 10.0.0.1 group 225.1.1.1 to b1")
	is(t, "out", r.out("a0", exact), "b0 b1")
	r.step(core.Complete{})
	is(t, "out", r.out("a0", exact), "b1")
	same(t, "foreign", r.foreign())
}

// The kernel asks for a flow whose entry another program has removed.
func TestForeignEntryIsRemovedByItsProgram(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.guest(addVIF(0, r.link("a0")), addVIF(1, r.link("b0")), setMFC("10.0.0.1 225.1.1.1", 0, 1))
	r.restart(core.Options{})
	r.conf("phyint a0")
	r.step(core.Complete{})
	r.takeOps()
	r.guest(mroute.Op{Kind: mroute.DelMFC, Family: mroute.IPv4, SG: exact})
	r.send("a0", exact)
	same(t, "no rule wants it", r.kinds())
	r.guest(setMFC("10.0.0.1 225.1.1.1", 0, 1), mroute.Op{Kind: mroute.DelMFC, Family: mroute.IPv4, SG: exact})
	r.conf("mroute from a0 group 225.1.1.1 to b0")
	r.send("a0", exact)
	is(t, "one does", r.out("a0", exact), "b0")
}

// It comes in elsewhere now, where a rule covers it.
func TestForeignEntryIsGone(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.guest(addVIF(0, r.link("a0")), addVIF(1, r.link("b0")), setMFC("10.0.0.1 225.1.1.1", 0, 1), setMFC("10.0.0.2 225.1.1.1", 0, 1))
	r.restart(core.Options{})
	conf := "mroute from b0 group 225.1.0.0/16 to b1"
	r.conf(conf)
	r.step(core.Complete{})
	r.guest(mroute.Op{Kind: mroute.DelMFC, Family: mroute.IPv4, SG: exact}, mroute.Op{Kind: mroute.DelMFC, Family: mroute.IPv4, SG: flow("10.0.0.2 225.1.1.1")})
	r.send("b0", exact)
	is(t, "learned", r.out("b0", exact), "b1")

	// The other one is nobody's trouble.
	r.send("a0", flow("10.0.0.2 225.1.1.1"))
	r.host.Fail(failing(func(op mroute.Op) bool { return op.Kind == mroute.SetMFC }))
	r.conf(conf, "mroute from b0 source 10.0.0.3 group 225.3.3.3 to b1")
	r.host.Fail(nil)
	r.takeLogs()
	r.step(core.Retry{})
	same(t, "log", r.takeLogs(), "what had failed in the kernel works now")
}

// With RemoveForeign nothing is foreign, but it is held all the same.
func TestRemoveForeign(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.guest(addVIF(0, r.link("a0")), addVIF(1, r.link("b0")), setMFC("10.0.0.1 225.1.1.1", 0, 1))
	r.restart(core.Options{RemoveForeign: true})
	r.conf("phyint a0")
	is(t, "held", r.out("a0", exact), "b0")
	r.step(core.Complete{})
	is(t, "removed", r.out("a0", exact), "-")
	same(t, "foreign", r.foreign())
	is(t, "their VIF", r.vif("b0"), mroute.NoVIF)
}

// An entry for any source is no rule's, whatever templates say of its group.
func TestForeignAnySource(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	any := mroute.Op{Kind: mroute.SetMFC, Family: mroute.IPv4, SG: mroute.SG{Group: exact.Group}, Entry: mroute.Entry{OIFs: mroute.OIFs{0: 1, 1: 1}}}
	r.guest(addVIF(0, r.link("a0")), addVIF(1, r.link("b0")), any)
	r.restart(core.Options{})
	r.conf("mroute from a0 group 225.1.1.1 to b0")
	r.step(core.Complete{})
	same(t, "foreign", r.foreign(), "a0 (*, 225.1.1.1) -> a0 b0")
	r.restart(core.Options{RemoveForeign: true})
	r.conf("mroute from a0 group 225.1.1.1 to b0")
	r.step(core.Complete{})
	same(t, "entries", r.entries())
}
