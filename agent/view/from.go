package view

import (
	"net/netip"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// From makes the document of a snapshot that has counters. Version, Table and
// NetNS are left to the caller.
func From(snap *mroute.Snapshot) *State {
	s := rest(snap)
	s.Rules, s.Flows = list(snap.Rules, rule), list(snap.Entries, entry)
	return s
}

// rest is From without rules and flows.
func rest(snap *mroute.Snapshot) *State {
	return &State{
		Time:    snap.Time,
		Foreign: list(snap.Foreign, foreign),
		Groups:  list(snap.Groups, membership),
		Joined:  list(snap.Joined, membership),
		Links:   list(snap.Links, link),
		Pending: list(snap.Pending, pending),
		Tables:  append([]uint32{}, snap.Tables...),
		Counts:  counts(snap.Flows),
		Limits:  list(snap.Limits, limit),
		Sizes:   &Sizes{Rules: snap.Sizes.Rules, Flows: snap.Sizes.Entries},
	}
}

// list is never nil, so that it is no null in JSON.
func list[From, To any](from []From, f func(*From) To) []To {
	to := make([]To, len(from))
	for i := range from {
		to[i] = f(&from[i])
	}
	return to
}

func rule(r *mroute.RuleView) Rule { return ruleOf(r, names(r.OIFs)) }

// ruleOf is rule with these outputs, so that they need not be copied.
func ruleOf(r *mroute.RuleView, oifs []string) Rule {
	source, group := match(r.Match)
	t := traffic(&r.Counters, Seconds(r.Age))
	if r.Age == 0 { // it has no entry of its own
		t.Age, t.Idle = -1, -1
	}
	return Rule{
		Source: source, Group: group, Except: nets(r.Except), IIF: r.IIF, OIFs: oifs,
		Origin: origin(&r.Origin), Traffic: t,
	}
}

func entry(e *mroute.EntryView) Flow {
	f := foreign(e)
	f.Kind = Kind(e.Kind.String())
	return f
}

func foreign(e *mroute.EntryView) Flow { return flowOf(e, names(e.OIFs), list(e.Origins, origin)) }

// flowOf is foreign with these outputs and origins.
func flowOf(e *mroute.EntryView, oifs []string, origins []Origin) Flow {
	source, group := match(mroute.MatchSG(e.SG))
	return Flow{
		Source: source, Group: group, IIF: e.IIF, OIFs: oifs, Refused: e.Refused, Adopted: e.Adopted, Table: e.Table,
		Origins: origins, Traffic: traffic(&e.Counters, Seconds(e.Age)),
	}
}

func traffic(c *mroute.Counters, age Seconds) Traffic {
	return Traffic{Packets: c.Packets, Bytes: c.Bytes, WrongIf: c.WrongIf, Age: age, Idle: Seconds(c.Idle)}
}

func membership(g *mroute.GroupView) Membership {
	source, group := match(g.Match)
	return Membership{Source: source, Group: group, If: g.If}
}

func link(l *mroute.LinkView) Link {
	return Link{
		Index: l.Index, Name: l.Name, Up: l.Up, Multicast: l.Multicast, Loopback: l.Loopback,
		VIF: vif(l.VIF), MIF: vif(l.MIF), Table: l.Table,
	}
}

func vif(v mroute.VIF) *int {
	if v == mroute.NoVIF {
		return nil
	}
	n := int(v)
	return &n
}

func pending(p *mroute.PendingView) Pending {
	source, group := match(p.Match)
	to := make([]string, len(p.To))
	for i, o := range p.To {
		to[i] = o.Name()
	}
	return Pending{
		Kind: string(p.Kind), Source: source, Group: group, IIF: p.From.Name(), OIFs: to,
		Cause: p.Cause.String(), Reason: p.Reason, Origin: origin(&p.Origin), MRules: p.MRules,
	}
}

func limit(l *mroute.LimitView) Limit {
	source, group := match(l.Match)
	return Limit{Source: source, Group: group, IIF: l.From.Name(), Origin: origin(&l.Origin), Counts: counts(l.FlowCounts)}
}

func counts(c mroute.FlowCounts) Counts { return Counts(c) }

func origin(o *mroute.Origin) Origin {
	return Origin{Ref: o.Ref, Line: o.Line, Generation: o.Generation}
}

// match leaves out a source that stands for any.
func match(m mroute.Match) (source, group Net) {
	if m.Source.IsValid() && m.Source.Bits() > 0 {
		source = Net{m.Source}
	}
	return source, Net{m.Group}
}

func nets(all []netip.Prefix) []Net {
	if len(all) == 0 {
		return nil
	}
	return list(all, func(p *netip.Prefix) Net { return Net{*p} })
}

func names(all []string) []string { return append([]string{}, all...) }
