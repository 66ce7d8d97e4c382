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
}

// NewIntent returns an intent that wants nothing.
func NewIntent() *Intent { return &Intent{edits: newEdits()} }

// SetLayer replaces the layer of that name. What clients changed stays on top:
// see [Intent.DropEdits].
func (in *Intent) SetLayer(l mroute.Layer) {
	x := newIndex(l)
	i, found := slices.BinarySearchFunc(in.layers, l.Name, func(have *index, name string) int {
		return cmp.Compare(have.layer.Name, name)
	})
	if found {
		in.layers[i] = x
	} else {
		in.layers = slices.Insert(in.layers, i, x)
	}
}

// DropEdits forgets what clients changed.
func (in *Intent) DropEdits() { in.edits = newEdits() }

// Routes is the number of routes in all layers.
func (in *Intent) Routes() int {
	n := len(in.edits.routes)
	for _, x := range in.layers {
		n += len(x.layer.Routes)
	}
	return n
}

// Exact calls f for every (S,G) that an exact rule names, in order; for some
// perhaps more than once.
func (in *Intent) Exact(f func(mroute.SG)) {
	for _, x := range in.layers {
		for i := range x.layer.Routes {
			if m := x.layer.Routes[i].Match; m.IsExact() {
				f(m.SG())
			}
		}
	}
	for _, c := range in.edits.inOrder() {
		if c.added > 0 && c.route.Match.IsExact() {
			f(c.route.Match.SG())
		}
	}
}

// HasExact reports whether Exact calls its function for sg.
func (in *Intent) HasExact(sg mroute.SG) bool {
	m := mroute.MatchSG(sg)
	if !m.IsExact() {
		return false // it is for any source
	}
	for _, x := range in.layers {
		if _, ok := x.head[m]; ok {
			return true
		}
	}
	return slices.ContainsFunc(in.edits.routes[m], func(c *routeEdit) bool { return c.added > 0 })
}
