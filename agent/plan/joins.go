package plan

import (
	"iter"
	"net/netip"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Membership is one group, or source and group, joined on one link.
type Membership struct {
	Ifindex int
	SG      mroute.SG
}

// Joins calls f for the memberships that are wanted on the links there are, in
// the order in which lines ask for them, until f returns false. What several
// lines ask for comes several times.
func (r *Resolver) Joins(f func(Membership) bool) {
	if r.partial() {
		return
	}
	lines := make(map[joinRule]struct{}) // that stand for many: the same again would only take time
	line := func(li int, j *mroute.Join) bool {
		whole := li == client || r.layered[li].disabledUpTo == nil
		if whole && (!j.Match.Group.IsSingleIP() || j.Match.Source.IsValid() && !j.Match.Source.IsSingleIP()) {
			k := joinRule{j.If, masked(j.Match)}
			if _, again := lines[k]; again {
				return true
			}
			lines[k] = struct{}{}
		}
		for m := range r.membersOf(li, j) {
			if !f(m) {
				return false
			}
		}
		return true
	}
	for li, x := range r.in.layers {
		for j := range x.layer.AllJoins() {
			if !r.in.edits.left(j) && !line(li, j) {
				return
			}
		}
	}
	for _, ed := range r.in.edits.joinsInOrder() {
		if !line(client, &ed.join) {
			return
		}
	}
}

// left reports whether a client left what the layers join with j.
func (e *edits) left(j *mroute.Join) bool {
	if len(e.joins) == 0 {
		return false
	}
	ed := e.joins[joinRule{j.If, masked(j.Match)}]
	return ed != nil && ed.removed
}

// membersOf goes over the memberships that a line of the layer, or of a client,
// stands for on the links there are.
func (r *Resolver) membersOf(li int, j *mroute.Join) iter.Seq[Membership] {
	return func(yield func(Membership) bool) {
		for _, pos := range r.match(j.If) {
			if li != client && !r.counts(li, pos, j.Origin.Seq) {
				continue
			}
			if !expand(r.links[pos].Index, j.Match, yield) {
				return
			}
		}
	}
}

// JoinsOf goes over the memberships that j alone stands for.
func (r *Resolver) JoinsOf(j mroute.Join) iter.Seq[Membership] { return r.membersOf(client, &j) }

// Joined reports whether any line wants the membership.
func (r *Resolver) Joined(m Membership) bool {
	pos, ok := r.at[m.Ifindex]
	if !ok || r.partial() {
		return false
	}
	covers := func(j *mroute.Join) bool {
		return names(j.If, &r.links[pos]) && j.Match.Contains(m.SG) && j.Match.Source.IsValid() == m.SG.Source.IsValid()
	}
	for li, x := range r.in.layers {
		for j := range x.layer.AllJoins() {
			if covers(j) && r.counts(li, pos, j.Origin.Seq) && !r.in.edits.left(j) {
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

// expand goes over sources x groups, as long as yield says so.
func expand(ifindex int, m mroute.Match, yield func(Membership) bool) bool {
	for g := range each(m.Group) {
		if !m.Source.IsValid() {
			if !yield(Membership{ifindex, mroute.SG{Group: g}}) {
				return false
			}
			continue
		}
		for s := range each(m.Source) {
			if !yield(Membership{ifindex, mroute.SG{Source: s, Group: g}}) {
				return false
			}
		}
	}
	return true
}

// each goes over the addresses of a prefix.
func each(p netip.Prefix) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for a := p.Masked().Addr(); a.IsValid() && p.Contains(a) && yield(a); a = a.Next() {
		}
	}
}
