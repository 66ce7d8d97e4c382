package plan

import (
	"cmp"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Entry returns what the kernel should hold for sg, given the VIFs there are.
// arrival is the ifindex of the link on which packets of the flow were seen to
// arrive, or 0 if none were.
//
//  1. An exact rule from the arrival link.
//  2. The templates that cover the flow on the arrival link.
//  3. An exact rule from another link; of several the last.
//  4. With an arrival, a stop filter. Without, nothing.
//
// Within a layer with FirstMatch the first template in order decides, with all
// that share its very match; otherwise, and between layers, outputs are united.
func (r *Resolver) Entry(sg mroute.SG, arrival int, v *VIFs) (mroute.Entry, bool) {
	pos, arrived := r.at[arrival]
	vif, ok := v.Of(arrival)
	arrived = arrived && ok
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
	if arrived {
		return mroute.Entry{IIF: vif, Kind: mroute.StopFilter}, true
	}
	return mroute.Entry{}, false
}

// Covers reports whether a rule covers sg on the link.
func (r *Resolver) Covers(sg mroute.SG, ifindex int, v *VIFs) bool {
	pos, ok := r.at[ifindex]
	if !ok {
		return false
	}
	if _, ok := r.exact(sg, pos, v); ok {
		return true
	}
	_, ok = r.template(sg, pos, v)
	return ok
}

// exact unites the outputs of all exact rules for sg on the link.
func (r *Resolver) exact(sg mroute.SG, pos int, v *VIFs) (o mroute.OIFs, found bool) {
	return r.unite(mroute.MatchSG(sg), sg, pos, v)
}

// unite adds up the outputs of all rules with match m that cover sg on the link.
func (r *Resolver) unite(m mroute.Match, sg mroute.SG, pos int, v *VIFs) (o mroute.OIFs, found bool) {
	for li := range r.in.layers {
		found = r.uniteLayer(li, m, sg, pos, v, &o) || found
	}
	return o, r.uniteEdits(m, sg, pos, v, &o) || found
}

func (r *Resolver) uniteLayer(li int, m mroute.Match, sg mroute.SG, pos int, v *VIFs, o *mroute.OIFs) (found bool) {
	r.in.layers[li].chain(m, func(_ int32, rt *mroute.Route) bool {
		if ed, ok := r.covers(li, rt, sg, pos); ok {
			found = true
			r.addOutputs(o, li, rt, ed, pos, v)
		}
		return true
	})
	return found
}

func (r *Resolver) uniteEdits(m mroute.Match, sg mroute.SG, pos int, v *VIFs, o *mroute.OIFs) (found bool) {
	for _, c := range r.in.edits.routes[m] {
		if c.added && c.route.From.Matches(r.links[pos].Name) && admits(&c.route, c.route.Scopes, sg) {
			found = true
			r.addOutputs(o, client, &c.route, nil, pos, v)
		}
	}
	return found
}

// template unites the outputs of the templates that decide about sg on the link.
func (r *Resolver) template(sg mroute.SG, pos int, v *VIFs) (o mroute.OIFs, found bool) {
	for li, x := range r.in.layers {
		first := none
		for _, sh := range x.shapes {
			if sh.family != sg.Family() {
				continue
			}
			m := sh.of(sg)
			if !x.layer.FirstMatch {
				found = r.uniteLayer(li, m, sg, pos, v, &o) || found
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
			found = r.uniteLayer(li, masked(x.layer.Routes[first].Match), sg, pos, v, &o) || found
		}
	}
	for _, sh := range r.in.edits.shapes {
		if sh.family == sg.Family() {
			found = r.uniteEdits(sh.of(sg), sg, pos, v, &o) || found
		}
	}
	return o, found
}

// covers reports whether the layer's route holds for sg on the link, and what
// clients changed of it there.
func (r *Resolver) covers(li int, rt *mroute.Route, sg mroute.SG, pos int) (*routeEdit, bool) {
	ed, ok := r.applies(li, rt, pos)
	return ed, ok && admits(rt, effectiveScopes(rt, ed), sg)
}

// applies is covers for any flow.
func (r *Resolver) applies(li int, rt *mroute.Route, pos int) (*routeEdit, bool) {
	if !rt.From.Matches(r.links[pos].Name) || !r.counts(li, pos, rt.Origin.Seq) {
		return nil, false
	}
	if r.in.edits.empty() {
		return nil, true
	}
	ed := r.in.edits.on(masked(rt.Match), r.links[pos].Name)
	return ed, ed == nil || !ed.removed
}

// effectiveScopes is the route's mask, unless a client changed it.
func effectiveScopes(rt *mroute.Route, ed *routeEdit) mroute.ScopeMask {
	if ed != nil && ed.route.Scopes.Set {
		return ed.route.Scopes
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

// addOutputs adds what rt forwards to, less what ed takes away. A wildcard
// leaves the inbound link out; naming it keeps it.
func (r *Resolver) addOutputs(o *mroute.OIFs, li int, rt *mroute.Route, ed *routeEdit, in int, v *VIFs) {
	for _, out := range rt.To {
		for _, pos := range r.match(out.If) {
			if pos == in && out.If.IsWildcard() {
				continue
			}
			if li != client && !r.counts(li, pos, rt.Origin.Seq) {
				continue
			}
			if ed != nil && slices.ContainsFunc(ed.without, func(p mroute.IfPattern) bool { return p.Matches(r.links[pos].Name) }) {
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

// exactElsewhere returns the inbound link and the outputs of sg's exact rules
// while nothing is known of where packets arrive: those of the last rule's link.
func (r *Resolver) exactElsewhere(sg mroute.SG, v *VIFs) (pos int, o mroute.OIFs, found bool) {
	m := mroute.MatchSG(sg)
	rules := 0
	try := func(li int, rt *mroute.Route) {
		for _, p := range r.match(rt.From) {
			if _, ok := v.Of(r.links[p].Index); !ok {
				continue
			}
			var ed *routeEdit
			if li != client {
				var ok bool
				if ed, ok = r.covers(li, rt, sg, p); !ok {
					continue
				}
			}
			rules++
			if pos, found = p, true; rules == 1 {
				r.addOutputs(&o, li, rt, ed, p, v)
			}
			return
		}
	}
	for li, x := range r.in.layers {
		x.chain(m, func(_ int32, rt *mroute.Route) bool {
			try(li, rt)
			return true
		})
	}
	for _, c := range r.in.edits.routes[m] {
		if c.added {
			try(client, &c.route)
		}
	}
	if rules > 1 {
		o, _ = r.exact(sg, pos, v)
	}
	return pos, o, found
}
