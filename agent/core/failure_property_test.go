package core_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// flaky makes about one op in four fail, as drawn. Leaves do not: what the kernel
// will not let go of is not the router's any more.
func (h history) flaky(rt *rapid.T) func(mroute.Op) error {
	pattern := rapid.SliceOfN(rapid.IntRange(0, 3), 7, 31).Draw(rt, "failures")
	n := 0
	return failing(func(op mroute.Op) bool {
		n++
		return pattern[n%len(pattern)] == 0 && op.Kind != mroute.LeaveGroup
	})
}

// TestI3WithFailures: also when ops fail at random, no step lets a flow leave
// through an interface that neither the state before the event nor the target
// after it names.
func TestI3WithFailures(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := history{newRouter(rt, "a0", "a1", "b0"), rt}
		type hop struct {
			sg      string
			in, out int
		}
		hops := func(fw map[string]string) map[hop]bool {
			index := make(map[string]int)
			for _, l := range h.host.Links() {
				index[l.Name] = l.Index
			}
			set := make(map[hop]bool)
			for k, o := range fw {
				in, sg, _ := strings.Cut(k, " ")
				for _, n := range strings.Fields(o) {
					set[hop{sg, index[in], index[n]}] = true
				}
			}
			return set
		}
		before := hops(h.forwarding())
		h.opened = func() { before = hops(h.forwarding()) } // others may have left something
		var between []map[hop]bool
		var steps []string
		h.after = func(op mroute.Op) {
			between = append(between, hops(h.forwarding()))
			steps = append(steps, format([]mroute.Op{op}))
		}
		h.host.Fail(h.flaky(rt))
		acts := h.actions()
		acts["retry"] = func(*rapid.T) { h.step(core.Retry{}) }
		acts[""] = func(rt *rapid.T) {
			target := hops(h.target())
			for i, now := range between {
				for hp := range now {
					if !before[hp] && !target[hp] && !h.state.AnySource(flows[hp.sg], hp.in, hp.out) {
						rt.Fatalf("after %s%v is on its way\n%v\nsteps\n%s", steps[i], hp, h.host, strings.Join(steps, ""))
					}
				}
			}
			before, between, steps = hops(h.forwarding()), nil, nil
		}
		rt.Repeat(acts)
	})
}

// TestI6AllIsMadeGood: when ops no longer fail, a retry reaches the target, with
// a VIF for each link that needs one, and nothing waits any more.
func TestI6AllIsMadeGood(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := history{newRouter(rt, "a0", "a1", "b0"), rt}
		h.host.Fail(h.flaky(rt))
		acts := h.actions()
		acts["retry"] = func(*rapid.T) { h.step(core.Retry{}) }
		rt.Repeat(acts)
		h.host.Fail(nil)
		h.takeLogs()
		h.step(core.Complete{})
		h.step(core.Retry{})
		h.step(core.Retry{}) // numbers that became free late are given out here
		h.goOn()
		if d := equal(h.forwarding(), h.target()); d != "" {
			rt.Fatalf("not made good: %s\n%v", d, h.host)
		}
		if d := equal(h.forwarding(), h.expected()); d != "" {
			rt.Fatalf("kernel and state differ: %s\n%v", d, h.host)
		}
		snap := h.state.Snapshot(h.now, nil)
		for _, p := range snap.Pending {
			switch p.Cause {
			case mroute.CauseNoInterface, mroute.CauseNoMatch, mroute.CauseNotMulticast, mroute.CauseLimit, mroute.CauseNotSupported:
			default:
				rt.Fatalf("%s\n%v", p.Reason, h.host)
			}
		}
		for _, f := range mroute.Families {
			d, err := h.kernel.Dump(f)
			if err != nil {
				rt.Fatalf("%v", err)
			}
			for _, l := range snap.Links {
				n := l.VIF
				if f == mroute.IPv6 {
					n = l.MIF
				}
				if n != mroute.NoVIF && d.VIFs[n] != l.Index {
					rt.Fatalf("%v VIF %d is of link %d in the kernel, not %d", f, n, d.VIFs[n], l.Index)
				}
				delete(d.VIFs, n)
			}
			if len(d.VIFs) > 0 {
				rt.Fatalf("VIFs left over in the kernel: %v", d.VIFs)
			}
		}
		for _, n := range linkNames {
			if got, want := h.host.Memberships(n), h.joined(n); h.has(n) && !slices.Equal(got, want) {
				rt.Fatalf("memberships on %s: %v, want %v", n, got, want)
			}
		}
		h.takeOps()
		h.step(core.Retry{})
		h.goOn()
		if ops := h.takeOps(); len(ops) > 0 {
			rt.Fatalf("another retry does\n%s", format(ops))
		}
	})
}

// TestI5SameEventsSamePlan plays the same random history to two routers: links
// that come and go, edits of routes and groups, failures and all. One of them
// prepares what comes next while the kernel is busy.
func TestI5SameEventsSamePlan(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := history{newRouter(rt, linkNames...), rt}, history{newRouter(rt, linkNames...), rt}
		b.late = true
		both := func(f func(h history)) func() { return func() { f(a); f(b) } }
		for range rapid.IntRange(1, 15).Draw(rt, "steps") {
			var do func()
			link := rapid.SampledFrom(linkNames).Draw(rt, "link")
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0:
				ev := core.SetLayer{Layer: genLayer(rt), DropEdits: rapid.Bool().Draw(rt, "drop")}
				do = both(func(h history) { h.step(ev) })
			case 1:
				ed := mroute.Edit{Kind: rapid.SampledFrom([]mroute.EditKind{mroute.AddRoute, mroute.RemoveRoute}).Draw(rt, "kind"), Route: genRoute(rt)}
				do = both(func(h history) { _ = h.edit(ed) })
			case 2:
				ed := mroute.Edit{Kind: rapid.SampledFrom([]mroute.EditKind{mroute.AddJoin, mroute.AddJoin, mroute.RemoveJoin}).Draw(rt, "kind"), Join: genJoin(rt)}
				do = both(func(h history) { _ = h.edit(ed) })
			case 3:
				do = both(func(h history) {
					h.del(link)
					h.host.AddLink(link)
					h.readLinks()
				})
			case 4:
				sg := rapid.SampledFrom(universe).Draw(rt, "sg")
				do = both(func(h history) { h.send(link, sg) })
			case 5:
				do = both(func(h history) { h.step(core.Expire{}) })
			}
			do()
			if x, y := format(a.takeOps()), format(b.takeOps()); x != y {
				rt.Fatalf("one router did\n%sand the other\n%s", x, y)
			}
			if x, y := strings.Join(a.takeLogs(), "\n"), strings.Join(b.takeLogs(), "\n"); x != y {
				rt.Fatalf("one router logged\n%s\nand the other\n%s", x, y)
			}
		}
	})
}
