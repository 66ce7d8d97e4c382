package view

import (
	"context"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Visit is given rules, and then flows, as a [State] has them, some at a time and of
// when they are: there may be 100,000 of each, which are never there all together. It
// must keep neither the slices nor those in them; strings it may.
type Visit struct {
	Rules func(now time.Time, rules []Rule) // nil: none
	Flows func(now time.Time, flows []Flow) // nil: none
}

// Survey is how a router is asked for that. Flows come in no order.
func (v Visit) Survey() (asked mroute.Survey) {
	if v.Rules != nil {
		var some []Rule
		asked.Rules = func(now time.Time, rules []mroute.RuleView) {
			some = some[:0]
			for i := range rules {
				some = append(some, ruleOf(&rules[i], rules[i].OIFs))
			}
			v.Rules(now, some)
		}
	}
	if v.Flows != nil {
		var some []Flow
		var origins []Origin
		asked.Entries = func(now time.Time, entries []mroute.EntryView) {
			some, origins = some[:0], origins[:0]
			for i := range entries {
				e, first := &entries[i], len(origins)
				for j := range e.Origins {
					origins = append(origins, origin(&e.Origins[j]))
				}
				f := flowOf(e, e.OIFs, origins[first:])
				f.Kind = Kind(e.Kind.String())
				some = append(some, f)
			}
			v.Flows(now, some)
		}
	}
	return asked
}

// Survey gives v what s has, and returns the rest, as a router does that is asked.
func (s *State) Survey(ctx context.Context, v Visit) (*State, error) {
	rest := *s
	rest.Rules, rest.Flows = nil, nil
	if v.Rules != nil {
		v.Rules(s.Time, s.Rules)
	}
	if v.Flows != nil {
		v.Flows(s.Time, s.Flows)
	}
	return &rest, ctx.Err()
}
