package core_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// An interface that is deleted and made again under its name gets its routes
// and groups back (defect 2: they vanished).
func TestDefect02RecreatedInterface(t *testing.T) {
	for _, name := range []string{"a0", "b0"} {
		t.Run(name, func(t *testing.T) {
			r := newRouter(t, "a0", "b0", "b1")
			exact, learned := flow("10.0.0.1 225.1.1.1"), flow("10.0.0.1 225.2.2.2")
			r.conf("mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0 b1",
				"mroute from a0 group 225.2.2.2 to b0 b1",
				"mgroup from "+name+" group 225.3.3.3")
			r.send("a0", learned)
			for _, noticed := range []bool{true, false} {
				r.del(name)
				if noticed {
					r.readLinks()
				}
				r.host.AddLink(name)
				r.readLinks()
				is(t, "exact", r.out("a0", exact), "b0 b1")
				r.send("a0", learned)
				is(t, "learned", r.out("a0", learned), "b0 b1")
				is(t, "groups joined", len(r.host.Memberships(name)), 1)
			}
		})
	}
}

// A deleted interface is noticed: its routes do not look as if they worked, and
// are pending.
func TestDeletedInterface(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.conf("mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0 b1", "mroute from b0 source 10.0.0.1 group 225.2.2.2 to b1", "mgroup from b0 group 225.3.3.3")
	r.takeLogs()
	r.del("b0")
	r.readLinks()
	same(t, "entries", r.entries(), "static a0 (10.0.0.1, 225.1.1.1) -> b1")
	snap := r.state.Snapshot(r.now, nil)
	is(t, "rules", len(snap.Rules), 1)
	is(t, "pending", len(snap.Pending), 3)
	is(t, "joined", len(snap.Joined), 0)
	is(t, "groups", len(snap.Groups), 1)
	same(t, "log", r.takeLogs(), "waiting: no interface b0")
	r.ctl("add a0 225.9.9.9 b0")
	same(t, "log of another change", r.takeLogs())
	r.host.AddLink("b0")
	r.readLinks()
	same(t, "log", r.takeLogs(), "no longer waiting for interface b0")
}

// 1,000 re-creations use up no VIF (defect 3: each lost one).
func TestDefect03NoVIFLeak(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.conf("mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0", "phyint a0", "phyint b0")
	for range 1000 {
		r.del("b0")
		r.host.AddLink("b0")
		r.readLinks()
		if n := r.vif("b0"); n != 1 {
			t.Fatalf("VIF of b0 is %d", n)
		}
	}
	is(t, "forwarding", r.out("a0", flow("10.0.0.1 225.1.1.1")), "b0")
	is(t, "rounds that logged", len(r.takeLogs()), 0)
}

// After a re-creation with a stop filter on it the listing works (defect 4: it
// ended the daemon), and the stop filter is gone.
func TestDefect04StopFilterOnRecreatedInterface(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.conf("phyint a0", "phyint b0")
	r.send("a0", flow("10.0.0.1 225.1.1.1"))
	same(t, "before", r.entries(), "stop-filter a0 (10.0.0.1, 225.1.1.1) ->")
	r.del("a0")
	r.host.AddLink("a0")
	r.readLinks()
	same(t, "after", r.entries())
	r.send("a0", flow("10.0.0.1 225.1.1.1"))
	same(t, "asked anew", r.entries(), "stop-filter a0 (10.0.0.1, 225.1.1.1) ->")
}

// A renamed interface keeps its VIF if a rule has its new name.
func TestRename(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.conf("mroute from a0 source 10.0.0.1 group 225.1.1.1 to b+", "mroute from a0 group 225.2.2.2 to b0")
	exact, learned := flow("10.0.0.1 225.1.1.1"), flow("10.0.0.1 225.2.2.2")
	r.send("a0", learned)
	before := r.vif("b0")
	r.host.RenameLink("b0", "b7")
	r.readLinks()
	is(t, "VIF", r.vif("b7"), before)
	is(t, "a rule with a wildcard", r.out("a0", exact), "b1 b7")
	is(t, "a rule with the old name", r.out("a0", learned), "-")
	r.host.RenameLink("b7", "c0")
	r.readLinks()
	is(t, "VIF", r.vif("c0"), mroute.NoVIF)
	is(t, "a rule with a wildcard", r.out("a0", exact), "b1")
	r.host.RenameLink("c0", "b0")
	r.readLinks()
	is(t, "the wildcard again", r.out("a0", exact), "b0 b1")
	is(t, "the old name again", r.out("a0", learned), "b0")
}

