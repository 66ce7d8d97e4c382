package plan

import (
	"cmp"
	"iter"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Limit has the resolver take packets in on those links only: rules hold on no
// others, and no others want VIFs but as outputs.
func (r *Resolver) Limit(in mroute.Inbound) {
	r.inbound, r.takes = in, nil
	if !in.Limits() {
		return
	}
	r.takes = make([]bool, len(r.links))
	for i := range r.links {
		r.takes[i] = in.Takes(r.links[i].Name)
	}
}

// Inbound is what Limit was called with last.
func (r *Resolver) Inbound() mroute.Inbound { return r.inbound }

// Takes reports whether packets are taken in on the link.
func (r *Resolver) Takes(ifindex int) bool {
	pos, ok := r.at[ifindex]
	return ok && r.takesAt(pos)
}

func (r *Resolver) takesAt(pos int) bool { return r.takes == nil || r.takes[pos] }

// partial reports whether what is not about packets is another's business.
func (r *Resolver) partial() bool { return r.inbound.Only != nil }

// takesFrom reports whether packets are taken in on a link that p names.
func (r *Resolver) takesFrom(p mroute.IfPattern) bool {
	return r.takes == nil || slices.ContainsFunc(r.match(p), r.takesAt)
}

// Demand tells what VIFs are wanted for, were there no limit.
func (r *Resolver) Demand() mroute.Demand {
	d := mroute.Demand{Wanted: len(r.wantAll())}
	if d.Wanted <= mroute.MaxVIFs {
		return d
	}
	order, reach := r.reach()
	for _, pos := range order {
		n := mroute.Need{Link: r.links[pos].Name, Index: r.links[pos].Index}
		for out, is := range reach[pos] {
			if is {
				n.With = append(n.With, r.links[out].Index)
			}
		}
		d.Needs = append(d.Needs, n)
	}
	return d
}

// Arrivals are the links on which rules want packets, in order of first mention.
func (r *Resolver) Arrivals() []mroute.Link {
	order, _ := r.reach()
	links := make([]mroute.Link, len(order))
	for i, pos := range order {
		links[i] = r.links[pos]
	}
	return links
}

// wantLimited is WantVIFs with a limit: the inbound links come first, then where
// their packets go. Whoever has the rest of the links, too, gives VIFs to those
// of which only memberships or phyint lines speak as far as there is room.
func (r *Resolver) wantLimited() []mroute.Link {
	order, reach := r.reach()
	var want []mroute.Link
	seen := make([]bool, len(r.links))
	take := func(pos int) {
		if !seen[pos] {
			seen[pos] = true
			want = append(want, r.links[pos])
		}
	}
	for _, pos := range order {
		if r.takesAt(pos) {
			take(pos)
		}
	}
	named := make([]bool, len(r.links)) // by rules, here or elsewhere
	for _, pos := range order {
		for out, is := range reach[pos] {
			named[out] = named[out] || is
			if is && r.takesAt(pos) {
				take(out)
			}
		}
	}
	if r.partial() {
		return want
	}
	for _, l := range r.wantAll() {
		if pos := r.at[l.Index]; !named[pos] && len(want) < mroute.MaxVIFs {
			take(pos)
		}
	}
	return want
}

// reach tells, by position, which links packets need that arrive on a link: its
// own and those of all outputs. order are the inbound links.
func (r *Resolver) reach() (order []int, reach map[int][]bool) {
	reach = make(map[int][]bool)
	note := func(p pair, counts func(pos, seq int) bool) {
		for _, in := range r.match(p.from) {
			if !counts(in, p.seq) {
				continue
			}
			need := reach[in]
			if need == nil {
				need = make([]bool, len(r.links))
				need[in] = true
				reach[in] = need
				order = append(order, in)
			}
			for _, u := range p.to {
				for _, out := range r.match(u.pattern) {
					need[out] = need[out] || counts(out, u.lastSeq)
				}
			}
		}
	}
	for li, x := range r.in.layers {
		for _, p := range x.pairs() {
			note(p, func(pos, seq int) bool { return r.counts(li, pos, seq) })
		}
	}
	for _, p := range r.in.edits.pairsInOrder() {
		note(p, func(int, int) bool { return true })
	}
	return order, reach
}

// pair is a pattern of inbound links, and where its packets go.
type pair struct {
	from mroute.IfPattern
	seq  int // where it is said last
	to   []use
}

// pairs are those of a layer, in order of first mention.
func (x *index) pairs() []pair {
	x.pairOnce.Do(func() {
		type key struct{ from, to mroute.IfPattern }
		froms, tos := make(map[mroute.IfPattern]int), make(map[key]int)
		for rt := range ends(x.layer.AllRoutes()) {
			at, ok := froms[rt.From]
			if !ok {
				at = len(x.pairList)
				froms[rt.From] = at
				x.pairList = append(x.pairList, pair{from: rt.From})
			}
			p := &x.pairList[at]
			p.seq = rt.Origin.Seq
			for _, o := range rt.To {
				k := key{rt.From, o.If}
				n, ok := tos[k]
				if !ok {
					n = len(p.to)
					tos[k] = n
					p.to = append(p.to, use{pattern: o.If})
				}
				p.to[n].lastSeq = rt.Origin.Seq
			}
		}
	})
	return x.pairList
}

// ends goes over the rules that count for where packets go: of those in a row with the same
// interfaces the first and the last.
func ends(all iter.Seq[*mroute.Route]) iter.Seq[*mroute.Route] {
	return func(yield func(*mroute.Route) bool) {
		var last *mroute.Route
		passed := true // last was given on
		for rt := range all {
			same := last != nil && sameWays(last, rt)
			if !same && (!passed && !yield(last) || !yield(rt)) {
				return
			}
			last, passed = rt, !same
		}
		if !passed {
			yield(last)
		}
	}
}

func sameWays(a, b *mroute.Route) bool { return a.From == b.From && sameSlice(a.To, b.To) }

// way is from where to where a rule of a client leads. A rule without outputs
// leads nowhere.
type way struct{ from, to mroute.IfPattern }

// pairsInOrder are the pairs of what clients added.
func (e *edits) pairsInOrder() []pair {
	ways := make([]way, 0, len(e.ways))
	for w := range e.ways {
		ways = append(ways, w)
	}
	slices.SortFunc(ways, func(a, b way) int {
		return cmp.Or(cmp.Compare(e.ways[a].firstSeq, e.ways[b].firstSeq), cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to))
	})
	pairs := make([]pair, 0, len(ways))
	for _, w := range ways {
		p := pair{from: w.from}
		if w.to != "" {
			p.to = []use{{pattern: w.to}}
		}
		pairs = append(pairs, p)
	}
	return pairs
}

// Clone returns an intent that goes its own way from now on. Layers are shared: from now on
// nothing changes these.
func (in *Intent) Clone() *Intent {
	for _, x := range in.layers {
		x.shared.Store(true)
	}
	return &Intent{layers: slices.Clone(in.layers), edits: in.edits.clone()}
}

func (e *edits) clone() *edits {
	c := newEdits()
	c.seq, c.shapes = e.seq, slices.Clone(e.shapes)
	for m, cs := range e.routes {
		copies := make(changes, len(cs))
		for i, ed := range cs {
			copied := *ed
			copied.route.To, copied.to = slices.Clone(ed.route.To), slices.Clone(ed.to)
			copied.without = slices.Clone(ed.without)
			copies[i] = &copied
			if ed.added > 0 {
				c.groups.add(&copied.route, &copied)
			}
		}
		c.routes[m] = copies
	}
	for k, ed := range e.joins {
		copied := *ed
		c.joins[k] = &copied
	}
	for p, u := range e.uses {
		copied := *u
		c.uses[p] = &copied
	}
	for w, u := range e.ways {
		copied := *u
		c.ways[w] = &copied
	}
	return c
}
