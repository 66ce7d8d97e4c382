package core_test

import (
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// TestFloodStaysInBounds: whatever arrives, at no step does the kernel hold more
// entries than may be, nor more of a rule; a flow whose packets keep coming stays
// learned and loses none of them; and what the router counts is what there is.
func TestFloodStaysInBounds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newRouter(rt, "a0", "b0")
		r.max = rapid.IntRange(4, 24).Draw(rt, "flows")
		ofRule := rapid.IntRange(0, 8).Draw(rt, "flows of the rule")
		r.restart(core.Options{})
		l := r.parse("mroute from a0 group 225.1.0.0/16 to b0", "mroute from a0 group 225.2.0.0/16 to b0",
			"mroute from a0 group ff05::/16 to b0", "mroute from a0 source 10.0.0.1 group 232.1.1.1 to b0")
		l.Routes[0].MaxFlows = ofRule
		r.step(core.SetLayer{Layer: l})
		r.step(core.Complete{})

		limited := netip.MustParsePrefix("225.1.0.0/16")
		r.after = func(mroute.Op) {
			all, rule := -1, 0 // but for the exact rule's
			for sg, e := range r.dump() {
				all++
				if limited.Contains(sg.Group) && !e.OIFs.Empty() {
					rule++
				}
			}
			if all > r.max || ofRule > 0 && rule > ofRule {
				rt.Fatalf("%d entries of %d, and %d of %d of the rule", all, r.max, rule, ofRule)
			}
		}
		active := make(map[mroute.SG]time.Time) // flows whose packets keep coming: when the last came
		groups := []string{"225.1.0.1", "225.2.0.1", "239.0.0.1", "ff05::1", "ff08::1"}
		forged := 0
		packet := func(sg mroute.SG) {
			r.host.Send("a0", sg, 64, r.now)
			if rapid.IntRange(0, 3).Draw(rt, "answer") > 0 {
				r.answer()
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"flood": func(rt *rapid.T) {
				g := netip.MustParseAddr(rapid.SampledFrom(groups).Draw(rt, "group"))
				for range rapid.IntRange(1, 30).Draw(rt, "packets") {
					forged++
					src := netip.AddrFrom4([4]byte{10, 1, byte(forged >> 8), byte(forged)})
					if g.Is6() {
						src = netip.AddrFrom16([16]byte{0x20, 1, 14: byte(forged >> 8), 15: byte(forged)})
					}
					packet(mroute.SG{Source: src, Group: g})
				}
			},
			"stream": func(rt *rapid.T) {
				packet(flow(rapid.SampledFrom([]string{"10.0.0.1 225.1.0.1", "10.0.0.2 225.1.0.1", "10.0.0.1 225.2.0.1", "2001:db8::1 ff05::1"}).Draw(rt, "flow")))
			},
			"time": func(rt *rapid.T) {
				r.pass(rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, 3 * time.Second}).Draw(rt, "time"))
			},
			"slow":   func(*rapid.T) { r.slow = true },
			"read":   func(*rapid.T) { r.readOn(); r.slow = false },
			"flush":  func(*rapid.T) { r.step(core.Expire{Age: time.Minute}) },
			"reload": func(*rapid.T) { r.step(core.SetLayer{Layer: l}) },
			"": func(rt *rapid.T) {
				r.answer()
				snap := r.state.Snapshot(r.now, nil)
				kinds := make(map[mroute.SG]mroute.EntryKind)
				var learned, stopped, rule int
				for _, e := range snap.Entries {
					kinds[e.SG] = e.Kind
					switch {
					case e.Kind == mroute.StopFilter:
						stopped++
					case e.Kind == mroute.Learned:
						learned++
						if limited.Contains(e.SG.Group) {
							rule++
						}
					}
				}
				if snap.Flows.Learned != learned || snap.Flows.Stopped != stopped {
					rt.Fatalf("%d learned and %d stopped flows counted, %d and %d are there", snap.Flows.Learned, snap.Flows.Stopped, learned, stopped)
				}
				if len(snap.Limits) > 0 && snap.Limits[0].Learned != rule {
					rt.Fatalf("%d flows of the rule counted, %d are there", snap.Limits[0].Learned, rule)
				}
				// Those that are active have a packet every time, and it leaves.
				for sg, at := range active {
					if r.now.Sub(at) >= 4*time.Second {
						delete(active, sg)
						continue
					}
					if out := r.host.Send("a0", sg, 64, r.now); len(out) != 1 {
						rt.Fatalf("a packet of %v did not leave; the last came %v ago", sg, r.now.Sub(at))
					}
					active[sg] = r.now
				}
				for _, s := range []string{"10.0.0.1 225.1.0.1", "10.0.0.1 225.2.0.1", "2001:db8::1 ff05::1"} {
					if sg := flow(s); kinds[sg] == mroute.Learned {
						if _, ok := active[sg]; !ok {
							r.host.Send("a0", sg, 64, r.now)
							active[sg] = r.now
						}
					}
				}
			},
		})
	})
}
