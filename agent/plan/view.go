package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Rules returns a row for each rule on each of its inbound links, as listings
// show them, with the ifindex of the link. Rules with the same match share one.
func (r *Resolver) Rules(vifs func(mroute.Family) *VIFs) ([]mroute.RuleView, []int) {
	rows := make([]mroute.RuleView, 0, r.in.Routes())
	iifs := make([]int, 0, r.in.Routes())
	names := newNamer(r)
	add := func(rt *mroute.Route, scopes mroute.ScopeMask, pos int) {
		v := vifs(rt.Match.Family())
		if _, ok := v.Of(r.links[pos].Index); !ok {
			return
		}
		o := r.listed(masked(rt.Match), pos, v)
		rows = append(rows, mroute.RuleView{
			Match: rt.Match, Scopes: scopes, Except: rt.Except, Origin: rt.Origin,
			IIF: r.links[pos].Name, OIFs: names.of(o, v),
		})
		iifs = append(iifs, r.links[pos].Index)
	}
	for li, x := range r.in.layers {
		for i := range x.layer.Routes {
			rt := &x.layer.Routes[i]
			for _, pos := range r.match(rt.From) {
				if cs, ok := r.applies(li, rt, pos); ok && r.firstOfMatch(li, int32(i), pos) {
					add(rt, r.effectiveScopes(rt, cs, pos), pos)
				}
			}
		}
	}
	for _, c := range r.in.edits.inOrder() {
		cs := r.in.edits.routes[masked(c.route.Match)]
		for _, pos := range r.match(c.route.From) {
			if r.appliesEdit(cs, c, pos) && r.firstOfMatch(len(r.in.layers), 0, pos, c) {
				add(&c.route, c.route.Scopes, pos)
			}
		}
	}
	return rows, iifs
}

