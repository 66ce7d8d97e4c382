package plan_test

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// mutate makes another layer of l: lines come, go, move and change.
func mutate(t *rapid.T, l mroute.Layer) mroute.Layer {
	other := drawLayer(t, l.Name)
	other.FirstMatch = l.FirstMatch || rapid.IntRange(0, 9).Draw(t, "other first match") == 0
	if rapid.IntRange(0, 4).Draw(t, "other phyints") > 0 {
		other.Phyints = l.Phyints
	}
	routes := slices.Clone(l.Routes)
	for range rapid.IntRange(0, 3).Draw(t, "changes") {
		at := rapid.IntRange(0, len(routes)).Draw(t, "at")
		switch kind := rapid.IntRange(0, 3).Draw(t, "kind"); {
		case kind == 0 && len(other.Routes) > 0:
			routes = slices.Insert(routes, at, rapid.SampledFrom(other.Routes).Draw(t, "new"))
		case at == len(routes):
		case kind == 1:
			routes = slices.Delete(routes, at, at+1)
		case kind == 2:
			routes[at].To = slices.Clone(routes[at].To[:len(routes[at].To)/2])
		default:
			i := rapid.IntRange(0, len(routes)-1).Draw(t, "swap with")
			routes[at], routes[i] = routes[i], routes[at]
		}
	}
	if rapid.Bool().Draw(t, "number again") {
		for i := range routes {
			routes[i].Origin.Seq = i + 1
		}
	}
	other.Routes = routes
	return other
}

// Whatever is wanted otherwise with a layer than with the one before, the change
// names it; and what it names not, need not be looked at.
func TestChangeNamesAllThatDiffers(t *testing.T) {
	named, quiet := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		m := drawModel(t)
		in, res, vifs := m.resolver()
		type question struct {
			sg      mroute.SG
			arrival int
		}
		type answer struct {
			e  mroute.Entry
			ok bool
		}
		answers := func(res *plan.Resolver) map[question]answer {
			all := make(map[question]answer)
			for _, sg := range modelFlows {
				for _, l := range append([]mroute.Link{{}}, m.links...) {
					e, ok := res.Entry(sg, l.Index, vifs)
					all[question{sg, l.Index}] = answer{e, ok}
				}
				group := mroute.SG{Group: sg.Group}
				e, ok := res.Entry(group, 0, vifs)
				all[question{group, 0}] = answer{e, ok}
			}
			return all
		}
		before := answers(res)
		i := rapid.IntRange(0, len(m.layers)-1).Draw(t, "layer")
		l := mutate(t, m.layers[i])
		ch := in.SetLayer(l)
		if !ch.All {
			named++
			if len(ch.Matches) == 0 {
				quiet++
			}
		}
		after := answers(plan.NewResolver(in, m.links))
		for q, was := range before {
			if after[q] == was {
				continue
			}
			if !ch.All && !slices.ContainsFunc(ch.Matches, func(m mroute.Match) bool { return concerns(m, q.sg) }) {
				t.Fatalf("%v arriving on link %d is not among the changes %v\n%v\nnow\n%v", q.sg, q.arrival, ch.Matches, m, model{layers: []mroute.Layer{l}})
			}
		}
		want := plan.NewIntent()
		for j, other := range m.layers {
			if j == i {
				other = l
			}
			want.SetLayer(other)
		}
		fresh := plan.NewResolver(want, m.links)
		for q, got := range after {
			if e, ok := fresh.Entry(q.sg, q.arrival, vifs); (answer{e, ok}) != got {
				t.Fatalf("%v arriving on link %d: %+v, but %+v, %v of a fresh intent", q.sg, q.arrival, got, e, ok)
			}
		}
	})
	if named == 0 || quiet == 0 {
		t.Errorf("%d changes were told by rule, %d of nothing: want some of each", named, quiet)
	}
}

// concerns reports whether a change to a rule may matter for sg: for templates
// also by way of the group's (*,G) entry.
func concerns(m mroute.Match, sg mroute.SG) bool {
	if m.IsExact() || !sg.Source.IsValid() {
		return m.Group.Contains(sg.Group) && (!m.IsExact() || m.SG() == sg)
	}
	return m.Contains(sg) || m.Group.Contains(sg.Group)
}

// A layer that says the same changes nothing, however it is written; one that
// differs in a route changes that.
func TestChangeOfFewRoutes(t *testing.T) {
	routes := func(n int) (l mroute.Layer) {
		l.Phyints = []mroute.Phyint{{If: "a0"}}
		for i := range n {
			l.Routes = append(l.Routes, mroute.Route{
				From: "a0", To: []mroute.Output{{If: "b0"}},
				Match:  mroute.MatchSG(mroute.SG{Source: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Group: netip.MustParseAddr("225.1.1.1")}),
				Origin: mroute.Origin{Line: i + 1, Seq: i + 1},
			})
		}
		return l
	}
	const n = 1000
	is := func(what string, ch plan.Change, want ...mroute.Match) {
		t.Helper()
		slices.SortFunc(ch.Matches, func(a, b mroute.Match) int { return a.SG().Compare(b.SG()) })
		if got := slices.Compact(ch.Matches); ch.All || ch.Joins || !slices.Equal(got, want) {
			t.Errorf("%s: %+v, want the matches %v", what, ch, want)
		}
	}
	in := plan.NewIntent()
	if ch := in.SetLayer(routes(n)); !ch.All {
		t.Errorf("the first layer: %+v", ch)
	}
	is("the same", in.SetLayer(routes(n)))

	l := routes(n)
	at := l.Routes[500].Match
	l.Routes = slices.Delete(l.Routes, 500, 501)
	is("without one", in.SetLayer(l), at)
	is("with it", in.SetLayer(routes(n)), at)

	l = routes(n)
	l.Routes[3].To, l.Routes[997].From = nil, "a1"
	is("two others", in.SetLayer(l), l.Routes[3].Match, l.Routes[997].Match)

	slices.Reverse(l.Routes)
	is("in another order", in.SetLayer(l))

	l.Joins = []mroute.Join{{If: "a0", Match: at}}
	if ch := in.SetLayer(l); !ch.Joins || ch.All || len(ch.Matches) > 0 {
		t.Errorf("a membership: %+v", ch)
	}
	l.Phyints = []mroute.Phyint{{If: "a0", Threshold: 3}}
	if ch := in.SetLayer(l); !ch.All {
		t.Errorf("a threshold: %+v", ch)
	}
	if ch := in.SetLayer(mroute.Layer{}); !ch.All {
		t.Errorf("none of many: %+v", ch)
	}
}
