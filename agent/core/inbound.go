package core

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// Where more links need VIFs than a table has, several routers share them: each
// takes in the packets that arrive on some, and all know all that is wanted. Who
// shares the links out is not seen from here.

// newResolver looks at the intent on those links, within the limits there are.
func (s *State) newResolver(links []mroute.Link) *plan.Resolver {
	r := plan.NewResolver(s.in, links)
	r.Limit(s.inbound)
	return r
}

// setInbound takes packets in on other links from now on.
func (s *State) setInbound(ev SetInbound) []Effect {
	s.inbound = ev.Inbound
	out := s.lookAgain(s.res.Links())
	for _, t := range s.tables {
		for sg, f := range t.flows.All() {
			if !s.res.Takes(f.ifindex) {
				t.dropFlow(sg)
			}
		}
	}
	for _, a := range ev.Flows {
		if t := s.table(a.SG.Family()); t != nil && t.flows.Get(a.SG) == nil && s.res.Takes(a.Link) {
			s.noteFlow(t, a.SG, a.Link, true)
		}
	}
	return out
}

// crowd is for changed links, which may need another table, or be led away.
func (s *State) crowd() []Effect {
	if s.inbound.Limits() || s.signposts.Any() || len(s.res.WantVIFs()) > mroute.MaxVIFs {
		return []Effect{Crowd{}}
	}
	return nil
}

// Demand tells what VIFs are wanted for, on all links.
func (s *State) Demand() mroute.Demand {
	d := s.res.Demand()
	d.Missed = s.missed()
	for i := range d.Needs {
		n := &d.Needs[i]
		n.Here = slices.ContainsFunc(s.tables, func(t *table) bool {
			_, has := t.vifs.Of(n.Index)
			return has
		})
	}
	return d
}

// Flows lists the flows whose packets were seen to arrive on links of those
// names, by (S,G).
func (s *State) Flows(links map[string]bool) []mroute.Arrival {
	var all []mroute.Arrival
	for _, t := range s.tables {
		of := func(sg mroute.SG) bool {
			l, ok := s.res.Link(t.flows.Get(sg).ifindex)
			return ok && links[l.Name] && t.flows.Get(sg).refusedBy == nil
		}
		for _, sg := range appendSorted(nil, t.flows.Keys(), of) {
			all = append(all, mroute.Arrival{SG: sg, Link: t.flows.Get(sg).ifindex})
		}
	}
	return slices.Clip(all)
}

// Fork returns the event that has another router want all that this one does.
func (s *State) Fork() Follow { return Follow{s.in.Clone()} }

// full is why a link has no VIF where all are taken.
func (s *State) full(link string, f mroute.Family) plan.Problem {
	return plan.Problem{Cause: mroute.CauseVIFTableFull, Reason: cmp.Or(s.inbound.Full,
		fmt.Sprintf("%s has no VIF in the %v table: all %d are taken", link, f, mroute.MaxVIFs))}
}
