package core_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/kernel/sim"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// kinds are the ops since the last call, without numbers: "SetMFC (S, G)".
func (r *router) kinds() (ks []string) {
	for _, op := range r.takeOps() {
		switch op.Kind {
		case mroute.AddVIF, mroute.DelVIF:
			ks = append(ks, fmt.Sprintf("%v %v %d", op.Kind, op.Family, op.VIF))
		default:
			ks = append(ks, fmt.Sprintf("%v %v", op.Kind, op.SG))
		}
	}
	return ks
}

// guest has another program put into the table what ops say.
func (r *router) guest(ops ...mroute.Op) {
	r.t.Helper()
	k, err := r.host.OpenGuest(0)
	if err != nil {
		r.t.Fatalf("guest: %v", err)
	}
	if errs := k.Apply(ops); errs != nil {
		r.t.Fatalf("guest: %v", errs)
	}
	if err := k.Close(); err != nil {
		r.t.Fatalf("guest: %v", err)
	}
}

func (r *router) link(name string) mroute.LinkRef {
	for _, l := range r.host.Links() {
		if l.Name == name {
			return mroute.LinkRef{Index: l.Index, Name: name}
		}
	}
	r.t.Fatalf("no link %s", name)
	return mroute.LinkRef{}
}

func addVIF(n mroute.VIF, l mroute.LinkRef) mroute.Op {
	return mroute.Op{Kind: mroute.AddVIF, Family: mroute.IPv4, VIF: n, Link: l}
}

func setMFC(sg string, iif mroute.VIF, oifs ...mroute.VIF) mroute.Op {
	op := mroute.Op{Kind: mroute.SetMFC, Family: mroute.IPv4, SG: flow(sg), Entry: mroute.Entry{IIF: iif}}
	for _, n := range oifs {
		op.Entry.OIFs[n] = 1
	}
	return op
}

func (r *router) foreign() (fs []string) {
	for _, e := range r.state.Snapshot(r.now, nil).Foreign {
		fs = append(fs, strings.TrimSpace(fmt.Sprintf("%s %v -> %s", e.IIF, e.SG, strings.Join(e.OIFs, " "))))
	}
	return fs
}

const plain = `mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0
mroute from a0 group 225.2.0.0/16 to b0 b1
mroute from a0 source 2001:db8::1 group ff05::1 to b0
mgroup from a0 group 225.1.1.1
mgroup from a1 group ff05::1`

var (
	exact, learned, stopped = flow("10.0.0.1 225.1.1.1"), flow("10.0.0.7 225.2.0.9"), flow("10.0.0.1 239.1.1.1")
	exact6                  = flow("2001:db8::1 ff05::1")
)

// A router that wants what the one before it did does nothing but join, and the
// joins overlap. What was learned is known as learned, and expires.
func TestRestartChangesNothing(t *testing.T) {
	for _, static := range []bool{false, true} {
		r := newRouter(t, "a0", "a1", "b0", "b1")
		r.static = static
		r.restart(core.Options{})
		r.conf(plain)
		r.step(core.Complete{})
		r.send("a0", learned)
		r.send("a0", stopped)
		before, kernel := r.entries(), r.host.String()
		r.takeFlows()
		r.takeLogs()

		left := 0
		r.after = func(mroute.Op) {
			if len(r.host.Memberships("a0")) == 0 || len(r.host.Memberships("a1")) == 0 {
				left++
			}
		}
		r.restart(core.Options{})
		same(t, "ops at the start", r.kinds())
		r.conf(plain)
		same(t, "ops of the file", r.kinds(), "JoinGroup (*, 225.1.1.1)", "JoinGroup (*, ff05::1)")
		r.step(core.Complete{})
		same(t, "ops at the end", r.kinds())
		slices.Sort(before)
		after := r.entries()
		slices.Sort(after)
		same(t, "entries", after, before...)
		is(t, "the kernel", r.host.String(), kernel)
		is(t, "looks without a membership", left, 0)
		is(t, "settled", len(r.settled), 2)
		same(t, "flows told of", r.takeFlows())
		same(t, "log", r.takeLogs())
		for _, e := range r.state.Snapshot(r.now, nil).Entries {
			if !e.Adopted || e.Age != 0 {
				t.Errorf("%v: adopted %v, age %v", e.SG, e.Adopted, e.Age)
			}
		}

		r.step(core.Expire{})
		r.send("a0", learned)
		r.step(core.Expire{})
		same(t, "ops when one flow is idle", r.kinds(), "DelMFC "+stopped.String())
		r.step(core.Expire{})
		same(t, "ops when two are", r.kinds(), "DelMFC "+learned.String())
	}
}

