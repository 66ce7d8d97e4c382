package translate

import (
	"fmt"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// claims are the inputs of exact (S,G)s so far, by router. The kernel has one entry,
// with one input, for each.
type claims struct {
	by map[Router]*mroute.BySG[claim]

	// disputed are the only ones that are looked at; nil: all are. The others are
	// claimed by those alone that were in the layers together before.
	disputed *mroute.BySG[struct{}]
	near     []span // of those who claim them
}

type claim struct {
	by   *wish
	from mroute.IfPattern
	next *claim
}

// newClaims are those of nobody. In question is what is claimed by whoever was not in the layers
// before, or may be an other than then.
func newClaims(ws []*wish, round int) *claims {
	cs := &claims{by: make(map[Router]*mroute.BySG[claim])}
	open := func(w *wish) bool { return w.born == round || w.verdict != nil }
	all, few := 0, 0
	for _, w := range ws {
		all += w.rules
		if open(w) {
			few += w.rules
		}
	}
	if few*seldom > all {
		return cs
	}
	cs.disputed = &mroute.BySG[struct{}]{}
	for _, w := range ws {
		if open(w) && w.rules > 0 {
			w.each(func(_ Router, sg mroute.SG, _ mroute.IfPattern) { cs.disputed.Set(sg, struct{}{}) })
			cs.near = append(cs.near, w.groups)
		}
	}
	return cs
}

// each calls f for every exact rule of w.
func (w *wish) each(f func(Router, mroute.SG, mroute.IfPattern)) {
	for _, want := range w.wants {
		for _, in := range want.inputs {
			for m := range in.all() {
				if m.IsExact() {
					f(want.router, m.SG(), in.from)
				}
			}
		}
	}
}

// each calls f for every exact rule of w that is in question.
func (cs *claims) each(w *wish, f func(Router, mroute.SG, mroute.IfPattern)) {
	if cs.disputed == nil {
		w.each(f)
		return
	}
	if !slices.ContainsFunc(cs.near, w.groups.meets) {
		return
	}
	w.each(func(at Router, sg mroute.SG, from mroute.IfPattern) {
		if _, ok := cs.disputed.Lookup(sg); ok {
			f(at, sg, from)
		}
	})
}

// conflict rejects w if a rule before it takes an (S,G) from elsewhere. Of
// several it names the oldest.
func (cs *claims) conflict(w *wish) (r *Rejection) {
	cs.each(w, func(at Router, sg mroute.SG, from mroute.IfPattern) {
		if r != nil || cs.by[at] == nil {
			return
		}
		c, ok := cs.by[at].Lookup(sg)
		if !ok {
			return
		}
		for c := &c; c != nil; c = c.next {
			if _, overlap := c.from.Common(from); !overlap {
				r = conflicted(sg, c, w, from)
			}
		}
	})
	return r
}

func conflicted(sg mroute.SG, c *claim, w *wish, from mroute.IfPattern) *Rejection {
	winner := fmt.Sprintf("in the older route %s/%s", c.by.object.Namespace, c.by.object.Name)
	if c.by.age.Equal(w.age) {
		winner = fmt.Sprintf("in %s/%s, as old and first by name,", c.by.object.Namespace, c.by.object.Name)
	}
	return &Rejection{v1alpha1.ReasonConflicted, fmt.Sprintf("%v comes from %s %s and from %s here: the kernel takes it from one interface",
		sg, c.from.Name(), winner, from.Name())}
}

// add notes what w claims.
func (cs *claims) add(w *wish) {
	cs.each(w, func(at Router, sg mroute.SG, from mroute.IfPattern) {
		if cs.by[at] == nil {
			cs.by[at] = &mroute.BySG[claim]{}
		}
		c, ok := cs.by[at].Lookup(sg)
		switch {
		case !ok:
			cs.by[at].Set(sg, claim{by: w, from: from})
		case c.from != from:
			before := c // not c itself, which would be made for each
			cs.by[at].Set(sg, claim{by: w, from: from, next: &before})
		}
	})
}
