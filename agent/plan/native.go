package plan

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// The kernel forwards packets of any source to a group by itself if it holds a
// (*,G) entry that has its input among its outputs. One entry for each group is
// all there is, with one input, and what arrives at its outputs is not asked
// about. So a group is forwarded natively if that entry says of every source
// what the rules do:
//
//   - rules that ask for it decide on one link, and on no other;
//   - what decides there makes no difference between sources;
//   - nothing forwards packets to the group that arrive at its outputs;
//   - its input is none of its outputs.
//
// Otherwise its sources are learned. Exact rules do not matter, since their
// (S,G) entries go before it.

// asksForNative reports whether rt is for any source of one group, and rather
// not learned.
func asksForNative(rt *mroute.Route) bool {
	return rt.AnySource != mroute.LearnSources && isPlain(rt)
}

// isPlain reports whether rt is for any source of one group.
func isPlain(rt *mroute.Route) bool {
	return !rt.Match.Source.IsValid() && rt.Match.Group.IsSingleIP() && len(rt.Except) == 0
}

// isPartial reports whether rt is a template that makes a difference between
// sources.
func isPartial(rt *mroute.Route) bool {
	return !rt.Match.IsExact() && (rt.Match.Source.IsValid() || len(rt.Except) > 0)
}

// groups are the rules of a layer, or of clients, that matter for native
// forwarding. T tells which rule it is.
type groups[T comparable] struct {
	native  map[netip.Addr][]T   // those that ask for it, by group
	partial map[netip.Prefix][]T // by masked group
}

func (g *groups[T]) add(rt *mroute.Route, which T) {
	g.insert(rt, which, func(list []T) int { return len(list) })
}

// insert is add at that place in the lists.
func (g *groups[T]) insert(rt *mroute.Route, which T, place func([]T) int) {
	if asksForNative(rt) {
		if g.native == nil {
			g.native = make(map[netip.Addr][]T)
		}
		list := g.native[rt.Match.Group.Addr()]
		g.native[rt.Match.Group.Addr()] = slices.Insert(list, place(list), which)
	}
	if isPartial(rt) {
		if g.partial == nil {
			g.partial = make(map[netip.Prefix][]T)
		}
		group := rt.Match.Group.Masked()
		g.partial[group] = slices.Insert(g.partial[group], place(g.partial[group]), which)
	}
}

func (g *groups[T]) remove(rt *mroute.Route, which T) {
	is := func(t T) bool { return t == which }
	group := rt.Match.Group
	if rest := slices.DeleteFunc(g.native[group.Addr()], is); len(rest) > 0 {
		g.native[group.Addr()] = rest
	} else {
		delete(g.native, group.Addr())
	}
	if rest := slices.DeleteFunc(g.partial[group.Masked()], is); len(rest) > 0 {
		g.partial[group.Masked()] = rest
	} else {
		delete(g.partial, group.Masked())
	}
}

// NativeGroups calls f for every group under prefix that a rule asks to be
// forwarded natively, in no order; for some perhaps more than once.
func (in *Intent) NativeGroups(prefix netip.Prefix, f func(mroute.SG)) {
	if prefix.IsSingleIP() {
		if in.AsksForNative(prefix.Addr()) {
			f(mroute.SG{Group: prefix.Addr()})
		}
		return
	}
	call := func(group netip.Addr) {
		if prefix.Contains(group) {
			f(mroute.SG{Group: group})
		}
	}
	for _, x := range in.layers {
		for group := range x.groups.native {
			call(group)
		}
	}
	for group := range in.edits.groups.native {
		call(group)
	}
}

// AsksForNative reports whether a rule asks for native forwarding of the group.
func (in *Intent) AsksForNative(group netip.Addr) bool {
	for _, x := range in.layers {
		if len(x.groups.native[group]) > 0 {
			return true
		}
	}
	return len(in.edits.groups.native[group]) > 0
}

// native is how the kernel can forward a group by itself.
type native struct {
	pos      int // of the input
	oifs     mroute.OIFs
	obstacle string // why it can't though rules ask for it; "": nobody asks, or ok
	ok       bool
}

