package spread

import (
	"cmp"
	"context"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/engine"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Snapshot returns the state of all tables as one: see [engine.Engine.Snapshot].
func (r *Router) Snapshot(ctx context.Context, counters bool) (*mroute.Snapshot, error) {
	return r.together(ctx, nil, func(e *engine.Engine, _ uint32) (*mroute.Snapshot, error) { return e.Snapshot(ctx, counters) })
}

// Digest returns what reports on all tables are made from: see [engine.Engine.Digest].
func (r *Router) Digest(ctx context.Context, visit mroute.Visit) (*mroute.Snapshot, error) {
	return r.together(ctx, nil, func(e *engine.Engine, table uint32) (*mroute.Snapshot, error) {
		return e.Digest(ctx, inTable(mroute.Survey{Entries: visit}, table).Entries)
	})
}

// together asks the engines of all tables and merges what they say. Of the router's own
// table ask is told 0. takes has the links that a table has rules for when it was asked;
// nil: they are in the snapshots.
func (r *Router) together(ctx context.Context, takes map[string]bool, ask func(e *engine.Engine, table uint32) (*mroute.Snapshot, error)) (*mroute.Snapshot, error) {
	others := r.others()
	snap, err := ask(r.first, 0)
	if err != nil || len(others) == 0 {
		return snap, err
	}
	m := newMerger(snap)
	for _, b := range others {
		part, err := ask(b.engine, b.table)
		switch {
		case ctx.Err() != nil:
			return nil, err
		case err == nil: // else it has just been closed
			m.add(part, b.table, takes)
		}
	}
	m.sort()
	return snap, nil
}

// merger puts what several tables hold into one snapshot.
type merger struct {
	into *mroute.Snapshot
	at   map[string]int // position of a link in into.Links
}

func newMerger(into *mroute.Snapshot) *merger {
	m := &merger{into: into, at: make(map[string]int, len(into.Links))}
	for i := range into.Links {
		m.at[into.Links[i].Name] = i
	}
	return m
}

// add adds what another table holds: its links are those by which packets come
// in, and others if no table before it has them. takes has the former; nil: those of
// the rules in part.
func (m *merger) add(part *mroute.Snapshot, table uint32, takes map[string]bool) {
	s := m.into
	s.Tables = append(s.Tables, table)
	s.VIFs = max(s.VIFs, part.VIFs)
	s.Rules = append(s.Rules, part.Rules...)
	s.Pending = append(s.Pending, part.Pending...)
	addCounts(&s.Flows, part.Flows)
	s.Limits = addLimits(s.Limits, part.Limits)
	s.Sizes.Entries += part.Sizes.Entries // rules are the same
	since := s.Time.Sub(part.Time)
	for _, list := range []struct{ to, from *[]mroute.EntryView }{{&s.Entries, &part.Entries}, {&s.Foreign, &part.Foreign}} {
		for _, e := range *list.from {
			e.Age += since
			e.Table = table
			*list.to = append(*list.to, e)
		}
	}
	if takes == nil {
		takes = map[string]bool{}
		for i := range part.Rules {
			takes[part.Rules[i].IIF] = true
		}
	}
	for i := range part.Links {
		l := part.Links[i]
		at, ok := m.at[l.Name]
		if !ok || l.VIF == mroute.NoVIF && l.MIF == mroute.NoVIF {
			continue
		}
		if have := &s.Links[at]; takes[l.Name] || have.VIF == mroute.NoVIF && have.MIF == mroute.NoVIF {
			l.Table = table
			*have = l
		}
	}
}

// sort brings what was put together into the order of one table. What several
// tables say of a line in the same words is there once.
func (m *merger) sort() {
	slices.SortStableFunc(m.into.Rules, func(a, b mroute.RuleView) int {
		return cmp.Or(cmp.Compare(a.Row, b.Row), cmp.Compare(m.at[a.IIF], m.at[b.IIF]))
	})
	slices.SortStableFunc(m.into.Entries, func(a, b mroute.EntryView) int { return cmp.Compare(b.Age, a.Age) })
	slices.SortStableFunc(m.into.Foreign, func(a, b mroute.EntryView) int { return a.SG.Compare(b.SG) })
	type problem struct {
		kind   mroute.PendingKind
		from   mroute.IfPattern
		match  mroute.Match
		reason string
		origin mroute.Origin
	}
	told := make(map[problem]bool, len(m.into.Pending))
	m.into.Pending = slices.DeleteFunc(m.into.Pending, func(p mroute.PendingView) bool {
		x := problem{p.Kind, p.From, p.Match, p.Reason, p.Origin}
		seen := told[x]
		told[x] = true
		return seen
	})
}
