package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Resolver answers questions about an intent on a given set of links. It is
// valid until the intent's layers or the links change; edits may come and go.
type Resolver struct {
	in      *Intent
	links   []mroute.Link
	at      map[int]int                // ifindex -> position in links
	named   map[string]int             // name -> position
	matches map[mroute.IfPattern][]int // pattern -> positions, of links fit for a VIF
	lacking map[mroute.IfPattern]Problem
	feeding union       // memory of Feeding
	phys    []phy       // by position
	layered []layerPhys // by layer

	outputs outputsCache
	inbound mroute.Inbound
	takes   []bool // by position; nil: all
}

// phy is what phyint lines say of a link.
type phy struct {
	threshold mroute.Threshold // 1 if none is said
	mrdisc    bool
}

// layerPhys holds, by position of the link, up to which Seq the layer's own
// lines are undone by a "phyint disable". nil if there is none.
type layerPhys struct{ disabledUpTo []int }

// NewResolver looks at the intent on those links, which are ordered by index.
func NewResolver(in *Intent, links []mroute.Link) *Resolver {
	r := &Resolver{
		in:      in,
		links:   links,
		at:      make(map[int]int, len(links)),
		named:   make(map[string]int, len(links)),
		matches: make(map[mroute.IfPattern][]int),
		lacking: make(map[mroute.IfPattern]Problem),
		phys:    make([]phy, len(links)),
		layered: make([]layerPhys, len(in.layers)),
	}
	for i, l := range links {
		r.at[l.Index] = i
		r.named[l.Name] = i
		r.phys[i].threshold = 1
	}
	for li, x := range in.layers {
		for _, p := range x.layer.Phyints {
			for _, pos := range r.match(p.If) {
				if p.Threshold != 0 {
					r.phys[pos].threshold = p.Threshold
				}
				r.phys[pos].mrdisc = p.MRDisc && p.State == mroute.PhyintEnabled
				lp := &r.layered[li]
				if p.State == mroute.PhyintDisabled && lp.disabledUpTo == nil {
					lp.disabledUpTo = make([]int, len(links))
				}
				if p.State == mroute.PhyintDisabled {
					lp.disabledUpTo[pos] = p.Origin.Seq
				}
			}
		}
	}
	return r
}

// match returns the positions of the links that p names and that may have a
// VIF.
func (r *Resolver) match(p mroute.IfPattern) []int {
	if m, ok := r.matches[p]; ok {
		return m
	}
	var m []int
	try := func(pos int) {
		if l := &r.links[pos]; l.Multicast && names(p, l) {
			m = append(m, pos)
		}
	}
	if p.IsWildcard() {
		for pos := range r.links {
			try(pos)
		}
	} else {
		name, _, _ := strings.Cut(p.Name(), ":")
		if pos, ok := r.named[name]; ok {
			try(pos)
		}
	}
	r.matches[p] = m
	return m
}

// counts reports whether what the layer says at seq holds for the link.
func (r *Resolver) counts(layer, pos, seq int) bool {
	d := r.layered[layer].disabledUpTo
	return d == nil || seq > d[pos]
}

// Link returns the link with that ifindex.
func (r *Resolver) Link(ifindex int) (mroute.Link, bool) {
	pos, ok := r.at[ifindex]
	if !ok {
		return mroute.Link{}, false
	}
	return r.links[pos], true
}

// Links returns all links, by index.
func (r *Resolver) Links() []mroute.Link { return r.links }

// WantVIFs returns the links that need a VIF, in the order in which the intent
// first names them. See [Resolver.Limit].
func (r *Resolver) WantVIFs() []mroute.Link {
	if r.inbound.Limits() {
		return r.wantLimited()
	}
	return r.wantAll()
}

// wantAll is WantVIFs without a limit.
func (r *Resolver) wantAll() []mroute.Link {
	var want []mroute.Link
	seen := make([]bool, len(r.links))
	take := func(pos int) {
		if !seen[pos] {
			seen[pos] = true
			want = append(want, r.links[pos])
		}
	}
	for li, x := range r.in.layers {
		for _, u := range x.uses {
			for _, pos := range r.match(u.pattern) {
				if r.counts(li, pos, u.lastSeq) {
					take(pos)
				}
			}
		}
	}
	for _, p := range r.in.edits.patterns() {
		for _, pos := range r.match(p) {
			take(pos)
		}
	}
	return want
}

func (e *edits) patterns() []mroute.IfPattern {
	ps := make([]mroute.IfPattern, 0, len(e.uses))
	for p := range e.uses {
		ps = append(ps, p)
	}
	slices.SortFunc(ps, func(a, b mroute.IfPattern) int {
		return cmp.Or(cmp.Compare(e.uses[a].firstSeq, e.uses[b].firstSeq), cmp.Compare(a, b))
	})
	return ps
}

// MRDisc returns the links that a phyint line wants router advertisements on.
func (r *Resolver) MRDisc() []mroute.Link {
	var on []mroute.Link
	for i, p := range r.phys {
		if p.mrdisc && !r.partial() {
			on = append(on, r.links[i])
		}
	}
	return on
}