// native works out whether and how the group is forwarded natively.
func (r *Resolver) native(group netip.Addr, v *VIFs) native {
	if !r.in.AsksForNative(group) {
		return native{}
	}
	var ins []int
	for _, pos := range r.nativeInputs(group) {
		if _, ok := v.Of(r.links[pos].Index); ok {
			ins = append(ins, pos)
		}
	}
	var n native
	inputs := 0
	for _, pos := range ins {
		d := r.decide(group, pos, &union{vifs: v})
		if !d.native() {
			continue
		}
		if inputs++; inputs > 1 {
			return native{obstacle: fmt.Sprintf("learns its sources: packets arrive on %s and on %s, and the kernel's (*, %v) entry has one inbound interface",
				r.links[n.pos].Name, r.links[pos].Name, group)}
		}
		n = native{pos: pos, oifs: d.union.oifs, ok: true}
		if len(d.partial) > 0 {
			n.obstacle = fmt.Sprintf("learns its sources: not all are treated alike, because of %v at %v", d.partial[0].Match, d.partial[0].Origin)
		}
	}
	if n.ok && n.obstacle == "" {
		n.obstacle = r.nativeObstacle(group, &n, v)
	}
	n.ok = n.ok && n.obstacle == ""
	return n
}

// nativeObstacle says what else keeps the kernel from forwarding natively.
func (r *Resolver) nativeObstacle(group netip.Addr, n *native, v *VIFs) string {
	in, _ := v.Of(r.links[n.pos].Index)
	if n.oifs[in] != 0 {
		return fmt.Sprintf("learns its sources: the kernel's (*, %v) entry does not send back out of %s", group, r.links[n.pos].Name)
	}
	for vif, th := range n.oifs {
		if th == 0 {
			continue
		}
		pos := r.at[v.Link(mroute.VIF(vif))]
		if rt := r.forwardsFrom(group, pos); rt != nil {
			return fmt.Sprintf("learns its sources: packets that arrive on %s are forwarded as well, by %v at %v, and the kernel would not ask about them",
				r.links[pos].Name, rt.Match, rt.Origin)
		}
	}
	return ""
}

// nativeInputs are the links from which rules ask for native forwarding of the
// group, each once.
func (r *Resolver) nativeInputs(group netip.Addr) []int {
	var ins []int
	add := func(pos int) {
		if !slices.Contains(ins, pos) {
			ins = append(ins, pos)
		}
	}
	for li, x := range r.in.layers {
		for _, i := range x.groups.native[group] {
			rt := x.at(i)
			for _, pos := range r.match(rt.From) {
				if _, ok := r.applies(li, rt, pos); ok {
					add(pos)
				}
			}
		}
	}
	for _, c := range r.in.edits.groups.native[group] {
		for _, pos := range r.match(c.route.From) {
			if r.appliesEdit(r.in.edits.routes[masked(c.route.Match)], c, pos) {
				add(pos)
			}
		}
	}
	slices.Sort(ins)
	return ins
}

// decision is what the templates say of all sources of a group that arrive on a
// link.
type decision struct {
	union   *union
	partial []*mroute.Route // those that say something of some sources only
	asks    [3]bool         // by AnySource: what the plain rules ask for
}

// native reports whether the sources are not to be learned: NativeSources is
// stronger than LearnSources, and that than PreferNative.
func (d *decision) native() bool {
	return d.asks[mroute.NativeSources] || d.asks[mroute.PreferNative] && !d.asks[mroute.LearnSources]
}

// decide adds the templates that decide about the group on the link to u.
func (r *Resolver) decide(group netip.Addr, pos int, u *union) decision {
	d := decision{union: u}
	for li := range r.in.layers {
		r.decideLayer(li, group, pos, &d)
	}
	ed := r.in.edits
	for _, sh := range ed.shapes {
		m, ok := sh.ofGroup(group)
		if !ok {
			continue
		}
		cs := ed.routes[m]
		for _, c := range cs {
			if r.appliesEdit(cs, c, pos) && c.route.Scopes.Allows(group) {
				r.take(&d, claim{client, &c.route, c.to, cs}, pos)
			}
		}
	}
	for c := range partials(&ed.groups, ed.shapes, group) {
		if r.appliesEdit(ed.routes[masked(c.route.Match)], c, pos) && c.route.Scopes.Allows(group) {
			d.partial = append(d.partial, &c.route)
		}
	}
	return d
}

