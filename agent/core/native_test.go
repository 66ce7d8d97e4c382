package core_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

const nativeConf = "mroute from a0 group 225.1.1.1 native to b0 b1"

var (
	anyExact = mroute.SG{Group: exact.Group}
	other    = flow("10.0.0.2 225.1.1.1")
)

// The entry is there before any packet, and packets leave without a question.
// From an output none gets anywhere.
func TestNative(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.conf(nativeConf)
	same(t, "entries", r.entries(), "static a0 (*, 225.1.1.1) -> b0 b1")
	r.takeOps()
	for _, sg := range []mroute.SG{exact, other} {
		same(t, "left", r.send("a0", sg), "b0", "b1")
	}
	same(t, "back", r.send("b0", exact))
	is(t, "ops", len(r.takeOps()), 0)
	same(t, "flows", r.takeFlows())
	is(t, "strays", fmt.Sprint(r.strays), "[{(10.0.0.1, 225.1.1.1) b0}]")

	rule := r.state.Snapshot(r.now, func(f mroute.Family, sgs []mroute.SG) []mroute.Counters {
		cs := make([]mroute.Counters, len(sgs))
		if err := r.kernel.Counters(f, sgs, cs); err != nil {
			t.Fatal(err)
		}
		return cs
	})
	is(t, "packets of the rule", rule.Rules[0].Counters.Packets, 3)
	is(t, "of them on a wrong interface", rule.Rules[0].Counters.WrongIf, 1)
	is(t, "origins of its entry", fmt.Sprint(rule.Entries[0].Origins), "[conf:1]")
	r.step(core.Expire{})
	r.now = r.now.Add(time.Hour)
	r.step(core.Expire{})
	same(t, "after an hour", r.entries(), "static a0 (*, 225.1.1.1) -> b0 b1")
}

// A source that is seen on a third link must not be stopped there: its packets
// may come in where they should.
func TestNativeAndOtherLinks(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1", "c0")
	r.conf(nativeConf, "phyint c0")
	same(t, "from elsewhere", r.send("c0", exact))
	same(t, "entries", r.entries(), "static a0 (*, 225.1.1.1) -> b0 b1", "learned a0 (10.0.0.1, 225.1.1.1) -> b0 b1")
	r.takeOps()
	for range 3 {
		same(t, "left", r.send("a0", exact), "b0", "b1")
		same(t, "from elsewhere", r.send("c0", exact))
	}
	is(t, "ops", len(r.takeOps()), 0)
}

// What a link learns beside it is by its own rules.
func TestNativeBesideLearned(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1", "c0")
	r.conf(nativeConf, "mroute from c0 group 225.1.1.1 to b1", "mroute from c0 source 10.0.0.2 group 225.1.1.1 to a0")
	r.send("c0", exact)
	same(t, "entries", r.entries(),
		"static c0 (10.0.0.2, 225.1.1.1) -> a0",
		"static a0 (*, 225.1.1.1) -> b0 b1",
		"learned c0 (10.0.0.1, 225.1.1.1) -> b1")
	// The learned flow comes to where the (*,G) entry would take it, and back.
	r.send("a0", exact)
	same(t, "moved", r.send("a0", exact), "b0", "b1")
	r.send("c0", exact)
	same(t, "moved back", r.send("c0", exact), "b1")
}

// Learned flows end when the (*,G) entry is there and not before, so that every
// packet leaves; and they are learned again when it goes.
func TestLearnedBecomesNative(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.conf("mroute from a0 group 225.1.1.1 to b0 b1")
	r.send("a0", exact)
	r.send("a0", other)
	r.takeOps()
	r.after = func(op mroute.Op) {
		for _, sg := range []mroute.SG{exact, other} {
			is(t, fmt.Sprintf("after %v %v: left %v", op.Kind, op.SG, sg), r.out("a0", sg), "b0 b1")
		}
	}
	r.conf(nativeConf)
	r.after = nil
	same(t, "ops", r.kinds(), "SetMFC (*, 225.1.1.1)", "DelMFC (10.0.0.1, 225.1.1.1)", "DelMFC (10.0.0.2, 225.1.1.1)")
	same(t, "entries", r.entries(), "static a0 (*, 225.1.1.1) -> b0 b1")
	r.conf("mroute from a0 group 225.1.1.1 to b0 b1")
	r.send("a0", exact)
	same(t, "entries", r.entries(), "learned a0 (10.0.0.1, 225.1.1.1) -> b0 b1")
	is(t, "packets that left", r.host.Departed("b1", exact), 2)
}

// A packet that waits for its (S,G) entry is let go by one, which then ends. New
// packets do not wait.
func TestNativeReleasesWhatWaits(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.conf("phyint a0", "phyint b0", "phyint b1")
	r.host.Send("a0", exact, 64, r.now)
	r.conf(nativeConf)
	same(t, "meanwhile", r.host.Send("a0", exact, 64, r.now), "b0", "b1")
	r.answer()
	is(t, "packets that left", r.host.Departed("b1", exact), 2)
	same(t, "entries", r.entries(), "static a0 (*, 225.1.1.1) -> b0 b1")
}

// While the kernel refuses the entry the sources are learned.
func TestNativeRefused(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.host.Fail(failing(func(op mroute.Op) bool { return op.Kind == mroute.SetMFC && op.SG == anyExact }))
	r.conf(nativeConf)
	r.send("a0", exact)
	same(t, "learned", r.send("a0", exact), "b0", "b1")
	is(t, "pending", len(r.state.Snapshot(r.now, nil).Pending), 1)
	r.host.Fail(nil)
	r.step(core.Retry{})
	same(t, "entries", r.entries(), "static a0 (*, 225.1.1.1) -> b0 b1")
	is(t, "pending", len(r.state.Snapshot(r.now, nil).Pending), 0)
}