// What has changed while nobody looked changes when all is known, and only that.
func TestRestartWithChanges(t *testing.T) {
	r := newRouter(t, "a0", "a1", "b0", "b1")
	r.conf("phyint a1", plain)
	r.step(core.Complete{})
	r.send("a0", learned)
	r.restart(core.Options{})

	// The file is there, and what else there is not.
	r.conf("phyint a1", "mroute from a0 source 10.0.0.1 group 225.1.1.1 to b1", "mroute from a0 group 225.2.0.0/16 to b1")
	is(t, "an output that is new comes at once, none goes", r.out("a0", exact), "b0 b1")
	is(t, "what is learned", r.out("a0", learned), "b0 b1")
	is(t, "what nobody wants", r.out("a0", exact6), "b0")
	same(t, "ops", r.kinds(), "SetMFC "+exact.String())

	r.step(core.Complete{})
	is(t, "changed", r.out("a0", exact), "b1")
	is(t, "learned", r.out("a0", learned), "b1")
	is(t, "removed", r.out("a0", exact6), "-")
	ops := r.kinds()
	slices.Sort(ops)
	is(t, "ops", strings.Join(slices.Compact(ops), "\n"), strings.Join([]string{
		"DelMFC " + exact6.String(),
		"DelVIF IPv4 2", // b0, which nobody names any more
		"DelVIF IPv6 2",
		"SetMFC " + exact.String(),
		"SetMFC " + learned.String(),
		"SetMFC " + exact6.String(),
	}, "\n"))
}

// A route that went is one DelMFC, one that changed one SetMFC.
func TestRestartDoesNoMore(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	phys := "phyint a0\nphyint b0\nphyint b1"
	r.conf(phys, plain)
	r.step(core.Complete{})
	r.send("a0", learned)
	for _, tt := range []struct {
		what, conf string
		ops        []string
	}{
		{"one went", "mroute from a0 group 225.2.0.0/16 to b0 b1\nmroute from a0 source 2001:db8::1 group ff05::1 to b0", []string{"DelMFC " + exact.String()}},
		{"one changed", "mroute from a0 group 225.2.0.0/16 to b0 b1\nmroute from a0 source 2001:db8::1 group ff05::1 to b1", []string{"SetMFC " + exact6.String()}},
		{"a template changed", "mroute from a0 group 225.2.0.0/16 to b1\nmroute from a0 source 2001:db8::1 group ff05::1 to b1", []string{"SetMFC " + learned.String()}},
		{"a template went", "mroute from a0 source 2001:db8::1 group ff05::1 to b1", []string{"DelMFC " + learned.String()}},
		{"all went", "", []string{"DelMFC " + exact6.String()}},
	} {
		r.restart(core.Options{})
		r.conf(phys, tt.conf)
		is(t, tt.what+": deletions while holding", strings.Contains(format(r.ops), "Del"), false)
		r.step(core.Complete{})
		var ops []string
		for _, op := range r.kinds() {
			if !slices.Contains(ops, op) {
				ops = append(ops, op)
			}
		}
		same(t, tt.what, ops, tt.ops...)
	}
}

