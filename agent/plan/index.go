package plan

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// index finds the routes of one layer by what they match.
type index struct {
	layer mroute.Layer
	*places
	uses []use // patterns in order of first mention

	pairOnce sync.Once // for pairs
	pairList []pair
}

// places tell where in a layer which routes are. They hold for each layer whose
// routes say the same, wherever in a file they stand, and for more: see samePlace.
type places struct {
	exact  exact
	head   map[mroute.Match]int32 // masked match of templates -> first of its routes
	next   []int32                // -> next route with that match, ascending, or none
	count  [mroute.IPv6 + 1]int   // of routes of one source and one group, by family
	shapes shapes                 // of templates
	groups groups[int32]

	limited []int32 // routes with a MaxFlows

	parts // of the layer
}

const none int32 = -1

// use is a pattern that a layer names, and where it does so last.
type use struct {
	pattern mroute.IfPattern
	lastSeq int
}

func newIndex(l mroute.Layer) *index { return indexOf(l, newPlaces(&l)) }

func indexOf(l mroute.Layer, p *places) *index {
	x := &index{layer: l, places: p}
	x.uses = usesOfAll(usesOf(l.Phyints, l.Joins, l.Routes), l.Parts, p.parts.at)
	return x
}

func newPlaces(l *mroute.Layer) *places {
	if len(l.Parts) > 0 {
		return newPartedPlaces(l)
	}
	x := &places{
		head: make(map[mroute.Match]int32),
		next: make([]int32, len(l.Routes)),

		limited: limitedRoutes(flat(l.Routes)),
	}
	x.count = x.exact.look(l.Routes)
	if x.exact.sorted && x.exact.to-x.exact.from == len(l.Routes) {
		for i := range x.next {
			x.next[i] = none
		}
		return x
	}
	var table mroute.BySG[int32]
	if !x.exact.sorted {
		for _, f := range mroute.Families {
			table.Grow(f, x.count[f])
		}
		x.exact.table.Store(&table)
	}
	// Backwards, so that each chain ascends without a list of tails.
	for i := len(l.Routes) - 1; i >= 0; i-- {
		m := l.Routes[i].Match
		if m.IsExact() {
			x.next[i] = none
			if x.exact.sorted {
				continue
			}
			sg := m.SG()
			if first, ok := table.Lookup(sg); ok {
				x.next[i] = first
			}
			table.Set(sg, int32(i))
			continue
		}
		m = masked(m)
		x.groups.add(&l.Routes[i], int32(i))
		first, ok := x.head[m]
		if !ok {
			first = none
			x.shapes.add(shapeOf(m))
		}
		x.next[i] = first
		x.head[m] = int32(i)
	}
	return x
}

// first is the first of the routes whose masked match is m, or none.
func (x *index) first(m mroute.Match) int32 {
	if m.IsExact() {
		return x.exact.first(x.layer.Routes, m.SG())
	}
	if i, ok := x.head[m]; ok {
		return i
	}
	return none
}

// usesOf merges phyints, joins and routes, each ascending by Seq, so that VIFs are
// numbered in the order in which a layer names their interfaces.
func usesOf(phyints []mroute.Phyint, joins []mroute.Join, routes []mroute.Route) (uses []use) {
	at := make(map[mroute.IfPattern]int)
	mention := func(p mroute.IfPattern, seq int) {
		i, ok := at[p]
		if !ok {
			i = len(uses)
			at[p] = i
			uses = append(uses, use{pattern: p})
		}
		uses[i].lastSeq = max(uses[i].lastSeq, seq)
	}
	const never = int(^uint(0) >> 1)
	before := func(seq int) {
		for {
			phyint, join := never, never
			if len(phyints) > 0 {
				phyint = phyints[0].Origin.Seq
			}
			if len(joins) > 0 {
				join = joins[0].Origin.Seq
			}
			switch {
			case min(phyint, join) > seq, len(phyints)+len(joins) == 0:
				return
			case phyint <= join:
				if phyints[0].State == mroute.PhyintEnabled {
					mention(phyints[0].If, phyint)
				}
				phyints = phyints[1:]
			default:
				mention(joins[0].If, join)
				joins = joins[1:]
			}
		}
	}
	route := func(r *mroute.Route) {
		mention(r.From, r.Origin.Seq)
		for _, o := range r.To {
			mention(o.If, r.Origin.Seq)
		}
	}
	for i := range routes {
		r := &routes[i]
		before(r.Origin.Seq)
		if i == 0 {
			route(r)
			continue
		}
		// Of routes in a row with the same interfaces the first and the last count.
		if last := &routes[i-1]; !sameWays(last, r) {
			route(last)
			route(r)
		}
	}
	if n := len(routes); n > 0 {
		route(&routes[n-1])
	}
	before(never)
	return uses
}

