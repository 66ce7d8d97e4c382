package plan

import (
	"cmp"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Rules calls list with a row for each rule on each of its inbound links, as
// listings show them, and with the rule and the ifindex of the link. Rules with the same
// match share one. Rules for which takes is false are left out; nil: none is.
//
// more is called before each rule is looked at: clients may change the intent
// there. If it returns false, what was found so far is all that comes, and
// nothing is looked at any more. nil: always true.
func (r *Resolver) Rules(
	vifs func(mroute.Family) *VIFs, takes func(*mroute.Route) bool, more func() bool,
	list func(row mroute.RuleView, rule *mroute.Route, ifindex int),
) {
	names := newNamer(r)
	row := 0
	add := func(rt *mroute.Route, scopes mroute.ScopeMask, pos int) {
		v := vifs(rt.Match.Family())
		if _, ok := v.Of(r.links[pos].Index); !ok {
			return
		}
		o := r.listed(masked(rt.Match), pos, v)
		list(mroute.RuleView{
			Row: row, Match: rt.Match, Scopes: scopes, Except: rt.Except, Origin: rt.Origin,
			IIF: r.links[pos].Name, OIFs: names.of(o, v),
		}, rt, r.links[pos].Index)
	}
	for li, x := range r.in.layers {
		for i, rt := range x.all() {
			if more != nil && !more() {
				return
			}
			row++
			if takes != nil && !takes(rt) {
				continue
			}
			for _, pos := range r.match(rt.From) {
				if cs, ok := r.applies(li, rt, pos); ok && r.firstOfMatch(li, i, pos) {
					add(rt, r.effectiveScopes(rt, cs, pos), pos)
				}
			}
		}
	}
	for _, c := range r.in.edits.inOrder() {
		if more != nil && !more() {
			return
		}
		cs := r.in.edits.routes[masked(c.route.Match)]
		row++
		if takes != nil && !takes(&c.route) {
			continue
		}
		for _, pos := range r.match(c.route.From) {
			if r.appliesEdit(cs, c, pos) && r.firstOfMatch(len(r.in.layers), 0, pos, c) {
				add(&c.route, c.route.Scopes, pos)
			}
		}
	}
}

// firstOfMatch reports whether no route before the i-th of the layer, or before
// the given edit, has the same match and applies on the link.
func (r *Resolver) firstOfMatch(layer int, i int32, pos int, ed ...*routeEdit) bool {
	var m mroute.Match
	if len(ed) > 0 {
		m = masked(ed[0].route.Match)
	} else {
		m = masked(r.in.layers[layer].at(i).Match)
	}
	first := true
	for li, x := range r.in.layers[:min(layer+1, len(r.in.layers))] {
		x.chain(m, func(j int32, rt *mroute.Route) bool {
			if li == layer && j == i {
				return false
			}
			_, applies := r.applies(li, rt, pos)
			first = !applies
			return first
		})
		if !first {
			return false
		}
	}
	cs := r.in.edits.routes[m]
	for _, c := range cs {
		if len(ed) == 0 || c == ed[0] {
			break
		}
		if r.appliesEdit(cs, c, pos) {
			return false
		}
	}
	return true
}

// listed unites the outputs of all rules with match m on the link, whatever
// they except.
func (r *Resolver) listed(m mroute.Match, pos int, v *VIFs) (o mroute.OIFs) {
	for li, x := range r.in.layers {
		x.chain(m, func(_ int32, rt *mroute.Route) bool {
			if cs, ok := r.applies(li, rt, pos); ok {
				r.addOutputs(&o, claim{li, rt, nil, cs}, pos, v)
			}
			return true
		})
	}
	cs := r.in.edits.routes[m]
	for _, c := range cs {
		if r.appliesEdit(cs, c, pos) {
			r.addOutputs(&o, claim{client, &c.route, c.to, cs}, pos, v)
		}
	}
	return o
}

func (e *edits) inOrder() []*routeEdit {
	var all []*routeEdit
	for _, cs := range e.routes {
		all = append(all, cs...)
	}
	slices.SortFunc(all, func(a, b *routeEdit) int { return cmp.Compare(a.route.Origin.Seq, b.route.Origin.Seq) })
	return all
}

func (e *edits) joinsInOrder() []*joinEdit {
	var all []*joinEdit
	for _, c := range e.joins {
		if c.added {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b *joinEdit) int { return cmp.Compare(a.join.Origin.Seq, b.join.Origin.Seq) })
	return all
}

// namer turns outputs into names, sharing the slices of equal ones.
type namer struct {
	r    *Resolver
	seen map[namerKey][]string
}

type namerKey struct {
	v *VIFs
	o mroute.OIFs
}

func newNamer(r *Resolver) *namer { return &namer{r, make(map[namerKey][]string)} }

func (n *namer) of(o mroute.OIFs, v *VIFs) []string {
	k := namerKey{v, o}
	names, ok := n.seen[k]
	if !ok {
		names = n.r.Names(o, v)
		n.seen[k] = names
	}
	return names
}

// Names returns the names of the outputs, in order of VIF.
func (r *Resolver) Names(o mroute.OIFs, v *VIFs) []string {
	var names []string
	for n, th := range o {
		if th != 0 {
			if l, ok := r.Link(v.Link(mroute.VIF(n))); ok {
				names = append(names, l.Name)
			}
		}
	}
	return names
}

// Groups returns the memberships as they were asked for.
func (r *Resolver) Groups() []mroute.GroupView {
	if r.partial() {
		return nil
	}
	var gs []mroute.GroupView
	for _, x := range r.in.layers {
		for j := range x.layer.AllJoins() {
			if ed := r.in.edits.joins[joinRule{j.If, masked(j.Match)}]; ed == nil || !ed.removed {
				gs = append(gs, mroute.GroupView{Match: j.Match, If: j.If.Name()})
			}
		}
	}
	for _, ed := range r.in.edits.joinsInOrder() {
		gs = append(gs, mroute.GroupView{Match: ed.join.Match, If: ed.join.If.Name()})
	}
	return gs
}
