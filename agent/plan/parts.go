package plan

import (
	"cmp"
	"iter"
	"slices"
	"sync/atomic"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// blockSize is how many routes of one part have numbers in a row.
const blockSize = 64

// parts give routes of parts their numbers, behind those of the layer's own: a part has
// whole blocks of them, so that others keep theirs when it comes or goes.
type parts struct {
	base   int32                    // number of blocks[0][0]
	blocks [][]mroute.Route         // nil: free
	free   []int32                  // of blocks
	at     map[*mroute.Part]*placed // those of the layer
	size   int                      // routes of all parts

	// shared is set when others have a say in what is in the places: then they stay as they are.
	shared atomic.Bool
}

// placed is where a part is, and what it names.
type placed struct {
	blocks []int32
	uses   []use
}

// number is that of the i-th route.
func (ps *parts) number(pl *placed, i int) int32 {
	return ps.base + pl.blocks[i/blockSize]*blockSize + int32(i%blockSize)
}

// at is the route of that number.
func (x *index) at(i int32) *mroute.Route {
	if int(i) < len(x.layer.Routes) {
		return &x.layer.Routes[i]
	}
	i -= x.base
	return &x.blocks[i/blockSize][i%blockSize]
}

// all goes over all routes in order, with their numbers.
func (x *index) all() iter.Seq2[int32, *mroute.Route] {
	return func(yield func(int32, *mroute.Route) bool) {
		for i, rt := range flat(x.layer.Routes) {
			if !yield(i, rt) {
				return
			}
		}
		for _, p := range x.layer.Parts {
			pl := x.parts.at[p]
			for i := range p.Routes {
				if !yield(x.number(pl, i), &p.Routes[i]) {
					return
				}
			}
		}
	}
}

// flat goes over routes that have no part.
func flat(routes []mroute.Route) iter.Seq2[int32, *mroute.Route] {
	return func(yield func(int32, *mroute.Route) bool) {
		for i := range routes {
			if !yield(int32(i), &routes[i]) {
				return
			}
		}
	}
}

// newPartedPlaces is newPlaces for a layer with parts.
func newPartedPlaces(l *mroute.Layer) *places {
	ps := &places{head: make(map[mroute.Match]int32)}
	ps.base, ps.parts.at = int32(len(l.Routes)), make(map[*mroute.Part]*placed, len(l.Parts))
	ps.next = make([]int32, len(l.Routes))
	for _, p := range l.Parts {
		ps.place(p)
	}
	x := &index{layer: *l, places: ps}
	exact := ps.count // none: those that are linked are counted
	for _, rt := range x.all() {
		if rt.Match.IsExact() {
			exact[rt.Match.Family()]++
		}
	}
	table := &mroute.BySG[int32]{}
	for _, f := range mroute.Families {
		table.Grow(f, exact[f])
	}
	ps.exact.table.Store(table)
	// Backwards, so that each is the first of its chain.
	for _, p := range slices.Backward(l.Parts) {
		x.link(p)
	}
	for i := range slices.Backward(l.Routes) {
		x.linkRoute(int32(i), &l.Routes[i])
	}
	ps.limited = limitedRoutes(x.all())
	return ps
}

// place gives the routes of a part numbers.
func (ps *places) place(p *mroute.Part) {
	pl := &placed{uses: usesOf(nil, p.Joins, p.Routes)}
	for block := range slices.Chunk(p.Routes, blockSize) {
		n := len(ps.free) - 1
		if n < 0 {
			ps.free, n = append(ps.free, int32(len(ps.blocks))), 0
			ps.blocks = append(ps.blocks, nil)
			ps.next = append(ps.next, make([]int32, blockSize)...)
		}
		pl.blocks = append(pl.blocks, ps.free[n])
		ps.blocks[ps.free[n]] = block
		ps.free = ps.free[:n]
	}
	ps.parts.at[p] = pl
	ps.size += len(p.Routes)
}

// link makes the routes of a part, which has numbers, be found.
func (x *index) link(p *mroute.Part) {
	pl := x.parts.at[p]
	for i := range slices.Backward(p.Routes) {
		x.linkRoute(x.number(pl, i), &p.Routes[i])
	}
}

// linkRoute puts a route among those of its match, in order.
func (x *index) linkRoute(i int32, rt *mroute.Route) {
	m := rt.Match
	exact := m.IsExact()
	if exact {
		x.count[m.Family()]++
	} else {
		m = masked(m)
		x.groups.insert(rt, i, func(list []int32) int { // the last comes first, as in newPlaces
			at, _ := slices.BinarySearchFunc(list, i, func(a, b int32) int { return x.compare(b, a) })
			return at
		})
	}
	first := x.first(m)
	if first == none && !exact {
		x.shapes.add(shapeOf(m))
	}
	if first == none || x.compare(i, first) < 0 {
		x.next[i] = first
		x.setFirst(m, i)
		return
	}
	before := first
	for x.next[before] != none && x.compare(x.next[before], i) < 0 {
		before = x.next[before]
	}
	x.next[i], x.next[before] = x.next[before], i
}

// unlinkRoute undoes linkRoute.
func (x *index) unlinkRoute(i int32, rt *mroute.Route) {
	m := rt.Match
	exact := m.IsExact()
	if exact {
		x.count[m.Family()]--
	} else {
		m = masked(m)
		x.groups.remove(rt, i)
	}
	first := x.first(m)
	if first != i {
		for x.next[first] != i {
			first = x.next[first]
		}
		x.next[first] = x.next[i]
		return
	}
	x.setFirst(m, x.next[i])
	if x.next[i] == none && !exact {
		x.shapes.remove(shapeOf(m))
	}
}

// setFirst says which is the first of the routes with masked match m, or that there is none.
func (x *index) setFirst(m mroute.Match, i int32) {
	switch exact := m.IsExact(); {
	case exact && i == none:
		x.exact.table.Load().Delete(m.SG())
	case exact:
		x.exact.table.Load().Set(m.SG(), i)
	case i == none:
		delete(x.head, m)
	default:
		x.head[m] = i
	}
}

// compare compares routes by their order.
func (x *index) compare(i, j int32) int {
	return cmp.Compare(x.at(i).Origin.Seq, x.at(j).Origin.Seq)
}

// add takes in a part of the layer that was not there before.
func (x *index) add(p *mroute.Part) {
	x.place(p)
	x.link(p)
	for i, pl := 0, x.parts.at[p]; i < len(p.Routes); i++ {
		if p.Routes[i].MaxFlows > 0 {
			n := x.number(pl, i)
			at, _ := slices.BinarySearchFunc(x.limited, n, x.compare)
			x.limited = slices.Insert(x.limited, at, n)
		}
	}
}

// drop takes the routes of a part away.
func (x *index) drop(p *mroute.Part) {
	pl := x.parts.at[p]
	x.limited = slices.DeleteFunc(x.limited, func(i int32) bool {
		return slices.Contains(pl.blocks, (i-x.base)/blockSize)
	})
	for i := range p.Routes {
		x.unlinkRoute(x.number(pl, i), &p.Routes[i])
	}
	for _, b := range pl.blocks {
		x.blocks[b] = nil
	}
	x.free = append(x.free, pl.blocks...)
	delete(x.parts.at, p)
	x.size -= len(p.Routes)
}

// replaceParts is replace for layers with parts. Where parts alone come and go it costs
// as much as these have, and x must not be used any more.
func (x *index) replaceParts(l mroute.Layer) (*index, Change) {
	old := &x.layer
	if old.FirstMatch || l.FirstMatch || len(old.Phyints)+len(l.Phyints)+len(old.Routes)+len(l.Routes)+len(old.Joins)+len(l.Joins) > 0 || len(old.Parts)*len(l.Parts) == 0 {
		return newIndex(l), Change{All: true}
	}
	come, gone := l.Since(old)
	most := alwaysTold + 2*x.size/told
	ch := differences(gone, come, most)
	if ch.All || x.shared.Load() || size(gone)+size(come) > most {
		return newIndex(l), ch
	}
	y := &index{layer: l, places: x.places, uses: x.uses}
	var before, after [][]use // part by part: others may stand between
	for _, p := range gone {
		before = append(before, x.parts.at[p].uses)
		x.drop(p)
	}
	for _, p := range come {
		y.add(p)
		after = append(after, y.parts.at[p].uses)
	}
	inPlace := slices.EqualFunc(gone, come, func(a, b *mroute.Part) bool { return a.First() == b.First() })
	if !inPlace || !slices.EqualFunc(before, after, samePatterns) {
		y.uses = usesOfAll(nil, y.layer.Parts, y.parts.at)
	}
	return y, ch
}

// differences is what it changes that some parts have gone and others come, each in
// order. Beyond so many matches it is everything.
func differences(gone, come []*mroute.Part, most int) (ch Change) {
	for len(gone)+len(come) > 0 {
		var before, after mroute.Part
		// One that stands where another was is as a rule the same object, little changed.
		order := 0
		switch {
		case len(gone) == 0:
			order = 1
		case len(come) == 0:
			order = -1
		default:
			order = cmp.Compare(gone[0].First(), come[0].First())
		}
		if order <= 0 {
			before, gone = *gone[0], gone[1:]
		}
		if order >= 0 {
			after, come = *come[0], come[1:]
		}
		ch.Joins = ch.Joins || !slices.EqualFunc(before.Joins, after.Joins, func(a, b mroute.Join) bool { return sameJoin(a, b, true) })
		ch.Matches = appendDifferent(ch.Matches, before.Routes, after.Routes)
		if len(ch.Matches) > most {
			return Change{All: true}
		}
	}
	return ch
}

// appendDifferent appends the matches of routes that are in one list alone.
func appendDifferent(ms []mroute.Match, before, after []mroute.Route) []mroute.Match {
	for len(before)+len(after) > 0 {
		switch {
		case len(before) == 0 || len(after) > 0 && after[0].Origin.Seq < before[0].Origin.Seq:
			ms, after = append(ms, after[0].Match), after[1:]
		case len(after) == 0 || before[0].Origin.Seq < after[0].Origin.Seq:
			ms, before = append(ms, before[0].Match), before[1:]
		default:
			a, b := &before[0], &after[0]
			// A limit is of an object's rule.
			if !a.Same(b) || a.Origin.Ref != b.Origin.Ref {
				ms = append(ms, a.Match)
				if b.Match != a.Match {
					ms = append(ms, b.Match)
				}
			}
			before, after = before[1:], after[1:]
		}
	}
	return ms
}

// size is how many routes parts have.
func size(ps []*mroute.Part) (n int) {
	for _, p := range ps {
		n += len(p.Routes)
	}
	return n
}

// samePatterns reports whether a and b name the same, in the same order.
func samePatterns(a, b []use) bool {
	return slices.EqualFunc(a, b, func(a, b use) bool { return a.pattern == b.pattern })
}

// usesOfAll are those of a layer, some of them and behind these those of its parts.
func usesOfAll(uses []use, ps []*mroute.Part, at map[*mroute.Part]*placed) []use {
	known := make(map[mroute.IfPattern]int, len(uses))
	for i, u := range uses {
		known[u.pattern] = i
	}
	for _, p := range ps {
		for _, u := range at[p].uses {
			i, ok := known[u.pattern]
			if !ok {
				i = len(uses)
				known[u.pattern] = i
				uses = append(uses, use{pattern: u.pattern})
			}
			uses[i].lastSeq = u.lastSeq
		}
	}
	return uses
}