// An interface that loses IFF_MULTICAST has its VIF taken away, and gets it back
// with the flag.
func TestMulticastLostAndRegained(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.conf("mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0 b1", "mgroup from b0 group 225.3.3.3")
	sg := flow("10.0.0.1 225.1.1.1")
	r.host.SetMulticast("b0", false)
	r.readLinks()
	is(t, "VIF", r.vif("b0"), mroute.NoVIF)
	is(t, "forwarding", r.out("a0", sg), "b1")
	is(t, "groups", len(r.host.Memberships("b0")), 0)
	is(t, "why", r.state.Snapshot(r.now, nil).Pending[0].Reason, "interface b0 is not multicast capable")
	r.host.SetMulticast("b0", true)
	r.readLinks()
	is(t, "forwarding", r.out("a0", sg), "b0 b1")
	is(t, "groups", len(r.host.Memberships("b0")), 1)
	r.host.SetMulticast("a0", false)
	r.readLinks()
	is(t, "inbound without the flag", r.out("a0", sg), "-")
	r.host.SetMulticast("a0", true)
	r.readLinks()
	is(t, "inbound with the flag", r.out("a0", sg), "b0 b1")
}

// Down and up change nothing for routing, but are told to who advertises.
func TestDownAndUp(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.conf("phyint a0 mrdisc", "mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0")
	r.takeOps()
	for _, up := range []bool{false, true} {
		r.host.SetUp("a0", up)
		r.readLinks()
		is(t, "ops", len(r.takeOps()), 0)
		is(t, "links to advertise on", len(r.mrdisc), 1)
		is(t, "told to be up", r.mrdisc[0].Up, up)
		for _, l := range r.state.Snapshot(r.now, nil).Links {
			if l.Name == "a0" {
				is(t, "listed as up", l.Up, up)
			}
		}
	}
}

// Deleting a link leaves its bit in the kernel's entries. A new link that gets
// the number must not inherit the traffic (kernel note 5).
func TestStaleBitIsScrubbed(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.conf("mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0 b1", "mroute from a0 source 10.0.0.1 group 225.2.2.2 to c0")
	sg := flow("10.0.0.1 225.1.1.1")
	number := r.vif("b0")
	r.del("b0")
	r.host.AddLink("c0") // before the router hears of either
	r.readLinks()
	is(t, "VIF of the new link", r.vif("c0"), number)
	is(t, "forwarding", r.out("a0", sg), "b1")
	is(t, "what the new link is for", r.out("a0", flow("10.0.0.1 225.2.2.2")), "c0")
}

// While the scrubbing of an entry fails, the number that it names is not given
// to another link; afterwards it is.
func TestNumberIsKeptWhileAnEntryNamesIt(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.conf("mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0 b1", "mroute from a0 source 10.0.0.1 group 225.2.2.2 to c0")
	sg := flow("10.0.0.1 225.1.1.1")
	number := r.vif("b0")
	r.host.Fail(failing(func(op mroute.Op) bool { return op.Kind == mroute.SetMFC && op.SG == sg }))
	r.del("b0")
	r.host.AddLink("c0")
	r.readLinks()
	if r.vif("c0") == number {
		t.Error("c0 got the number of a link that an entry still names")
	}
	is(t, "forwarding", r.out("a0", sg), "b1")
	r.host.Fail(nil)
	r.step(core.Retry{})
	r.host.AddLink("d0")
	r.readLinks()
	r.ctl("add a0 225.3.3.3 d0")
	is(t, "VIF of a later link", r.vif("d0"), number)
	is(t, "forwarding", r.out("a0", sg), "b1")
}