// Somebody deletes the entry: the first question brings it back.
func TestNativeDeletedByAnother(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.conf(nativeConf)
	r.guest(mroute.Op{Kind: mroute.DelMFC, Family: mroute.IPv4, SG: anyExact})
	r.send("a0", exact)
	r.takeOps()
	same(t, "next", r.send("a0", other), "b0", "b1")
	is(t, "ops", len(r.takeOps()), 0)
	same(t, "entries", r.entries(), "static a0 (*, 225.1.1.1) -> b0 b1")
	is(t, "packets that left", r.host.Departed("b1", exact), 1)
}

// An update finds flows that a process learned which knew no better. A restart
// finds everything as it is.
func TestNativeAfterRestart(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.conf("mroute from a0 group 225.1.1.1 to b0 b1")
	r.send("a0", exact)
	r.restart(core.Options{})
	r.conf(nativeConf)
	same(t, "before all is known", r.kinds(), "SetMFC (*, 225.1.1.1)")
	r.step(core.Complete{})
	same(t, "when it is", r.kinds(), "DelMFC (10.0.0.1, 225.1.1.1)")

	r.restart(core.Options{})
	r.conf(nativeConf)
	r.step(core.Complete{})
	same(t, "in a restart", r.kinds())
	same(t, "entries", r.entries(), "static a0 (*, 225.1.1.1) -> b0 b1")
	same(t, "left", r.send("a0", exact), "b0", "b1")
	r.conf("phyint a0")
	same(t, "without the rule", r.entries())
}

// Links come and go.
func TestNativeLinks(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.conf(nativeConf)
	r.del("b1")
	r.readLinks()
	same(t, "without an output", r.entries(), "static a0 (*, 225.1.1.1) -> b0")
	r.host.AddLink("b1")
	r.readLinks()
	same(t, "with another", r.send("a0", exact), "b0", "b1")
	r.del("a0")
	r.readLinks()
	same(t, "without its input", r.entries())
	r.host.AddLink("a0")
	r.readLinks()
	same(t, "with another input", r.send("a0", exact), "b0", "b1")
	same(t, "flows", r.takeFlows())
}

// Clients add and remove rules that change what the group's entry can be.
func TestNativeAndClients(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1", "c0")
	r.conf("mroute from a0 group 225.1.1.1 native to b0", "phyint c0", "phyint b1")
	r.ctl("add a0 225.1.1.1 b1")
	same(t, "an output", r.entries(), "static a0 (*, 225.1.1.1) -> b0 b1")
	r.ctl("add a0 10.0.0.2 225.1.1.0/24 c0")
	same(t, "for some sources", r.entries())
	r.send("a0", other)
	r.send("a0", exact)
	is(t, "one of them", r.out("a0", other), "b0 b1 c0")
	is(t, "another", r.out("a0", exact), "b0 b1")
	r.ctl("remove a0 10.0.0.2 225.1.1.0/24")
	same(t, "for all", r.entries(), "static a0 (*, 225.1.1.1) -> b0 b1")
	r.ctl("remove a0 225.1.1.1 b0")
	same(t, "an output less", r.entries(), "static a0 (*, 225.1.1.1) -> b1")
	r.ctl("remove a0 225.1.1.1")
	same(t, "no rule", r.entries())
}

// The kernel takes an entry without a source for one for any. The stop filter
// for such packets gives way to it.
func TestNativeAndNoSource(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.conf("phyint a0", "phyint b0")
	none := flow(":: ff05::1")
	r.send("a0", none)
	same(t, "stopped", r.entries(), "stop-filter a0 (::, ff05::1) ->")
	same(t, "flows", r.takeFlows(), "stop-filter (::, ff05::1) from a0")
	r.conf("mroute from a0 group ff05::1 native to b0")
	same(t, "entries", r.entries(), "static a0 (*, ff05::1) -> b0")
	r.conf("mroute from a0 group ff05::1 to b0")
	same(t, "stopped", r.entries(), "stop-filter a0 (::, ff05::1) ->")
	same(t, "left", r.send("a0", none))
}

// A (*,G) entry may not take a packet which an (S,G) entry is there to stop,
// not even while both come or go.
func TestNativeComesLastAndGoesFirst(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.conf("phyint a0", "phyint b0")
	r.takeOps()
	conf := []string{"mroute from a0 group 225.1.1.1 native to b0", "mroute from a0 source 10.0.0.1 group 225.1.1.1"}
	r.conf(conf...)
	same(t, "ops", r.kinds(), "SetMFC (10.0.0.1, 225.1.1.1)", "SetMFC (*, 225.1.1.1)")
	r.conf("phyint a0", "phyint b0")
	same(t, "ops", r.kinds(), "DelMFC (*, 225.1.1.1)", "DelMFC (10.0.0.1, 225.1.1.1)")
}

// A rule that must not learn and does says why.
func TestNativePending(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.conf("mroute from + group 225.1.1.1 native to b1")
	r.send("a0", exact)
	same(t, "entries", r.entries(), "learned a0 (10.0.0.1, 225.1.1.1) -> b1")
	p := r.state.Snapshot(r.now, nil).Pending
	if len(p) != 1 || p[0].Cause != mroute.CauseNotSupported {
		t.Fatalf("pending: %+v, want one", p)
	}
	is(t, "reason", p[0].Reason, "learns its sources: packets arrive on a0 and on b0, and the kernel's (*, 225.1.1.1) entry has one inbound interface")
	if slices.ContainsFunc(r.takeLogs(), func(string) bool { return true }) {
		t.Error("it is logged")
	}
}