// firstOfMatch reports whether no route before the i-th of the layer, or before
// the given edit, has the same match and applies on the link.
func (r *Resolver) firstOfMatch(layer int, i int32, pos int, ed ...*routeEdit) bool {
	var m mroute.Match
	if len(ed) > 0 {
		m = masked(ed[0].route.Match)
	} else {
		m = masked(r.in.layers[layer].layer.Routes[i].Match)
	}
	first := true
	for li, x := range r.in.layers[:min(layer+1, len(r.in.layers))] {
		x.chain(m, func(j int32, rt *mroute.Route) bool {
			if li == layer && j >= i {
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
	var gs []mroute.GroupView
	for _, x := range r.in.layers {
		for _, j := range x.layer.Joins {
			if ed := r.in.edits.joins[joinRule{j.If, masked(j.Match)}]; ed == nil || !ed.removed {
				gs = append(gs, mroute.GroupView{Match: j.Match, If: string(j.If)})
			}
		}
	}
	for _, ed := range r.in.edits.joinsInOrder() {
		gs = append(gs, mroute.GroupView{Match: ed.join.Match, If: string(ed.join.If)})
	}
	return gs
}

// GroupsOn returns every single membership for which joined is true, once, in
// the order in which the rules ask for them.
func (r *Resolver) GroupsOn(joined func(Membership) bool) []mroute.GroupView {
	var gs []mroute.GroupView
	seen := make(map[Membership]bool)
	list := func(j *mroute.Join) {
		r.JoinsOf(*j, func(m Membership) {
			if l, ok := r.Link(m.Ifindex); ok && !seen[m] && joined(m) {
				seen[m] = true
				gs = append(gs, mroute.GroupView{Match: mroute.MatchSG(m.SG), If: l.Name})
			}
		})
	}
	for _, x := range r.in.layers {
		for i := range x.layer.Joins {
			j := &x.layer.Joins[i]
			if ed := r.in.edits.joins[joinRule{j.If, masked(j.Match)}]; ed == nil || !ed.removed {
				list(j)
			}
		}
	}
	for _, ed := range r.in.edits.joinsInOrder() {
		list(&ed.join)
	}
	return gs
}

// Pending returns the rules and memberships for which an interface is missing,
// or its VIF. With a nil vifs only interfaces count.
func (r *Resolver) Pending(vifs func(mroute.Family) *VIFs) []mroute.PendingView {
	var ps []mroute.PendingView
	route := func(c claim, since int) {
		rt := c.route
		if len(c.changes) > 0 && c.changes.tookAll(rt.From, since) {
			return
		}
		var v *VIFs
		if vifs != nil {
			v = vifs(rt.Match.Family())
		}
		missing := r.missing(c, v)
		if len(missing) == 0 {
			return
		}
		ps = append(ps, mroute.PendingView{
			Kind: mroute.PendingRoute, From: rt.From, Match: rt.Match, Scopes: rt.Scopes,
			Except: rt.Except, To: c.outputs(), Origin: rt.Origin, Reason: strings.Join(missing, "; "),
		})
	}
	join := func(j *mroute.Join) {
		if why := r.lacks(j.If); why != "" {
			ps = append(ps, mroute.PendingView{
				Kind: mroute.PendingGroup, From: j.If, Match: j.Match, Origin: j.Origin, Reason: why,
			})
		}
	}
	for li, x := range r.in.layers {
		for i := range x.layer.Routes {
			rt := &x.layer.Routes[i]
			c := claim{layer: li, route: rt}
			if !r.in.edits.empty() {
				c.changes = r.in.edits.routes[masked(rt.Match)]
			}
			route(c, 0)
		}
		for i := range x.layer.Joins {
			j := &x.layer.Joins[i]
			if ed := r.in.edits.joins[joinRule{j.If, masked(j.Match)}]; ed == nil || !ed.removed {
				join(j)
			}
		}
	}
	for _, c := range r.in.edits.inOrder() {
		if c.added > 0 {
			route(claim{client, &c.route, c.to, r.in.edits.routes[masked(c.route.Match)]}, c.added)
		}
	}
	for _, c := range r.in.edits.joinsInOrder() {
		join(&c.join)
	}
	return ps
}

// outputs are the patterns of the outputs that clients left of the rule.
func (c claim) outputs() []mroute.IfPattern {
	var to []mroute.IfPattern
	for i, o := range c.route.To {
		if c.keeps(i) {
			to = append(to, o.If)
		}
	}
	return to
}

// keeps reports whether clients left the i-th output.
func (c claim) keeps(i int) bool {
	return len(c.changes) == 0 || !c.changes.tookAllOutputs(c.route.From, c.route.To[i].If, c.since(i))
}

// missing says, a reason each, which interfaces the rule waits for.
func (r *Resolver) missing(c claim, v *VIFs) []string {
	var why []string
	say := func(w string) {
		if !slices.Contains(why, w) {
			why = append(why, w)
		}
	}
	check := func(p mroute.IfPattern) {
		if w := r.lacks(p); w != "" {
			say(w)
			return
		}
		if v == nil {
			return
		}
		for _, pos := range r.match(p) {
			if c.layer != client && !r.counts(c.layer, pos, c.route.Origin.Seq) {
				continue
			}
			if _, ok := v.Of(r.links[pos].Index); !ok {
				say(fmt.Sprintf("%s has no VIF in the %v table", r.links[pos].Name, c.route.Match.Family()))
			}
		}
	}
	check(c.route.From)
	for i, o := range c.route.To {
		if c.keeps(i) {
			check(o.If)
		}
	}
	return why
}

// lacks says why no link serves p, or nothing if one does.
func (r *Resolver) lacks(p mroute.IfPattern) string {
	if len(r.match(p)) > 0 {
		return ""
	}
	for _, l := range r.links {
		if names(p, &l) {
			return fmt.Sprintf("interface %s is not multicast capable", l.Name)
		}
	}
	if p.IsWildcard() {
		return fmt.Sprintf("no interface matches %s", p)
	}
	return fmt.Sprintf("no interface %s", p)
}

// Lacking returns the patterns for which no link serves, and why.
func (r *Resolver) Lacking() map[mroute.IfPattern]string {
	lacking := make(map[mroute.IfPattern]string)
	note := func(p mroute.IfPattern) {
		if why := r.lacks(p); why != "" {
			lacking[p] = why
		}
	}
	for _, x := range r.in.layers {
		for _, u := range x.uses {
			note(u.pattern)
		}
	}
	for p := range r.in.edits.uses {
		note(p)
	}
	return lacking
}
