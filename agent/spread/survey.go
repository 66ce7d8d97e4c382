package spread

import (
	"context"
	"time"

	"github.com/smcroute/kube-smcroute/agent/engine"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Survey goes over what is asked for in all tables: see [engine.Engine.Survey]. If there
// are several, and all is asked for, they are gone over at the same time, as what they
// say has to be in order; else one after the other.
func (r *Router) Survey(ctx context.Context, asked mroute.Survey) (*mroute.Snapshot, error) {
	if others := r.others(); asked.Whole && len(others) > 0 {
		return r.surveyInOrder(ctx, asked, others)
	}
	takes := map[string]bool{} // links that the table has rules for
	return r.together(ctx, takes, func(e *engine.Engine, table uint32) (*mroute.Snapshot, error) {
		clear(takes)
		return e.Survey(ctx, notedIn(asked, table, takes))
	})
}

// notedIn has entries say which table they are in, where 0 is the router's own, and
// notes in takes which links that has rules for.
func notedIn(asked mroute.Survey, table uint32, takes map[string]bool) mroute.Survey {
	if visit := asked.Rules; visit != nil {
		asked.Rules = func(now time.Time, rules []mroute.RuleView) {
			for i := range rules {
				takes[rules[i].IIF] = true
			}
			visit(now, rules)
		}
	}
	return inTable(asked, table)
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
