package plan

import (
	"cmp"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Entry returns what the kernel should hold for sg, given the VIFs there are.
// arrival is the ifindex of the link on which packets of the flow were seen to
// arrive, or 0 if none were.
//
//  1. An exact rule from the arrival link.
//  2. The templates that cover the flow on the arrival link.
//  3. An exact rule from another link; of several the last.
//  4. With an arrival, a stop filter; or if the group is forwarded natively from
//     another link the same for this flow, so that its packets from there are not
//     stopped. Without an arrival, nothing.
//
// Of a zero source it is the (*,G) entry of a group that is forwarded natively.
//
// Within a layer with FirstMatch the first template in order decides, with all
// that share its very match; otherwise, and between layers, outputs are united.
func (r *Resolver) Entry(sg mroute.SG, arrival int, v *VIFs) (mroute.Entry, bool) {
	if !sg.Source.IsValid() {
		return r.withoutSource(sg.Group, arrival, v)
	}
	pos, arrived := r.at[arrival]
	vif, ok := v.Of(arrival)
	arrived = arrived && ok && r.links[pos].Multicast && r.takesAt(pos) // another program may have given it a VIF
	if arrived {
		if o, ok := r.exact(sg, pos, v); ok {
			return mroute.Entry{IIF: vif, OIFs: o, Kind: mroute.Static}, true
		}
		if o, ok := r.template(sg, pos, v); ok {
			return mroute.Entry{IIF: vif, OIFs: o, Kind: mroute.Learned}, true
		}
	}
	if pos, o, ok := r.exactElsewhere(sg, v); ok {
		vif, _ := v.Of(r.links[pos].Index)
		return mroute.Entry{IIF: vif, OIFs: o, Kind: mroute.Static}, true
	}
	if !arrived {
		return mroute.Entry{}, false
	}
	if e, ok := r.anySource(sg.Group, v); ok {
		return OfSource(e), true
	}
	return mroute.Entry{IIF: vif, Kind: mroute.StopFilter}, true
}

// Covers reports whether a rule covers sg on the link.
func (r *Resolver) Covers(sg mroute.SG, ifindex int, v *VIFs) bool {
	pos, ok := r.at[ifindex]
	if !ok || !r.links[pos].Multicast || !sg.Source.IsValid() {
		return false
	}
	if _, ok := r.exact(sg, pos, v); ok {
		return true
	}
	_, ok = r.template(sg, pos, v)
	return ok
}

// Feeding appends to rules those that make an entry for sg whose inbound link it
// is, as [Resolver.Entry] has it: the exact ones, or else the templates that
// decide.
func (r *Resolver) Feeding(rules []*mroute.Route, sg mroute.SG, ifindex int) []*mroute.Route {
	pos, ok := r.at[ifindex]
	if !ok {
		return rules
	}
	u := &r.feeding
	*u = union{rules: rules}
	if !sg.Source.IsValid() {
		r.decide(sg.Group, pos, u)
		return u.rules
	}
	if !r.uniteExact(sg, pos, u) {
		r.uniteTemplates(sg, pos, u)
	}
	return u.rules
}

// exact unites the outputs of all exact rules for sg on the link.
func (r *Resolver) exact(sg mroute.SG, pos int, v *VIFs) (o mroute.OIFs, found bool) {
	u := union{vifs: v}
	found = r.uniteExact(sg, pos, &u)
	return u.oifs, found
}

// union is what several rules come to together.
type union struct {
	vifs  *VIFs // nil: the rules are collected, not their outputs
	oifs  mroute.OIFs
	rules []*mroute.Route
}

// add adds a rule that covers a flow arriving on the link.
func (u *union) add(r *Resolver, c claim, in int) {
	if u.vifs == nil {
		u.rules = append(u.rules, c.route)
		return
	}
	r.addOutputs(&u.oifs, c, in, u.vifs)
}

// uniteExact adds all exact rules for sg on the link.
func (r *Resolver) uniteExact(sg mroute.SG, pos int, u *union) (found bool) {
	m := mroute.MatchSG(sg)
	for li := range r.in.layers {
		found = r.uniteLayer(li, m, sg, pos, u) || found
	}
	return r.uniteEdits(m, sg, pos, u) || found
}

// uniteLayer adds all rules of the layer with match m that cover sg on the link.
func (r *Resolver) uniteLayer(li int, m mroute.Match, sg mroute.SG, pos int, u *union) (found bool) {
	r.in.chain(li, m, func(_ int32, rt *mroute.Route) bool {
		if cs, ok := r.covers(li, rt, sg, pos); ok {
			found = true
			u.add(r, claim{li, rt, nil, cs}, pos)
		}
		return true
	})
	return found
}

func (r *Resolver) uniteEdits(m mroute.Match, sg mroute.SG, pos int, u *union) (found bool) {
	cs := r.in.edits.routes[m]
	for _, c := range cs {
		if r.appliesEdit(cs, c, pos) && admits(&c.route, c.route.Scopes, sg) {
			found = true
			u.add(r, claim{client, &c.route, c.to, cs}, pos)
		}
	}
	return found
}

// template unites the outputs of the templates that decide about sg on the link.
func (r *Resolver) template(sg mroute.SG, pos int, v *VIFs) (o mroute.OIFs, found bool) {
	u := union{vifs: v}
	found = r.uniteTemplates(sg, pos, &u)
	return u.oifs, found
}

func (r *Resolver) uniteTemplates(sg mroute.SG, pos int, u *union) (found bool) {
	if sg.Source.IsUnspecified() {
		// No router may forward it (RFC 4291, section 2.5.2). And as an entry
		// with outputs the kernel would take it for "any source": packets that
		// come in at these would match it, and their flows never be learned.
		return false
	}
	for li, x := range r.in.layers {
		first := none
		for _, sh := range x.shapes {
			if sh.family != sg.Family() {
				continue
			}
			m := sh.of(sg)
			if !x.layer.FirstMatch {
				found = r.uniteLayer(li, m, sg, pos, u) || found
				continue
			}
			x.chain(m, func(i int32, rt *mroute.Route) bool {
				if first != none && i > first {
					return false
				}
				if _, ok := r.covers(li, rt, sg, pos); ok {
					first = i
					return false
				}
				return true
			})
		}
		if first != none {
			found = r.uniteLayer(li, masked(x.at(first).Match), sg, pos, u) || found
		}
	}
	for _, sh := range r.in.edits.shapes {
		if sh.family == sg.Family() {
			found = r.uniteEdits(sh.of(sg), sg, pos, u) || found
		}
	}
	return found
}

// covers reports whether the layer's route holds for sg on the link, and what
// clients changed of its match.
func (r *Resolver) covers(li int, rt *mroute.Route, sg mroute.SG, pos int) (changes, bool) {
	cs, ok := r.applies(li, rt, pos)
	return cs, ok && admits(rt, r.effectiveScopes(rt, cs, pos), sg)
}

// applies is covers for any flow.
func (r *Resolver) applies(li int, rt *mroute.Route, pos int) (changes, bool) {
	if !r.takesAt(pos) || !names(rt.From, &r.links[pos]) || !r.counts(li, pos, rt.Origin.Seq) {
		return nil, false
	}
	if r.in.edits.empty() {
		return nil, true
	}
	cs := r.in.edits.routes[masked(rt.Match)]
	return cs, !cs.took(&r.links[pos], 0)
}

// appliesEdit is applies for the rule that c, one of cs, added.
func (r *Resolver) appliesEdit(cs changes, c *routeEdit, pos int) bool {
	l := &r.links[pos]
	return c.added > 0 && r.takesAt(pos) && names(c.route.From, l) && !cs.took(l, c.added)
}

// effectiveScopes is the route's mask, unless a client changed it.
func (r *Resolver) effectiveScopes(rt *mroute.Route, cs changes, pos int) mroute.ScopeMask {
	if len(cs) > 0 {
		if s := cs.scopes(&r.links[pos]); s.Set {
			return s
		}
	}
	return rt.Scopes
}

// admits reports whether rt's exceptions and scopes let sg through.
func admits(rt *mroute.Route, scopes mroute.ScopeMask, sg mroute.SG) bool {
	if !scopes.Allows(sg.Group) {
		return false
	}
	for _, e := range rt.Except {
		if e.Contains(sg.Source) {
			return false
		}
	}
	return true
}

// client stands for the edits where a layer's number is asked for.
const client = -1

// claim is a rule, and what clients changed of its match.
type claim struct {
	layer   int // or client
	route   *mroute.Route
	to      []int // when each output was said; nil: before all edits
	changes changes
}

// since is when the i-th output was said.
func (c claim) since(i int) int {
	if c.to == nil {
		return 0
	}
	return c.to[i]
}

// addOutputs adds what c forwards to. Rules of one layer often have their outputs
// in common, which are then worked out once.
func (r *Resolver) addOutputs(o *mroute.OIFs, c claim, in int, v *VIFs) {
	if c.layer == client || len(c.changes) > 0 || len(c.route.To) == 0 || r.layered[c.layer].disabledUpTo != nil {
		r.workOutOutputs(o, c, in, v)
		return
	}
	k := outputsKey{&c.route.To[0], len(c.route.To), in, c.route.Match.Family(), v, v.changes}
	own, ok := r.outputs[k]
	if !ok {
		r.workOutOutputs(&own, c, in, v)
		r.outputs.put(k, own)
	}
	if o.Empty() {
		*o = own
		return
	}
	for vif, th := range own {
		if th != 0 && (o[vif] == 0 || th < o[vif]) {
			o[vif] = th
		}
	}
}

// workOutOutputs is addOutputs without a memory. A wildcard leaves the inbound
// link out, and so does a pinned output, which stands for whoever is behind that
// link; naming it keeps it.
func (r *Resolver) workOutOutputs(o *mroute.OIFs, c claim, in int, v *VIFs) {
	rt := c.route
	for i, out := range rt.To {
		for _, pos := range r.match(out.If) {
			if pos == in && leavesInboundOut(out.If) {
				continue
			}
			if c.layer != client && !r.counts(c.layer, pos, rt.Origin.Seq) {
				continue
			}
			if len(c.changes) > 0 && c.changes.tookOutput(&r.links[in], &r.links[pos], c.since(i)) {
				continue
			}
			vif, ok := v.Of(r.links[pos].Index)
			if !ok {
				continue
			}
			th := cmp.Or(out.Threshold, r.phys[pos].threshold)
			if !rt.Match.Family().HasThresholds() {
				th = 1
			}
			if o[vif] == 0 || th < o[vif] {
				o[vif] = th
			}
		}
	}
}

func leavesInboundOut(p mroute.IfPattern) bool {
	_, pinned := p.Pin()
	return pinned || p.IsWildcard()
}

// exactElsewhere returns the inbound link and the outputs of sg's exact rules
// while nothing is known of where packets arrive: those of the last rule's link.
func (r *Resolver) exactElsewhere(sg mroute.SG, v *VIFs) (pos int, o mroute.OIFs, found bool) {
	m := mroute.MatchSG(sg)
	rules := 0
	try := func(rt *mroute.Route, applies func(pos int) (claim, bool)) {
		for _, p := range r.match(rt.From) {
			if _, ok := v.Of(r.links[p].Index); !ok {
				continue
			}
			s, ok := applies(p)
			if !ok {
				continue
			}
			rules++
			if pos, found = p, true; rules == 1 {
				r.addOutputs(&o, s, p, v)
			}
			return
		}
	}
	for li := range r.in.layers {
		r.in.chain(li, m, func(_ int32, rt *mroute.Route) bool {
			try(rt, func(p int) (claim, bool) {
				cs, ok := r.covers(li, rt, sg, p)
				return claim{li, rt, nil, cs}, ok
			})
			return true
		})
	}
	cs := r.in.edits.routes[m]
	for _, c := range cs {
		try(&c.route, func(p int) (claim, bool) {
			return claim{client, &c.route, c.to, cs}, r.appliesEdit(cs, c, p)
		})
	}
	if rules > 1 {
		o, _ = r.exact(sg, pos, v)
	}
	return pos, o, found
}
