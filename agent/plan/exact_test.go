package plan_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// Routes of one source and one group are found whether or not they are in order,
// whatever stands between them, by few questions and by many.
func TestExactRoutesAreFound(t *testing.T) {
	const n = 400
	v4 := func(source, group int) mroute.SG {
		return mroute.SG{Source: netip.AddrFrom4([4]byte{10, 0, byte(source >> 8), byte(source)}), Group: netip.AddrFrom4([4]byte{232, 0, byte(group >> 8), byte(group)})}
	}
	v6 := func(source, group int) mroute.SG {
		sg := v4(source, group)
		s, g := netip.MustParseAddr("2001:db8::").As16(), netip.MustParseAddr("ff3e::").As16()
		copy(s[12:], sg.Source.AsSlice())
		copy(g[12:], sg.Group.AsSlice())
		return mroute.SG{Source: netip.AddrFrom16(s), Group: netip.AddrFrom16(g)}
	}
	for name, sg := range map[string]func(i int) mroute.SG{
		"by group":      func(i int) mroute.SG { return v4((i*7)%13+2*i%5, i) },
		"by source":     func(i int) mroute.SG { return v4(i, n-i) },
		"by both":       func(i int) mroute.SG { return v6(i, i) },
		"in no order":   func(i int) mroute.SG { return v4(i*9973%n, i*7919%n) },
		"both families": func(i int) mroute.SG { return []func(int, int) mroute.SG{v4, v6}[2*i/n](i, i) },
		"some twice":    func(i int) mroute.SG { return v4(i/2, i/2) },
		"last again":    func(i int) mroute.SG { return v4(i%(n-1), i%(n-1)) },
	} {
		for _, templates := range [][]int{nil, {0}, {n}, {n / 2}, {0, n + 1}} {
			t.Run(fmt.Sprintf("%s/templates at %v", name, templates), func(t *testing.T) {
				var l mroute.Layer
				want := make(map[mroute.SG]int) // how many there are
				for i := range n {
					l.Routes = append(l.Routes, mroute.Route{From: "a0", Match: mroute.MatchSG(sg(i))})
					want[sg(i)]++
				}
				for _, at := range templates {
					l.Routes = slices.Insert(l.Routes, at, mroute.Route{From: "a0", Match: match("* 239.0.0.0/8")})
				}
				in := plan.NewIntent()
				in.SetLayer(l)
				res := plan.NewResolver(in, []mroute.Link{{Index: 1, Name: "a0", Multicast: true}})
				for i := range n {
					for _, sg := range []mroute.SG{sg(i * 31 % n), v4(n+i, i), v4(i, n+i), v6(i, n+i)} {
						rules := res.Feeding(nil, sg, 1)
						if got := len(rules); got != want[sg] {
							t.Fatalf("question %d: %d rules for %v, want %d", i, got, sg, want[sg])
						}
						for _, rt := range rules {
							if rt.Match.SG() != sg {
								t.Fatalf("question %d: the rule %v for %v", i, rt.Match, sg)
							}
						}
					}
				}
				var c plan.Cursor
				v := &plan.VIFs{}
				v.Set(0, 1)
				for sg, ok := in.NextExact(&c); ok; sg, ok = in.NextExact(&c) {
					if e, ok := res.Entry(sg, 0, v); !ok || e.Kind != mroute.Static {
						t.Fatalf("in order, %v: %+v, %v", sg, e, ok)
					}
				}
			})
		}
	}
}
