package core_test

import (
	"slices"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// A template has nothing in the kernel until a packet comes. That packet waits
// there for the entry, and leaves too.
func TestLearn(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.conf("mroute from a0 group 225.1.0.0/16 to b0 b1")
	same(t, "entries before", r.entries())

	sg := flow("10.0.0.1 225.1.1.1")
	r.send("a0", sg)
	same(t, "entries", r.entries(), "learned a0 (10.0.0.1, 225.1.1.1) -> b0 b1")
	same(t, "flows", r.takeFlows(), "learned (10.0.0.1, 225.1.1.1) from a0")
	is(t, "packets that left", r.host.Departed("b1", sg), 1)

	r.send("a0", sg)
	same(t, "flows", r.takeFlows())
	is(t, "packets that left", r.host.Departed("b1", sg), 2)
}

// Without a rule the kernel gets an entry without outputs, and asks no more.
func TestStopFilter(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.conf("phyint a0", "mroute from b0 group 225.1.1.1 to a0")
	sg := flow("10.0.0.1 225.1.1.1")
	r.send("a0", sg)
	same(t, "entries", r.entries(), "stop-filter a0 (10.0.0.1, 225.1.1.1) ->")
	same(t, "flows", r.takeFlows(), "stop-filter (10.0.0.1, 225.1.1.1) from a0")
	r.takeOps()
	r.send("a0", sg)
	is(t, "ops for another packet", len(r.takeOps()), 0)
}

// A stop rule learns an entry without outputs, and later rules do not count.
func TestStopRule(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.conf("mroute from a0 source 10.0.0.0/8 group 225.1.1.1", "mroute from a0 group 225.1.1.1 to b0")
	r.send("a0", flow("10.0.0.1 225.1.1.1"))
	r.send("a0", flow("11.0.0.1 225.1.1.1"))
	same(t, "entries", r.entries(),
		"learned a0 (10.0.0.1, 225.1.1.1) ->",
		"learned a0 (11.0.0.1, 225.1.1.1) -> b0")
}

// A template that comes later makes stop filters flow; when it goes they stop.
// The entry stays in place meanwhile, with its counters.
func TestTemplateComesAndGoes(t *testing.T) {
	for _, how := range []struct {
		name       string
		come, goes func(r *router)
	}{
		{"by reload",
			func(r *router) { r.conf("phyint a0", "mroute from a0 group 225.1.0.0/16 to b0") },
			func(r *router) { r.conf("phyint a0", "phyint b0") }},
		{"by client",
			func(r *router) { r.ctl("add a0 225.1.0.0/16 b0") },
			func(r *router) { r.ctl("remove a0 225.1.0.0/16") }},
	} {
		t.Run(how.name, func(t *testing.T) {
			r := newRouter(t, "a0", "b0")
			r.conf("phyint a0", "phyint b0")
			sg, other := flow("10.0.0.1 225.1.1.1"), flow("10.0.0.1 239.1.1.1")
			r.send("a0", sg)
			r.send("a0", other)
			is(t, "before", r.out("a0", sg), "-")

			r.takeOps()
			r.takeFlows()
			how.come(r)
			is(t, "with a template", r.out("a0", sg), "b0")
			is(t, "without one", r.out("a0", other), "-")
			same(t, "entries", r.entries(),
				"learned a0 (10.0.0.1, 225.1.1.1) -> b0",
				"stop-filter a0 (10.0.0.1, 239.1.1.1) ->")
			how.goes(r)
			is(t, "without a template again", r.out("a0", sg), "-")
			same(t, "entries", r.entries(),
				"stop-filter a0 (10.0.0.1, 225.1.1.1) ->",
				"stop-filter a0 (10.0.0.1, 239.1.1.1) ->")
			same(t, "flows that packets changed", r.takeFlows())
			for _, op := range r.takeOps() {
				if op.Kind == mroute.DelMFC {
					t.Errorf("%v was deleted: its counters are lost", op.SG)
				}
			}
		})
	}
}

// Removing a template leaves its flows to another that covers them.
func TestAnotherTemplateTakesOver(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.conf("mroute from a0 group 225.1.1.1 to b0", "mroute from a0 group 225.1.0.0/16 to b1")
	sg := flow("10.0.0.1 225.1.1.1")
	r.send("a0", sg)
	is(t, "first", r.out("a0", sg), "b0")
	r.ctl("remove a0 225.1.1.1")
	is(t, "after", r.out("a0", sg), "b1")
}

// Packets that come in elsewhere move the entry there if a rule covers that, in
// both families (defect 16: not in IPv6). When the flow is idle the exact rule
// is in force again.
func TestDefect16WrongInterfaceMoves(t *testing.T) {
	for _, tt := range []struct{ sg, exact, template string }{
		{"10.0.0.1 225.1.1.1", "mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0", "mroute from a1 group 225.1.1.1 to b1"},
		{"2001:db8::1 ff05::1", "mroute from a0 source 2001:db8::1 group ff05::1 to b0", "mroute from a1 group ff05::1 to b1"},
	} {
		t.Run(tt.sg, func(t *testing.T) {
			r := newRouter(t, "a0", "a1", "a2", "b0", "b1")
			r.conf(tt.exact, tt.template, "phyint a2")
			sg := flow(tt.sg)
			is(t, "before", r.out("a0", sg), "b0")

			r.send("a2", sg)
			is(t, "packets from where no rule covers them", r.out("a0", sg), "b0")
			same(t, "flows", r.takeFlows())

			r.send("a1", sg)
			is(t, "where they arrive", r.out("a1", sg), "b1")
			same(t, "flows", r.takeFlows(), "learned "+sg.String()+" from a1 moved")

			r.step(core.Expire{})
			r.send("a1", sg)
			r.step(core.Expire{})
			is(t, "while packets arrive", r.out("a1", sg), "b1")
			r.step(core.Expire{})
			is(t, "when they do not any more", r.out("a0", sg), "b0")
			same(t, "entries", r.entries(), "static a0 "+sg.String()+" -> b0")
		})
	}
}

// A flow is forgotten at the second visit that sees the same count, a full
// period after the first.
func TestExpiry(t *testing.T) {
	const period = 60 * time.Second
	r := newRouter(t, "a0", "b0")
	r.conf("mroute from a0 group 225.1.1.1 to b0", "mroute from a0 source 10.0.0.9 group 225.9.9.9 to b0")
	sg, stop := flow("10.0.0.1 225.1.1.1"), flow("10.0.0.1 239.1.1.1")
	expire := func(after time.Duration) int {
		r.now = r.now.Add(after)
		r.step(core.Expire{Age: period})
		return len(r.entries())
	}
	r.send("a0", sg)
	r.send("a0", stop)
	is(t, "entries at the first visit", expire(period), 3)
	r.now = r.now.Add(-5 * time.Second) // send takes five
	r.send("a0", sg)
	is(t, "entries half a period later", expire(period/2), 3)
	is(t, "entries a period after the first visit", expire(period/2), 2)
	same(t, "entries", r.entries(),
		"static a0 (10.0.0.9, 225.9.9.9) -> b0",
		"learned a0 (10.0.0.1, 225.1.1.1) -> b0")
	is(t, "entries when idle for a period", expire(period), 1)
	is(t, "in the kernel", r.out("a0", sg), "-")
	is(t, "the exact rule", r.out("a0", flow("10.0.0.9 225.9.9.9")), "b0")

	r.send("a0", sg)
	is(t, "learned anew", r.out("a0", sg), "b0")
}

// Packets that arrive at the wrong interface do not keep an entry alive.
func TestExpiryDoesNotCountWrongInterface(t *testing.T) {
	r := newRouter(t, "a0", "a1", "b0")
	r.conf("mroute from a0 group 225.1.1.1 to b0", "phyint a1")
	sg := flow("10.0.0.1 225.1.1.1")
	r.send("a0", sg)
	r.step(core.Expire{})
	r.send("a1", sg)
	r.step(core.Expire{})
	same(t, "entries", r.entries())
}

// The first flush only notes, the second deletes what is idle.
func TestFlushTwice(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.conf("mroute from a0 group 225.1.0.0/16 to b0")
	idle, busy := flow("10.0.0.1 225.1.1.1"), flow("10.0.0.1 225.1.1.2")
	r.send("a0", idle)
	r.send("a0", busy)
	r.step(core.Expire{})
	is(t, "entries after one flush", len(r.entries()), 2)
	r.send("a0", busy)
	r.step(core.Expire{})
	same(t, "entries after two", r.entries(), "learned a0 (10.0.0.1, 225.1.1.2) -> b0")
}

// More flows than one read of counters takes.
func TestFlushOfMany(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.conf("mroute from a0 group 225.0.0.0/8 to b0", "mroute from a0 group ff05::/16 to b0")
	const n = 2500
	for i := range n {
		sg := flow("10.0.0.1 225.1.0.0")
		if i%2 == 1 {
			sg = flow("2001:db8::1 ff05::")
		}
		b := sg.Group.AsSlice()
		b[len(b)-2], b[len(b)-1] = byte(i>>8), byte(i)
		sg.Group = addrFrom(b)
		r.send("a0", sg)
	}
	is(t, "entries", len(r.entries()), n)
	r.step(core.Expire{})
	r.step(core.Expire{})
	is(t, "entries after two flushes", len(r.entries()), 0)
	is(t, "flows kept, by group", r.state.FlowGroups(), 0)
}

// An output that a reload takes away stops at once, in exact and in learned
// entries (defect 1: it kept forwarding).
func TestDefect01RemovedOutputStops(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	exact, learned := flow("10.0.0.1 225.1.1.1"), flow("10.0.0.1 225.2.2.2")
	r.conf("mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0 b1", "mroute from a0 group 225.2.2.2 to b0 b1")
	r.send("a0", learned)
	is(t, "exact", r.out("a0", exact), "b0 b1")
	is(t, "learned", r.out("a0", learned), "b0 b1")
	r.takeOps()
	r.conf("phyint b1", "mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0", "mroute from a0 group 225.2.2.2 to b0")
	is(t, "exact", r.out("a0", exact), "b0")
	is(t, "learned", r.out("a0", learned), "b0")
	for _, op := range r.takeOps() {
		if op.Kind != mroute.SetMFC {
			t.Errorf("%v: only entries had to change", op)
		}
	}
}

// A changed threshold reaches exact and learned entries.
func TestThresholdChanges(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	sg := flow("10.0.0.1 225.1.1.1")
	rule := "mroute from a0 group 225.1.1.1 to b0"
	r.conf(rule)
	r.send("a0", sg)
	at := func(ttl uint8) int { return len(r.host.Outputs("a0", sg, ttl)) }
	is(t, "TTL 2", at(2), 1)
	r.conf("phyint b0 ttl-threshold 16", rule)
	is(t, "TTL 16", at(16), 0)
	is(t, "TTL 17", at(17), 1)
}

// One (S,G) from two interfaces: both are listed, and the kernel's one entry is
// where packets arrive; when the other expires the live one stays (defect 7).
func TestDefect07SameFlowOnTwoInterfaces(t *testing.T) {
	r := newRouter(t, "a0", "a1", "b0", "b1")
	r.conf("mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0", "mroute from a1 source 10.0.0.1 group 225.1.1.1 to b1")
	sg := flow("10.0.0.1 225.1.1.1")
	var rows []string
	for _, row := range r.state.Snapshot(r.now, nil).Rules {
		rows = append(rows, row.IIF)
	}
	same(t, "rules", rows, "a0", "a1")
	for _, from := range []string{"a0", "a1", "a0"} {
		to := map[string]string{"a0": "b0", "a1": "b1"}[from]
		r.send(from, sg)
		is(t, "packets from "+from, r.out(from, sg), to)
	}
	// Packets go on from a0, for as long as it takes.
	for range 4 {
		r.now = r.now.Add(time.Minute)
		r.send("a0", sg)
		r.step(core.Expire{Age: time.Minute})
		is(t, "packets from a0", r.out("a0", sg), "b0")
	}
	// Two learned flows of templates, likewise.
	r.conf("mroute from a0 group 225.1.1.1 to b0", "mroute from a1 group 225.1.1.1 to b1")
	r.send("a1", sg)
	r.step(core.Expire{})
	r.send("a1", sg)
	r.step(core.Expire{})
	is(t, "packets from a1", r.out("a1", sg), "b1")
}

// Several questions at once, of one flow and of many, are answered each once.
func TestManyUpcallsAtOnce(t *testing.T) {
	r := newRouter(t, "a0", "a1", "b0")
	r.conf("mroute from a0 group 225.1.0.0/16 to b0", "mroute from a1 group 225.1.0.0/16 to b0")
	r.takeOps()
	one, two := flow("10.0.0.1 225.1.1.1"), flow("10.0.0.2 225.1.1.1")
	r.step(core.Upcalls{
		{Kind: mroute.NoCache, SG: one, VIF: r.vif("a0")},
		{Kind: mroute.NoCache, SG: two, VIF: r.vif("a0")},
		{Kind: mroute.NoCache, SG: one, VIF: r.vif("a1")},
		{Kind: mroute.NoCache, SG: one, VIF: 31},                           // nobody's
		{Kind: mroute.WholePkt, SG: flow("10.0.0.3 225.1.1.1"), VIF: 0},    // PIM's business
		{Kind: mroute.NoCache, SG: flow("10.0.0.1 225.1.1.1"), VIF: 0xfff}, // nonsense
	})
	is(t, "ops", len(r.takeOps()), 2)
	same(t, "flows", r.takeFlows(), "learned (10.0.0.1, 225.1.1.1) from a1", "learned (10.0.0.2, 225.1.1.1) from a0")
}

// The kernel asks about a flow whose entry we think is there: set it again.
func TestEntryLostBehindOurBack(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.conf("mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0")
	sg := flow("10.0.0.1 225.1.1.1")
	r.kernel.Apply([]mroute.Op{{Kind: mroute.DelMFC, Family: mroute.IPv4, SG: sg}})
	is(t, "lost", r.out("a0", sg), "-")
	r.send("a0", sg)
	is(t, "set again", r.out("a0", sg), "b0")
	same(t, "flows", r.takeFlows())
	if !slices.Contains(r.entries(), "static a0 (10.0.0.1, 225.1.1.1) -> b0") {
		t.Error(r.entries())
	}
}

// A changed mask of a (*,*) rule re-evaluates what was learned.
func TestScopeMaskChanges(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.conf("mroute from a0 source :: group :: to 65520 b0") // scope 4 and wider
	admin, site := flow("2001:db8::1 ff04::1"), flow("2001:db8::1 ff05::1")
	r.send("a0", admin)
	r.send("a0", site)
	is(t, "scope 4", r.out("a0", admin), "b0")
	is(t, "scope 5", r.out("a0", site), "b0")
	r.ctl("add a0 :: :: 65504 b0")
	is(t, "scope 4 with a narrower mask", r.out("a0", admin), "-")
	is(t, "scope 5 with a narrower mask", r.out("a0", site), "b0")
	same(t, "entries", r.entries(),
		"stop-filter a0 (2001:db8::1, ff04::1) ->",
		"learned a0 (2001:db8::1, ff05::1) -> b0")
	r.ctl("remove a0 :: :: b0")
	is(t, "scope 5 without output", r.out("a0", site), "-")
}

// A stop filter that a stop rule comes to cover is learned: nothing changes in
// the kernel, but in the listing.
func TestStopFilterBecomesLearned(t *testing.T) {
	r := newRouter(t, "a0")
	r.conf("phyint a0")
	r.send("a0", flow("10.0.0.1 225.1.1.1"))
	r.takeOps()
	r.ctl("add a0 225.1.1.1")
	same(t, "entries", r.entries(), "learned a0 (10.0.0.1, 225.1.1.1) ->")
	is(t, "ops", format(r.takeOps()), "")
}

// A question about a wrong interface that is right by now changes nothing.
func TestLateWrongInterface(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.conf("mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0")
	r.takeOps()
	r.step(core.Upcalls{{Kind: mroute.WrongVIF, SG: flow("10.0.0.1 225.1.1.1"), VIF: r.vif("a0")}})
	r.conf("mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0 b0 a0")
	same(t, "flows", r.takeFlows())
}