func (r *Resolver) decideLayer(li int, group netip.Addr, pos int, d *decision) {
	x := r.in.layers[li]
	each := func(m mroute.Match, f func(i int32, rt *mroute.Route, cs changes) bool) {
		x.chain(m, func(i int32, rt *mroute.Route) bool {
			cs, ok := r.coversGroup(li, rt, group, pos)
			return !ok || f(i, rt, cs)
		})
	}
	take := func(_ int32, rt *mroute.Route, cs changes) bool {
		r.take(d, claim{li, rt, nil, cs}, pos)
		return true
	}
	first := none // that leaves no source to those after it
	for _, sh := range x.shapes {
		m, ok := sh.ofGroup(group)
		switch {
		case !ok:
		case !x.layer.FirstMatch:
			each(m, take)
		default:
			each(m, func(i int32, rt *mroute.Route, _ changes) bool {
				if len(rt.Except) > 0 {
					return true
				}
				if first == none || i < first {
					first = i
				}
				return false
			})
		}
	}
	if first != none {
		each(masked(x.at(first).Match), take)
	}
	for i := range partials(&x.groups, x.shapes, group) {
		rt := x.at(i)
		_, ok := r.coversGroup(li, rt, group, pos)
		switch {
		case !ok:
		case !x.layer.FirstMatch:
			d.partial = append(d.partial, rt)
		case first == none || i < first:
			// Where it decides all that share its match do, wherever they stand.
			var all []*mroute.Route
			before := none
			each(masked(rt.Match), func(j int32, rt *mroute.Route, _ changes) bool {
				if before == none {
					before = j
				}
				all = append(all, rt)
				return before == i
			})
			if before == i {
				d.partial = append(d.partial, all...)
			}
		}
	}
}

// take adds a rule for any source to a decision.
func (r *Resolver) take(d *decision, c claim, pos int) {
	if len(c.route.Except) > 0 {
		d.partial = append(d.partial, c.route)
		return
	}
	if isPlain(c.route) {
		d.asks[c.route.AnySource] = true
	}
	d.union.add(r, c, pos)
}

// partials goes over the rules that say something of some sources of a group.
func partials[T comparable](g *groups[T], shs shapes, group netip.Addr) func(yield func(T) bool) {
	return func(yield func(T) bool) {
		var done [129]bool // by length of the group's prefix
		for _, sh := range shs {
			if len(g.partial) == 0 || sh.family != mroute.FamilyOf(group) || done[sh.group] {
				continue
			}
			done[sh.group] = true
			for _, which := range g.partial[mask(group, sh.group)] {
				if !yield(which) {
					return
				}
			}
		}
	}
}

// ofGroup returns the masked match of that shape which holds for any source of
// the group, if the shape is one for any source.
func (s shape) ofGroup(group netip.Addr) (mroute.Match, bool) {
	if !s.anySource() || s.family != mroute.FamilyOf(group) {
		return mroute.Match{}, false
	}
	return mroute.Match{Group: mask(group, s.group)}, true
}

// coversGroup is covers for some source of a group.
func (r *Resolver) coversGroup(li int, rt *mroute.Route, group netip.Addr, pos int) (changes, bool) {
	cs, ok := r.applies(li, rt, pos)
	return cs, ok && r.effectiveScopes(rt, cs, pos).Allows(group)
}

// forwardsFrom returns a template that forwards packets of some source to the
// group which arrive on the link, or nil.
func (r *Resolver) forwardsFrom(group netip.Addr, pos int) *mroute.Route {
	u := union{}
	d := r.decide(group, pos, &u)
	for _, rt := range slices.Concat(u.rules, d.partial) {
		if len(rt.To) > 0 {
			return rt
		}
	}
	return nil
}

// withoutSource is Entry for a zero source. The packets that arrive are those
// without a source, which the kernel takes for the same entry.
func (r *Resolver) withoutSource(group netip.Addr, arrival int, v *VIFs) (mroute.Entry, bool) {
	if e, ok := r.anySource(group, v); ok {
		return e, true
	}
	if vif, ok := v.Of(arrival); ok && r.Takes(arrival) {
		return mroute.Entry{IIF: vif, Kind: mroute.StopFilter}, true
	}
	return mroute.Entry{}, false
}

// anySource is the (*,G) entry of a group that is forwarded natively.
func (r *Resolver) anySource(group netip.Addr, v *VIFs) (mroute.Entry, bool) {
	n := r.native(group, v)
	if !n.ok {
		return mroute.Entry{}, false
	}
	vif, _ := v.Of(r.links[n.pos].Index)
	n.oifs[vif] = 1
	return mroute.Entry{IIF: vif, OIFs: n.oifs, Kind: mroute.Static}, true
}

// OfSource is how a (*,G) entry treats the packets of one source.
func OfSource(e mroute.Entry) mroute.Entry {
	e.OIFs[e.IIF], e.Kind = 0, mroute.Learned
	return e
}

// notNative says why a rule learns sources that should not.
func (r *Resolver) notNative(rt *mroute.Route, v *VIFs) Problem {
	if rt.AnySource != mroute.NativeSources || !isPlain(rt) {
		return Problem{}
	}
	why := r.native(rt.Match.Group.Addr(), v).obstacle
	if why == "" {
		return Problem{}
	}
	return Problem{mroute.CauseNotSupported, why}
}
