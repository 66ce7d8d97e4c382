package core_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// limited is a router that takes few flows. Its rule learns groups of 225.1.0.0/16.
func limited(t *testing.T, flows, ofRule int) *router {
	t.Helper()
	r := newRouter(t, "a0", "b0")
	r.max = flows
	r.restart(core.Options{})
	l := r.parse("mroute from a0 group 225.1.0.0/16 to b0")
	l.Routes[0].MaxFlows = ofRule
	r.step(core.SetLayer{Layer: l})
	r.step(core.Complete{})
	r.takeLogs()
	return r
}

// at has a packet of a flow arrive now.
func (r *router) at(link, sg string) {
	r.host.Send(link, flow(sg), 64, r.now)
	r.answer()
}

// counts is what the router tells of its flows.
func (r *router) counts() string {
	snap := r.state.Snapshot(r.now, nil)
	say := func(what string, c mroute.FlowCounts) string {
		return fmt.Sprintf("%s learned=%d stopped=%d evicted=%d refused=%d full=%v", what, c.Learned, c.Stopped, c.Evicted, c.Refused, c.Full)
	}
	all := say("router", snap.Flows)
	for _, l := range snap.Limits {
		all += "; " + say("rule", l.FlowCounts)
	}
	return all
}

// A new flow takes the place of the idle one, and not of those whose packets come.
func TestIdleFlowMakesRoom(t *testing.T) {
	r := limited(t, 0, 2)
	r.at("a0", "10.0.0.1 225.1.0.1")
	r.at("a0", "10.0.0.2 225.1.0.1")
	r.pass(4 * time.Second)
	r.at("a0", "10.0.0.1 225.1.0.1")
	r.pass(2 * time.Second)
	r.at("a0", "10.0.0.3 225.1.0.1")
	same(t, "entries", r.entries(), "learned a0 (10.0.0.1, 225.1.0.1) -> b0", "learned a0 (10.0.0.3, 225.1.0.1) -> b0")
	is(t, "packets that left of the new flow", r.host.Departed("b0", flow("10.0.0.3 225.1.0.1")), 1)
	is(t, "counts", r.counts(), "router learned=2 stopped=0 evicted=1 refused=0 full=false; rule learned=2 stopped=0 evicted=1 refused=0 full=true")
}

// If no flow is idle the new one gets a stop filter, and is learned when there is
// room. The limit is told of once, and as what keeps the rule from working.
func TestFlowIsRefused(t *testing.T) {
	r := limited(t, 0, 2)
	known := []string{"10.0.0.1 225.1.0.1", "10.0.0.2 225.1.0.1"}
	beat := func(sgs ...string) {
		for _, sg := range sgs {
			r.at("a0", sg)
		}
	}
	beat(known...)
	r.at("a0", "10.0.0.3 225.1.0.1")
	r.at("a0", "10.0.0.4 225.1.0.1")
	same(t, "entries", r.entries(),
		"learned a0 (10.0.0.1, 225.1.0.1) -> b0", "learned a0 (10.0.0.2, 225.1.0.1) -> b0",
		"stop-filter a0 (10.0.0.3, 225.1.0.1) ->", "stop-filter a0 (10.0.0.4, 225.1.0.1) ->")
	is(t, "counts", r.counts(), "router learned=2 stopped=2 evicted=0 refused=2 full=false; rule learned=2 stopped=0 evicted=0 refused=2 full=true")
	const full = "the rule (*, 225.1.0.0/16) from a0 has learned 2 flows, as many as it may: idle ones make room for new ones, which are stopped if there are none"
	same(t, "log", r.takeLogs(), full)
	pending := func() (ps []string) {
		for _, p := range r.state.Snapshot(r.now, nil).Pending {
			ps = append(ps, fmt.Sprint(p.Cause, " ", p.Reason))
		}
		return ps
	}
	same(t, "pending", pending(), fmt.Sprint(mroute.CauseFlowLimit, " ", full))

	// The third goes on, the fourth was never more than one packet, and the second
	// ends.
	for range 2 {
		r.pass(3 * time.Second)
		beat(known[0], "10.0.0.3 225.1.0.1")
	}
	same(t, "entries", r.entries(), "learned a0 (10.0.0.1, 225.1.0.1) -> b0", "learned a0 (10.0.0.3, 225.1.0.1) -> b0")
	is(t, "counts", r.counts(), "router learned=2 stopped=0 evicted=1 refused=2 full=false; rule learned=2 stopped=0 evicted=1 refused=2 full=true")
	same(t, "log", r.takeLogs())

	for range 20 {
		r.pass(5 * time.Second)
		beat(known[0], "10.0.0.3 225.1.0.1")
	}
	is(t, "counts", r.counts(), "router learned=2 stopped=0 evicted=1 refused=2 full=false; rule learned=2 stopped=0 evicted=1 refused=2 full=false")
	same(t, "log", r.takeLogs(), "the rule (*, 225.1.0.0/16) from a0 has room for new flows again")
	same(t, "pending", pending())
	is(t, "no other look", r.lookAt, time.Time{})
}