// sameSlice reports whether a and b are one slice, not only equal.
func sameSlice(a, b []mroute.Output) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// chain calls f for each route whose masked match is m, in order.
func (x *index) chain(m mroute.Match, f func(i int32, r *mroute.Route) bool) {
	x.chainFrom(x.first(m), f)
}

func (x *index) chainFrom(first int32, f func(i int32, r *mroute.Route) bool) {
	for i := first; i != none; i = x.next[i] {
		if !f(i, x.at(i)) {
			return
		}
	}
}

// shape is the pair of prefix lengths of a match. A table has few of them, so
// that looking a flow up is a few map accesses however many templates there are.
type shape struct {
	family mroute.Family
	group  uint8
	source int16 // -1: for any
}

func (s shape) anySource() bool { return s.source < 0 }

func shapeOf(m mroute.Match) shape {
	s := shape{family: m.Family(), group: uint8(m.Group.Bits()), source: -1}
	if m.Source.IsValid() {
		s.source = int16(m.Source.Bits())
	}
	return s
}

// of returns the masked match of that shape which contains sg.
func (s shape) of(sg mroute.SG) mroute.Match {
	m := mroute.Match{Group: mask(sg.Group, s.group)}
	if !s.anySource() {
		m.Source = mask(sg.Source, uint8(s.source))
	}
	return m
}

func mask(a netip.Addr, bits uint8) netip.Prefix {
	return netip.PrefixFrom(a, int(bits)).Masked()
}

func masked(m mroute.Match) mroute.Match {
	m.Group = m.Group.Masked()
	if m.Source.IsValid() {
		m.Source = m.Source.Masked()
	}
	return m
}

// shapes counts the templates of each shape. They are in order, so that the same rules
// give the same answers however they came to be.
type shapes []shapeCount

type shapeCount struct {
	shape
	n int
}

// compare has the longest prefixes come first.
func (s shape) compare(o shape) int {
	return cmp.Or(cmp.Compare(s.family, o.family), cmp.Compare(o.group, s.group), cmp.Compare(o.source, s.source))
}

func (s *shapes) add(sh shape) {
	i, found := slices.BinarySearchFunc(*s, sh, func(have shapeCount, sh shape) int { return have.compare(sh) })
	if found {
		(*s)[i].n++
		return
	}
	*s = slices.Insert(*s, i, shapeCount{sh, 1})
}

func (s *shapes) remove(sh shape) {
	for i := range *s {
		if (*s)[i].shape == sh {
			if (*s)[i].n--; (*s)[i].n == 0 {
				*s = append((*s)[:i], (*s)[i+1:]...)
			}
			return
		}
	}
}

// PrefixSize is the number of addresses under p, or limit+1 if it exceeds limit,
// which is below 2^64-1.
func PrefixSize(p netip.Prefix, limit uint64) uint64 {
	host := p.Addr().BitLen() - p.Bits()
	if host >= 64 || 1<<host > limit {
		return limit + 1
	}
	return 1 << host
}