// While holding, a flow that no rule covers gets no answer: the rule may be yet
// to come. At the end it does.
func TestNoStopFilterWhileHolding(t *testing.T) {
	r := newRouter(t, "a0", "a1", "b0", "b1")
	r.conf("phyint a1", plain)
	r.restart(core.Options{})
	late := flow("10.0.0.1 225.9.9.9")
	r.send("a0", stopped)
	r.send("a1", exact) // at a wrong interface
	r.send("a0", late)
	same(t, "ops", r.kinds())
	same(t, "log", r.takeLogs())
	is(t, "strays", len(r.strays), 0)
	r.conf("phyint a1", plain, "mroute from a0 source 10.0.0.1 group 225.9.9.9 to b0")
	is(t, "packets that waited", r.host.Departed("b0", late), 1)
	r.step(core.Complete{})
	is(t, "no rule came", slices.Contains(r.entries(), "stop-filter a0 "+stopped.String()+" ->"), true)
}

// Packets that come in elsewhere do not move what is held, until the end.
func TestWrongInterfaceWhileHolding(t *testing.T) {
	r := newRouter(t, "a0", "a1", "b0", "b1")
	r.conf("mroute from a0 group 225.2.0.0/16 to b0", "mroute from a1 group 225.2.0.0/16 to b1")
	r.send("a0", learned)
	r.restart(core.Options{})
	r.conf("mroute from a0 group 225.2.0.0/16 to b0", "mroute from a1 group 225.2.0.0/16 to b1")
	r.send("a1", learned)
	is(t, "held", r.out("a0", learned), "b0")
	r.step(core.Complete{})
	is(t, "moved", r.out("a1", learned), "b1")
}

// Of two rules for one (S,G) the entry stays with that where its packets arrive.
func TestRestartKeepsWhereFlowsArrive(t *testing.T) {
	r := newRouter(t, "a0", "a1", "b0", "b1")
	conf := "mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0\nmroute from a1 source 10.0.0.1 group 225.1.1.1 to b1"
	r.conf(conf)
	for from, to := range map[string]string{"a0": "b0", "a1": "b1"} {
		r.send(from, exact)
		is(t, "before", r.out(from, exact), to)
		r.restart(core.Options{})
		r.conf(conf)
		r.step(core.Complete{})
		is(t, "after", r.out(from, exact), to)
		same(t, "ops", r.kinds())
	}
}

// An entry that the kernel does not have, though a dump told of it, is set again.
func TestHeldEntryIsGone(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.conf(plain)
	r.restart(core.Options{})
	r.kernel.Apply([]mroute.Op{{Kind: mroute.DelMFC, Family: mroute.IPv4, SG: exact}})
	r.send("a0", exact)
	is(t, "out", r.out("a0", exact), "b0")
}

// Edits while holding add at once, and take away only what they added.
func TestEditsWhileHolding(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1", "b2")
	r.conf("phyint b2", plain)
	r.send("a0", learned)
	r.restart(core.Options{})
	r.conf("phyint b1", "phyint b2")
	r.ctl("add a0 10.0.0.1 225.1.1.1 b1")
	is(t, "exact", r.out("a0", exact), "b0 b1")
	r.ctl("add a0 225.2.0.0/16 b2")
	is(t, "template", r.out("a0", learned), "b0 b1 b2")
	r.ctl("remove a0 225.2.0.0/16 b2")
	is(t, "template", r.out("a0", learned), "b0 b1")
	r.ctl("remove a0 10.0.0.1 225.1.1.1")
	is(t, "exact", r.out("a0", exact), "b0")
	r.ctl("add a0 10.0.0.1 225.1.1.1 b1")
	r.step(core.Expire{}) // flushing twice
	r.step(core.Expire{})
	is(t, "flushed", r.out("a0", learned), "b0 b1")
	r.step(core.Complete{})
	is(t, "exact", r.out("a0", exact), "b1")
	is(t, "template", r.out("a0", learned), "-")
}

