package core_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// hops are the ways that packets go: "sg in out", by ifindex, since names come
// and go.
func (r *router) hops() map[[2]int]map[string]bool {
	index := make(map[string]int)
	for _, l := range r.host.Links() {
		index[l.Name] = l.Index
	}
	ways := make(map[[2]int]map[string]bool)
	for k, o := range r.forwarding() {
		in, sg, _ := strings.Cut(k, " ")
		for _, n := range strings.Fields(o) {
			way := [2]int{index[in], index[n]}
			if ways[way] == nil {
				ways[way] = make(map[string]bool)
			}
			ways[way][sg] = true
		}
	}
	return ways
}

// Until all is known, nothing that was found loses a way on which its packets
// go, at no step, whatever happens; not even if ops fail.
func TestHeldIsNotNarrowed(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := history{newRouter(rt, "a0", "a1", "b0"), rt}
		if rapid.Bool().Draw(rt, "failures") {
			h.host.Fail(h.flaky(rt))
		}
		acts := h.actions()
		restart := acts["restart"]
		acts["restart"] = func(*rapid.T) {}
		for range rapid.IntRange(1, 8).Draw(rt, "past") {
			name := rapid.SampledFrom(slices.Sorted(maps.Keys(acts))).Draw(rt, "past action")
			acts[name](rt)
		}
		restart(rt)
		held := h.hops()
		h.before = func() { // what links took along is lost
			now := h.hops()
			for way, sgs := range held {
				maps.DeleteFunc(sgs, func(sg string, _ bool) bool { return !now[way][sg] })
			}
		}
		h.after = func(op mroute.Op) {
			now := h.hops()
			for way, sgs := range held {
				for sg := range sgs {
					if !now[way][sg] {
						rt.Fatalf("%s no longer goes from %d to %d after %s%v", sg, way[0], way[1], format([]mroute.Op{op}), h.host)
					}
				}
			}
		}
		acts["retry"] = func(*rapid.T) { h.step(core.Retry{}) }
		delete(acts, "complete")
		delete(acts, "restart")
		rt.Repeat(acts)
	})
}

// A process that wants what the one before it wanted does nothing but join.
func TestRestartDoesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := history{newRouter(rt, "a0", "a1", "b0"), rt}
		h.static = rapid.Bool().Draw(rt, "static")
		h.restart(core.Options{})
		acts := h.actions()
		delete(acts, "restart")
		delete(acts, "object") // there is one layer
		rt.Repeat(acts)
		layer := genLayer(rt)
		h.step(core.SetLayer{Layer: layer, DropEdits: true})
		h.step(core.Complete{})
		h.goOn()
		for range rapid.IntRange(0, 4).Draw(rt, "packets") {
			if n := rapid.SampledFrom(linkNames).Draw(rt, "link"); h.has(n) {
				h.send(n, rapid.SampledFrom(universe).Draw(rt, "sg"))
			}
		}
		before := h.host.String()
		h.restart(core.Options{})
		h.step(core.SetLayer{Layer: layer})
		h.step(core.Complete{})
		h.goOn()
		for _, op := range h.takeOps() {
			if op.Kind != mroute.JoinGroup {
				rt.Fatalf("%v", format([]mroute.Op{op}))
			}
		}
		if after := h.host.String(); after != before {
			rt.Fatalf("before %s\nafter %s", before, after)
		}
	})
}

// Of what has changed while nobody looked only that is set or deleted which is
// not as it should be, unless VIFs come or go.
func TestRestartTouchesWhatChanged(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := history{newRouter(rt, "a0", "a1", "b0", "b1"), rt}
		for range rapid.IntRange(0, 6).Draw(rt, "packets") {
			h.send(rapid.SampledFrom([]string{"a0", "a1", "b0", "b1"}).Draw(rt, "link"), rapid.SampledFrom(universe).Draw(rt, "sg"))
		}
		layer := genLayer(rt)
		h.step(core.SetLayer{Layer: layer})
		h.step(core.Complete{})
		h.goOn()
		before := h.dump()
		h.restart(core.Options{})
		next := genLayer(rt)
		next.Routes = append(next.Routes, layer.Routes[rapid.IntRange(0, len(layer.Routes)).Draw(rt, "kept"):]...)
		for i := range next.Routes {
			next.Routes[i].Origin.Seq = i + 1
		}
		h.step(core.SetLayer{Layer: next})
		h.step(core.Complete{})
		h.goOn()
		ops := h.takeOps()
		if slices.ContainsFunc(ops, func(op mroute.Op) bool { return op.Kind == mroute.AddVIF || op.Kind == mroute.DelVIF }) {
			return
		}
		after := h.dump()
		count := make(map[mroute.SG]int)
		for _, op := range ops {
			if op.Kind == mroute.SetMFC || op.Kind == mroute.DelMFC {
				count[op.SG]++
			}
		}
		for sg, n := range count {
			was, old := before[sg]
			is, now := after[sg]
			if old == now && was.Forwards(is) && n > 0 {
				rt.Fatalf("%v was as it should be\n%s", sg, format(ops))
			}
			if n > 2 { // once to add, once to take away
				rt.Fatalf("%v was touched %d times\n%s", sg, n, format(ops))
			}
		}
	})
}
