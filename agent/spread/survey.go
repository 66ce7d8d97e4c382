package spread

import (
	"context"
	"slices"
	"time"

	"github.com/smcroute/kube-smcroute/agent/engine"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Survey goes over what is asked for in all tables: see [engine.Engine.Survey]. If there
// are several, and all is asked for, what they say has to be brought in order, so that it
// is there all together.
func (r *Router) Survey(ctx context.Context, asked mroute.Survey) (*mroute.Snapshot, error) {
	if asked.Whole && len(r.others()) > 0 {
		return r.surveyInOrder(ctx, asked)
	}
	return r.together(ctx, func(e *engine.Engine, table uint32) (*mroute.Snapshot, error) {
		return e.Survey(ctx, inTable(asked, table))
	})
}

// inTable has entries say which table they are in; 0 is the router's own.
func inTable(asked mroute.Survey, table uint32) mroute.Survey {
	visit := asked.Entries
	if visit == nil || table == 0 {
		return asked
	}
	asked.Entries = func(now time.Time, entries []mroute.EntryView) {
		for i := range entries {
			entries[i].Table = table
		}
		visit(now, entries)
	}
	return asked
}

// surveyInOrder has all tables say what they have, and then gives it.
func (r *Router) surveyInOrder(ctx context.Context, asked mroute.Survey) (*mroute.Snapshot, error) {
	snap, err := r.together(ctx, func(e *engine.Engine, _ uint32) (*mroute.Snapshot, error) { return gathered(ctx, e, asked) })
	if err != nil {
		return nil, err
	}
	const chunk = 512
	for rules := range slices.Chunk(snap.Rules, chunk) {
		asked.Rules(snap.Time, rules)
	}
	for entries := range slices.Chunk(snap.Entries, chunk) {
		asked.Entries(snap.Time, entries)
	}
	snap.Rules, snap.Entries = nil, nil
	return snap, nil
}

// gathered is what one table has, as it is at the end.
func gathered(ctx context.Context, e *engine.Engine, asked mroute.Survey) (*mroute.Snapshot, error) {
	var rules []mroute.RuleView
	var entries []mroute.EntryView
	if asked.Rules != nil {
		asked.Rules = func(_ time.Time, some []mroute.RuleView) { rules = append(rules, some...) }
	}
	first := time.Time{}
	if asked.Entries != nil {
		asked.Entries = func(now time.Time, some []mroute.EntryView) {
			if first.IsZero() {
				first = now
			}
			for _, e := range some {
				e.Age -= now.Sub(first)
				e.Origins = slices.Clone(e.Origins)
				entries = append(entries, e)
			}
		}
	}
	snap, err := e.Survey(ctx, asked)
	if err != nil {
		return nil, err
	}
	for i := range entries {
		entries[i].Age += snap.Time.Sub(first)
	}
	snap.Rules, snap.Entries = rules, entries
	return snap, nil
}