// A link goes away while holding: what named it is cleared as ever, before
// another gets its number.
func TestLinksGoWhileHolding(t *testing.T) {
	r := newRouter(t, "a0", "a1", "b0", "b1")
	r.conf("mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0 b1", "mroute from a1 source 10.0.0.2 group 225.1.1.1 to b0")
	other := flow("10.0.0.2 225.1.1.1")
	r.restart(core.Options{})
	r.del("b1")
	r.del("a1")
	r.readLinks()
	is(t, "on the one that lives", r.out("a0", exact), "b0")
	r.host.AddLink("c0")
	r.host.AddLink("c1")
	r.readLinks()
	r.conf("phyint c0", "phyint c1")
	is(t, "out", r.out("a0", exact), "b0")
	for _, c := range []string{"c0", "c1"} {
		is(t, "from "+c, r.out(c, other), "-")
	}
	is(t, "clearing once", len(slices.DeleteFunc(r.kinds(), func(op string) bool { return op != "SetMFC "+exact.String() })), 1)
	r.step(core.Complete{})
	is(t, "out", r.out("a0", exact), "-")
}

// A link that went between two processes left its number in entries, where no
// dump shows it. Who gets the number gets no packets.
func TestStaleNumbers(t *testing.T) {
	r := newRouter(t, "a0", "a1", "b0", "b1", "b2")
	conf := "mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0 b1\n" + // b1 goes
		"mroute from a1 source 10.0.0.2 group 225.1.1.1 to b0" // a1 goes
	r.conf(conf)
	r.host.DeleteLink("b1")
	r.host.DeleteLink("a1")
	r.restart(core.Options{})
	r.conf(conf)
	same(t, "ops without a new link", r.kinds())
	r.host.AddLink("c0")
	r.host.AddLink("c1")
	r.readLinks()
	r.conf(conf, "phyint c0", "phyint c1")
	same(t, "ops", r.kinds(),
		"DelMFC (10.0.0.2, 225.1.1.1)", "SetMFC (10.0.0.1, 225.1.1.1)",
		"AddVIF IPv4 2", "AddVIF IPv4 3", "AddVIF IPv6 2", "AddVIF IPv6 3")
	is(t, "out", r.out("a0", exact), "b0")
	is(t, "in", r.out("c0", flow("10.0.0.2 225.1.1.1"))+r.out("c1", flow("10.0.0.2 225.1.1.1")), "--")
	r.host.AddLink("d0")
	r.readLinks()
	r.conf(conf, "phyint c0", "phyint c1", "phyint d0")
	same(t, "ops of one more", r.kinds(), "AddVIF IPv4 4", "AddVIF IPv6 4")
}

// A number whose entries cannot be cleared is not given out, and the rule that
// needs it says why; it is tried again.
func TestStaleNumbersCannotBeCleared(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1", "c0")
	conf := "mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0 b1"
	r.conf(conf)
	r.host.DeleteLink("b1")
	r.restart(core.Options{})
	r.host.Fail(failing(func(op mroute.Op) bool { return op.Kind == mroute.SetMFC }))
	r.conf(conf, "phyint c0", "mroute from c0 source 10.0.0.3 group 225.3.3.3 to b0")
	is(t, "number", r.vif("c0"), mroute.NoVIF)
	why := ""
	for _, p := range r.state.Snapshot(r.now, nil).Pending {
		why += p.Reason
	}
	is(t, "reason", strings.Contains(why, "c0 has no VIF in the IPv4 table: entries from before could not be set"), true)
	r.host.Fail(nil)
	r.step(core.Retry{})
	is(t, "number", r.vif("c0"), 2)
	is(t, "out", r.out("a0", exact), "b0")
}

// A link of which the table was read, and which is not in the first list: what
// named it is cleared, seen or not.
func TestHeldVIFOfNoLink(t *testing.T) {
	h := mroute.Held{Own: true, VIFs: map[mroute.VIF]int{0: 2, 1: 3, 2: 99}, Entries: map[mroute.SG]mroute.Entry{exact: {OIFs: mroute.OIFs{1: 1}}}}
	r := holding(t, h, "a0", "b0")
	same(t, "ops", r.kinds(), "SetMFC "+exact.String(), "DelVIF IPv4 2")
	is(t, "out", r.out("a0", exact), "b0")
}