// The 33rd interface is logged once, and served when another goes.
func TestVIFTableFull(t *testing.T) {
	r := newRouter(t)
	for i := range 34 {
		r.host.AddLink(fmt.Sprintf("v%02d", i))
	}
	r.readLinks()
	r.conf("mroute from v00 source 10.0.0.1 group 225.1.1.1 to v+")
	warnings := []string{
		"the IPv4 table holds 32 VIFs at most: no room for v32 v33",
		"the IPv6 table holds 32 VIFs at most: no room for v32 v33",
	}
	same(t, "log", r.takeLogs(), warnings...)
	is(t, "VIF of the last that fits", r.vif("v31"), 31)
	is(t, "VIF of the one too many", r.vif("v32"), mroute.NoVIF)
	is(t, "pending", r.state.Snapshot(r.now, nil).Pending[0].Reason, "v32 has no VIF in the IPv4 table: all 32 are taken; v33 has no VIF in the IPv4 table: all 32 are taken")
	r.step(core.Retry{})
	r.ctl("add v01 225.3.3.3 v02")
	same(t, "log", r.takeLogs())

	r.del("v07")
	r.readLinks()
	is(t, "VIF that has become free", r.vif("v32"), 7)
	same(t, "log", r.takeLogs(),
		"the IPv4 table holds 32 VIFs at most: no room for v33",
		"the IPv6 table holds 32 VIFs at most: no room for v33")
	if outs := r.host.Outputs("v00", flow("10.0.0.1 225.1.1.1"), 64); !slices.Contains(outs, "v32") {
		t.Error(outs)
	}
	// Other trouble ends although there is no room.
	r.host.Fail(failing(func(op mroute.Op) bool { return op.Kind == mroute.SetMFC }))
	r.ctl("add v00 10.0.0.1 225.4.4.4 v01")
	is(t, "lines of a failure", len(r.takeLogs()), 1)
	r.host.Fail(nil)
	r.step(core.Retry{})
	same(t, "log", r.takeLogs(), "what had failed in the kernel works now")

	r.del("v08")
	r.readLinks()
	same(t, "log", r.takeLogs(), "the IPv4 table has room for all interfaces again", "the IPv6 table has room for all interfaces again")
}

// A link with the index of one that is gone is another link: its VIF and groups
// went with the old one.
func TestSameIndexAgain(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.conf("mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0", "mroute from b0 group 225.1.0.0/16 to a0", "mgroup from b0 group 225.3.3.3")
	r.send("b0", flow("10.0.0.1 225.1.2.2"))
	is(t, "entries", len(r.entries()), 2)
	for _, l := range r.host.Links() {
		if l.Name == "b0" {
			r.del("b0")
			r.host.Insert(l)
		}
	}
	r.readLinks()
	is(t, "forwarding", r.out("a0", flow("10.0.0.1 225.1.1.1")), "b0")
	is(t, "groups", len(r.host.Memberships("b0")), 1)
	same(t, "entries, without the flow from the old link", r.entries(), "static a0 (10.0.0.1, 225.1.1.1) -> b0")
}

// A wildcard takes in an interface that appears, also for learned flows.
func TestWildcardTakesInANewInterface(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.conf("mroute from a0 group 225.1.1.1 to b+", "mgroup from b+ group 225.3.3.3")
	sg := flow("10.0.0.1 225.1.1.1")
	r.send("a0", sg)
	r.host.AddLink("b1")
	r.readLinks()
	is(t, "forwarding", r.out("a0", sg), "b0 b1")
	is(t, "groups", len(r.host.Memberships("b1")), 1)
}

// A reload that changes nothing does nothing, and drops what clients changed.
func TestReload(t *testing.T) {
	r := newRouter(t, "a0", "a1", "b0", "b1")
	text := []string{"mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0", "mroute from a0 group 225.2.2.2 to b0", "mgroup from b0 group 225.3.3.0/28"}
	r.conf(text...)
	r.send("a0", flow("10.0.0.1 225.2.2.2"))
	before := r.entries()
	r.takeOps()
	r.conf(text...)
	is(t, "ops", format(r.takeOps()), "")
	r.ctl("add a0 225.2.2.2 b1")
	r.ctl("add a1 10.0.0.1 225.9.9.9 b1")
	r.ctl("remove a0 10.0.0.1 225.1.1.1")
	r.ctl("join b1 225.3.3.3")
	r.ctl("leave b0 225.3.3.0/28")
	is(t, "learned", r.out("a0", flow("10.0.0.1 225.2.2.2")), "b0 b1")
	is(t, "removed", r.out("a0", flow("10.0.0.1 225.1.1.1")), "-")
	is(t, "groups left", len(r.host.Memberships("b0")), 0)
	r.conf(text...)
	slices.Sort(before)
	after := r.entries()
	slices.Sort(after)
	same(t, "entries", after, before...)
	is(t, "groups", len(r.host.Memberships("b0")), 16)
	is(t, "groups of the client", len(r.host.Memberships("b1")), 0)
	is(t, "VIF of the client's interface", r.vif("b1"), mroute.NoVIF)
}
