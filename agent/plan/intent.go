package plan

import (
	"cmp"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Intent is all that is wanted: the layers, and what clients changed on top.
type Intent struct {
	layers []*index // by name
	edits  *edits

	came struct{ layer, route int } // where NextExact came last
}

// NewIntent returns an intent that wants nothing.
func NewIntent() *Intent { return &Intent{edits: newEdits()} }

// SetLayer replaces the layer of that name, and tells what that changes. What
// clients changed stays on top: see [Intent.DropEdits].
func (in *Intent) SetLayer(l mroute.Layer) Change {
	i, found := slices.BinarySearchFunc(in.layers, l.Name, func(have *index, name string) int {
		return cmp.Compare(have.layer.Name, name)
	})
	if !found {
		in.layers = slices.Insert(in.layers, i, newIndex(l))
		return Change{All: true}
	}
	x, ch := in.layers[i].replace(l)
	in.layers[i] = x
	return ch
}

// DropEdits forgets what clients changed, and reports whether there was
// something.
func (in *Intent) DropEdits() bool {
	some := !in.edits.empty()
	in.edits = newEdits()
	return some
}

// Routes is the number of routes in all layers.
func (in *Intent) Routes() int {
	n := len(in.edits.routes)
	for _, x := range in.layers {
		n += len(x.layer.Routes) + x.size
	}
	return n
}

// ExactRoutes is the number of routes of one source and one group of a family in
// the layers.
func (in *Intent) ExactRoutes(f mroute.Family) int {
	n := 0
	for _, x := range in.layers {
		n += x.count[f]
	}
	return n
}

// Names reports whether anything is said of a link of that name: by a rule, a
// membership or a phyint line. A pin to another index counts.
func (in *Intent) Names(l *mroute.Link) bool {
	of := func(p mroute.IfPattern) bool { return names(p, l) || p.Name() == l.Name }
	for p := range in.edits.uses {
		if of(p) {
			return true
		}
	}
	return slices.ContainsFunc(in.layers, func(x *index) bool {
		return slices.ContainsFunc(x.uses, func(u use) bool { return of(u.pattern) })
	})
}

// chain is [index.chain] of a layer. Where NextExact came last it is quick.
func (in *Intent) chain(layer int, m mroute.Match, f func(i int32, r *mroute.Route) bool) {
	x := in.layers[layer]
	if i := in.came.route; x.exact.sorted && in.came.layer == layer && i < len(x.layer.Routes) && m.IsExact() && x.layer.Routes[i].Match == m {
		x.chainFrom(int32(i), f)
		return
	}
	x.chain(m, f)
}

// Cursor is a place in an intent, between two of its rules. The zero Cursor is
// before the first. It is good for as long as the intent does not change.
type Cursor struct {
	layer, part, route int          // part 0: what is in no part
	edits              []*routeEdit // what is left of them, when the layers are done
}

// NextExact goes over every (S,G) that an exact rule names, and the (*,G) of every
// rule that asks for native forwarding, in order; it may come to some more than
// once. ok is false at the end.
func (in *Intent) NextExact(c *Cursor) (sg mroute.SG, ok bool) {
	for ; c.layer < len(in.layers); c.layer, c.part, c.route = c.layer+1, 0, 0 {
		l := &in.layers[c.layer].layer
		for ; c.part <= len(l.Parts); c.part, c.route = c.part+1, 0 {
			routes := l.Routes
			if c.part > 0 {
				routes = l.Parts[c.part-1].Routes
			}
			for c.route < len(routes) {
				rt := &routes[c.route]
				c.route++
				if rt.Match.IsExact() || asksForNative(rt) {
					in.came.layer, in.came.route = c.layer, c.route-1
					return rt.Match.SG(), true
				}
			}
		}
	}
	if c.layer == len(in.layers) {
		c.layer++
		c.edits = in.edits.inOrder()
	}
	for len(c.edits) > 0 {
		e := c.edits[0]
		c.edits = c.edits[1:]
		if e.added > 0 && (e.route.Match.IsExact() || asksForNative(&e.route)) {
			return e.route.Match.SG(), true
		}
	}
	return sg, false
}
