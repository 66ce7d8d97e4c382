package plan

import (
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Change is where an intent may want something else than before.
type Change struct {
	All     bool           // everywhere
	Matches []mroute.Match // of the rules that came, went or changed; some perhaps more than once
	Joins   bool           // among the memberships
}

// Of layers with n routes together, no more matches are told one by one than
// alwaysTold + n/told: from there on it is as quick to look at everything.
const (
	alwaysTold = 64
	told       = 8
)

// replace returns the index of a layer that comes after x's, and what it changes.
// Most of a layer is usually as before, and what is costs little: neither its
// flows nor its entries are looked at.
func (x *index) replace(l mroute.Layer) (*index, Change) {
	old := &x.layer
	if len(old.Parts)+len(l.Parts) > 0 {
		return x.replaceParts(l)
	}
	// What a "phyint disable" undoes depends on the order of all lines.
	ordered := disables(old) || disables(&l)
	same := func(a, b *mroute.Route) bool {
		return a.Same(b) && (!ordered || a.Origin.Seq == b.Origin.Seq)
	}
	start := 0
	for start < min(len(old.Routes), len(l.Routes)) && same(&old.Routes[start], &l.Routes[start]) {
		start++
	}
	end := 0 // counted from the ends
	for end < min(len(old.Routes), len(l.Routes))-start &&
		same(&old.Routes[len(old.Routes)-1-end], &l.Routes[len(l.Routes)-1-end]) {
		end++
	}
	before, after := old.Routes[start:len(old.Routes)-end], l.Routes[start:len(l.Routes)-end]
	p := x.places
	if !slices.EqualFunc(before, after, samePlace) {
		p = newPlaces(&l)
	}
	y := indexOf(l, p)
	if old.FirstMatch != l.FirstMatch || !slices.EqualFunc(old.Phyints, l.Phyints, func(a, b mroute.Phyint) bool {
		return samePhyint(a, b, ordered)
	}) {
		return y, Change{All: true}
	}
	ch := Change{Joins: !slices.EqualFunc(old.Joins, l.Joins, func(a, b mroute.Join) bool { return sameJoin(a, b, ordered) })}
	if !slices.EqualFunc(templates(before), templates(after), func(a, b *mroute.Route) bool { return same(a, b) }) {
		for _, rt := range slices.Concat(templates(before), templates(after)) {
			ch.Matches = append(ch.Matches, rt.Match)
		}
	}
	limit := alwaysTold + (len(old.Routes)+len(l.Routes))/told
	for _, rts := range [][]mroute.Route{before, after} {
		for i := range rts {
			if m := rts[i].Match; m.IsExact() && !sameChain(x, y, m, same) {
				ch.Matches = append(ch.Matches, m)
			}
			if len(ch.Matches) > limit {
				return y, Change{All: true}
			}
		}
	}
	return y, ch
}

// samePlace reports whether a and b have the same place in [places], though they
// may say something else.
func samePlace(a, b mroute.Route) bool {
	return a.Match == b.Match && a.Match.IsExact() && a.MaxFlows == b.MaxFlows
}

func disables(l *mroute.Layer) bool {
	return slices.ContainsFunc(l.Phyints, func(p mroute.Phyint) bool { return p.State == mroute.PhyintDisabled })
}

// samePhyint reports whether a and b say the same, with ordered in the same
// place.
func samePhyint(a, b mroute.Phyint, ordered bool) bool {
	if !ordered {
		a.Origin.Seq = b.Origin.Seq
	}
	seq := a.Origin.Seq == b.Origin.Seq
	a.Origin, b.Origin = mroute.Origin{}, mroute.Origin{}
	return seq && a == b
}

// sameJoin reports whether a and b say the same, with ordered in the same place.
func sameJoin(a, b mroute.Join, ordered bool) bool {
	return a.If == b.If && a.Match == b.Match && (!ordered || a.Origin.Seq == b.Origin.Seq)
}

// templates are those among the rules, in order.
func templates(rts []mroute.Route) (ts []*mroute.Route) {
	for i := range rts {
		if !rts[i].Match.IsExact() {
			ts = append(ts, &rts[i])
		}
	}
	return ts
}

// sameChain reports whether the rules with match m are the same in x and y.
func sameChain(x, y *index, m mroute.Match, same func(a, b *mroute.Route) bool) bool {
	i, j := x.first(m), y.first(m)
	for i != none && j != none && same(x.at(i), y.at(j)) {
		i, j = x.next[i], y.next[j]
	}
	return i == none && j == none
}