// While the router looks who is idle the new flow has no entry, so that the kernel
// keeps its packets.
func TestNewFlowWaitsForLook(t *testing.T) {
	r := limited(t, 0, 1)
	r.at("a0", "10.0.0.1 225.1.0.1")
	r.pass(6 * time.Second)
	r.slow = true
	r.at("a0", "10.0.0.2 225.1.0.1")
	r.at("a0", "10.0.0.2 225.1.0.1")
	same(t, "entries", r.entries(), "learned a0 (10.0.0.1, 225.1.0.1) -> b0")
	r.readOn()
	same(t, "entries", r.entries(), "learned a0 (10.0.0.2, 225.1.0.1) -> b0")
	is(t, "packets that left", r.host.Departed("b0", flow("10.0.0.2 225.1.0.1")), 2)
}

// Counters that cannot be read leave the new flow with a stop filter.
func TestLookFails(t *testing.T) {
	r := limited(t, 0, 1)
	r.at("a0", "10.0.0.1 225.1.0.1")
	r.pass(6 * time.Second)
	r.slow = true
	r.at("a0", "10.0.0.2 225.1.0.1")
	is(t, "reads", len(r.reads), 1)
	read := r.reads[0]
	r.reads = nil
	r.step(core.CountersRead{ReadCounters: read, Err: fmt.Errorf("no")})
	same(t, "entries", r.entries(), "learned a0 (10.0.0.1, 225.1.0.1) -> b0", "stop-filter a0 (10.0.0.2, 225.1.0.1) ->")
}

// Flows that no rule wants push each other out, and take no room from those that
// are learned.
func TestStopFiltersGoFirst(t *testing.T) {
	r := limited(t, 16, 0)
	for i := range 40 {
		r.at("a0", fmt.Sprintf("10.0.0.%d 239.0.0.1", i))
	}
	is(t, "counts", r.counts(), "router learned=0 stopped=16 evicted=24 refused=0 full=true")
	is(t, "oldest entry", r.entries()[0], "stop-filter a0 (10.0.0.24, 239.0.0.1) ->")
	for i := range 20 {
		r.at("a0", fmt.Sprintf("10.0.0.%d 225.1.0.1", i))
	}
	is(t, "counts", r.counts(), "router learned=14 stopped=2 evicted=44 refused=6 full=true")
	is(t, "entries", len(r.dump()), 16)
	same(t, "log", r.takeLogs(), "the router has entries for 16 flows, as many as it may: idle ones make room for new ones, which are stopped if there are none")
}

// What was learned by the process before counts, and is not refused.
func TestAdoptedFlowsCount(t *testing.T) {
	r := limited(t, 0, 4)
	for i := range 5 { // the last of them is refused
		r.at("a0", fmt.Sprintf("10.0.0.%d 225.1.0.1", i))
	}
	l := r.parse("mroute from a0 group 225.1.0.0/16 to b0")
	l.Routes[0].MaxFlows = 3
	r.restart(core.Options{})
	r.step(core.SetLayer{Layer: l})
	r.step(core.Complete{})
	is(t, "counts", r.counts(), "router learned=4 stopped=1 evicted=0 refused=1 full=false; rule learned=4 stopped=0 evicted=0 refused=1 full=true")
	r.at("a0", "10.0.0.9 225.1.0.1")
	is(t, "counts", r.counts(), "router learned=4 stopped=2 evicted=0 refused=2 full=false; rule learned=4 stopped=0 evicted=0 refused=2 full=true")
}

// A reload keeps count, and a higher limit lets in who was refused.
func TestLimitChanges(t *testing.T) {
	r := limited(t, 0, 2)
	for i := range 4 {
		r.at("a0", fmt.Sprintf("10.0.0.%d 225.1.0.1", i))
	}
	is(t, "before", r.counts(), "router learned=2 stopped=2 evicted=0 refused=2 full=false; rule learned=2 stopped=0 evicted=0 refused=2 full=true")
	l := r.parse("mroute from a0 group 225.1.0.0/16 to b0")
	l.Routes[0].MaxFlows = 3
	r.step(core.SetLayer{Layer: l})
	is(t, "after", r.counts(), "router learned=3 stopped=1 evicted=0 refused=2 full=false; rule learned=3 stopped=0 evicted=0 refused=2 full=true")
	l = r.parse("mroute from a0 group 225.1.0.0/16 to b0")
	r.step(core.SetLayer{Layer: l})
	is(t, "without a limit", r.counts(), "router learned=4 stopped=0 evicted=0 refused=2 full=false")
}

// Flows of two rules that are united count for both.
func TestUnitedRulesCountBoth(t *testing.T) {
	r := limited(t, 0, 0)
	l := r.parse("mroute from a0 group 225.1.0.0/16 to b0", "mroute from a0 group 225.1.1.0/24 to b0")
	l.FirstMatch = false
	l.Routes[0].MaxFlows, l.Routes[1].MaxFlows = 3, 1
	r.step(core.SetLayer{Layer: l})
	for _, sg := range []string{"10.0.0.1 225.1.1.1", "10.0.0.2 225.1.1.1", "10.0.0.1 225.1.2.1", "10.0.0.2 225.1.2.1", "10.0.0.3 225.1.2.1"} {
		r.at("a0", sg)
	}
	var learned []string
	for _, e := range r.entries() {
		if strings.HasPrefix(e, "learned") {
			learned = append(learned, e)
		}
	}
	slices.Sort(learned)
	same(t, "learned", learned, "learned a0 (10.0.0.1, 225.1.1.1) -> b0", "learned a0 (10.0.0.1, 225.1.2.1) -> b0", "learned a0 (10.0.0.2, 225.1.2.1) -> b0")
}
