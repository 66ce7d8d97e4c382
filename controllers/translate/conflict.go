package translate

import (
	"fmt"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// claims are the inputs of every exact (S,G) so far, by router. The kernel has one
// entry, with one input, for each.
type claims map[Router]*mroute.BySG[claim]

type claim struct {
	by   *wish
	from mroute.IfPattern
	next *claim
}

// each calls f for every exact rule of w.
func (w *wish) each(f func(Router, mroute.SG, mroute.IfPattern)) {
	for _, want := range w.wants {
		for _, in := range want.inputs {
			for _, m := range in.matches {
				if m.IsExact() {
					f(want.router, m.SG(), in.from)
				}
			}
		}
	}
}

// conflict rejects w if a rule before it takes an (S,G) from elsewhere. Of
// several it names the oldest.
func (cs claims) conflict(w *wish) (r *Rejection) {
	w.each(func(at Router, sg mroute.SG, from mroute.IfPattern) {
		if r != nil || cs[at] == nil {
			return
		}
		c, ok := cs[at].Lookup(sg)
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
func (cs claims) add(w *wish) {
	w.each(func(at Router, sg mroute.SG, from mroute.IfPattern) {
		if cs[at] == nil {
			cs[at] = &mroute.BySG[claim]{}
		}
		c, ok := cs[at].Lookup(sg)
		switch {
		case !ok:
			cs[at].Set(sg, claim{by: w, from: from})
		case c.from != from:
			before := c // not c itself, which would be made for each
			cs[at].Set(sg, claim{by: w, from: from, next: &before})
		}
	})
}