// An entry whose input went with its link while nobody was there forwards nothing.
// What a rule makes of it while the router holds goes with the rule.
func TestHeldInputIsGone(t *testing.T) {
	h := mroute.Held{Own: true, VIFs: map[mroute.VIF]int{0: 2, 1: 3}, Entries: map[mroute.SG]mroute.Entry{exact: {IIF: 5}}}
	r := holding(t, h, "a0", "b0")
	same(t, "ops", r.kinds())
	r.conf("mroute from a0 source " + exact.Source.String() + " group " + exact.Group.String() + " to b0")
	is(t, "out", r.out("a0", exact), "b0")
	r.conf()
	is(t, "out, without the rule", r.out("a0", exact), "-")
}

// holding is a router that is told that the IPv4 table holds that: whatever a
// backend may come up with. The simulator holds it, too.
func holding(t *testing.T, h mroute.Held, links ...string) *router {
	t.Helper()
	r := &router{t: t, host: sim.New(), now: time.Unix(1_700_000_000, 0)}
	for _, l := range links {
		r.host.AddLink(l)
	}
	k, err := r.host.OpenKept(0, false)
	if err != nil {
		t.Fatal(err)
	}
	r.kernel = k
	for n, ifindex := range h.VIFs {
		r.kernel.Apply([]mroute.Op{addVIF(n, mroute.LinkRef{Index: ifindex})})
	}
	for sg, e := range h.Entries {
		r.kernel.Apply([]mroute.Op{{Kind: mroute.SetMFC, Family: mroute.IPv4, SG: sg, Entry: e}})
	}
	r.state = core.New(core.Options{Now: r.now, Held: func(f mroute.Family) mroute.Held {
		if f == mroute.IPv4 {
			return h
		}
		return mroute.Held{}
	}})
	r.readLinks()
	return r
}

// All numbers are taken by links that nobody wants: new ones wait until those go.
func TestHeldVIFsFillTheTable(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.static = true
	r.restart(core.Options{})
	var conf []string
	for i := range mroute.MaxVIFs {
		r.host.AddLink(fmt.Sprintf("v%d", i))
		conf = append(conf, fmt.Sprintf("phyint v%d", i))
	}
	r.readLinks()
	r.conf(append(conf, "mroute from v0 source 10.0.0.1 group 225.1.1.1 to v1")...)
	r.step(core.Complete{})
	r.restart(core.Options{})
	r.conf("mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0")
	is(t, "held", r.out("v0", exact), "v1")
	same(t, "ops", r.kinds())
	r.step(core.Complete{})
	is(t, "held", r.out("v0", exact), "-")
	is(t, "wanted", r.out("a0", exact), "b0")
	r.step(core.Retry{})
	same(t, "pending", pendingReasons(r))
}

func pendingReasons(r *router) (ps []string) {
	for _, p := range r.state.Snapshot(r.now, nil).Pending {
		ps = append(ps, p.Reason)
	}
	return ps
}

// What the process before has joined is given up when all joins are made, not
// before.
func TestSettlesAfterJoins(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.state.Limits(100, 1)
	r.busy = true
	r.conf(plain, "mgroup from b0 group 225.1.1.0/30")
	r.step(core.Complete{})
	for i := 0; r.later; i++ {
		is(t, "settled while joins are due", len(r.settled), 0)
		r.goOn()
		r.busy = true
		if i > 10 {
			t.Fatal("no end of joins")
		}
	}
	is(t, "settled", len(r.settled), 2)
	r.step(core.Complete{})
	is(t, "settled once", len(r.settled), 2)
}

// A link that is replaced after a restart gets the number that came free by that:
// entries that have nothing to do with it are left alone.
func TestLinkIsReplacedAfterRestart(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	conf := "mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0\nmroute from a0 source 10.0.0.2 group 225.1.1.1 to b0 b1"
	r.conf(conf)
	r.restart(core.Options{})
	r.conf(conf)
	r.step(core.Complete{})
	r.del("b1")
	r.host.AddLink("b1")
	r.readLinks()
	other := flow("10.0.0.2 225.1.1.1")
	is(t, "out", r.out("a0", other), "b0 b1")
	is(t, "ops on another", slices.Contains(r.kinds(), "SetMFC "+exact.String()), false)
}
