package plan

import (
	"net/netip"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Membership is one group, or source and group, joined on one link.
type Membership struct {
	Ifindex int
	SG      mroute.SG
}

// Joins calls f for every membership that is wanted on the links there are;
// for some perhaps more than once.
func (r *Resolver) Joins(f func(Membership)) {
	for li, x := range r.in.layers {
		for i := range x.layer.Joins {
			j := &x.layer.Joins[i]
			if ed := r.in.edits.joins[joinRule{j.If, masked(j.Match)}]; ed != nil && ed.removed {
				continue
			}
			for _, pos := range r.match(j.If) {
				if r.counts(li, pos, j.Origin.Seq) {
					expand(r.links[pos].Index, j.Match, f)
				}
			}
		}
	}
	for _, ed := range r.in.edits.joinsInOrder() {
		r.JoinsOf(ed.join, f)
	}
}

// JoinsOf calls f for every membership that j alone stands for.
func (r *Resolver) JoinsOf(j mroute.Join, f func(Membership)) {
	for _, pos := range r.match(j.If) {
		expand(r.links[pos].Index, j.Match, f)
	}
}

// Joined reports whether any rule wants the membership.
func (r *Resolver) Joined(m Membership) bool {
	pos, ok := r.at[m.Ifindex]
	if !ok {
		return false
	}
	covers := func(j *mroute.Join) bool {
		return names(j.If, &r.links[pos]) && j.Match.Contains(m.SG) && j.Match.Source.IsValid() == m.SG.Source.IsValid()
	}
	for li, x := range r.in.layers {
		for i := range x.layer.Joins {
			j := &x.layer.Joins[i]
			if !covers(j) || !r.counts(li, pos, j.Origin.Seq) {
				continue
			}
			if ed := r.in.edits.joins[joinRule{j.If, masked(j.Match)}]; ed == nil || !ed.removed {
				return true
			}
		}
	}
	for _, ed := range r.in.edits.joins {
		if ed.added && covers(&ed.join) {
			return true
		}
	}
	return false
}

// expand lists sources x groups.
func expand(ifindex int, m mroute.Match, f func(Membership)) {
	each(m.Group, func(g netip.Addr) {
		if !m.Source.IsValid() {
			f(Membership{ifindex, mroute.SG{Group: g}})
			return
		}
		each(m.Source, func(s netip.Addr) { f(Membership{ifindex, mroute.SG{Source: s, Group: g}}) })
	})
}

func each(p netip.Prefix, f func(netip.Addr)) {
	for a := p.Masked().Addr(); a.IsValid() && p.Contains(a); a = a.Next() {
		f(a)
	}
}
