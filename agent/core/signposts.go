package core

import (
	"fmt"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// Packets come to a router where rules of the kernel lead them. Who looks at these
// is not seen from here.

func (s *State) setSignposts(ss mroute.Signposts) {
	if !slices.Equal(ss, s.signposts) {
		s.signposts = ss
		s.work.vifs, s.changed = true, true // for the sake of the round, whose end is told
	}
}

// away are the links whose packets of a family are led away, by ifindex.
func (s *State) away(f mroute.Family) map[int]plan.Away {
	away := map[int]plan.Away{}
	for _, l := range s.res.Links() {
		if post := s.signposts.At(f, l.Name); post.Away != "" {
			away[l.Index] = plan.Away{Post: post, Problem: plan.Problem{Cause: mroute.CauseDiverted, Reason: fmt.Sprintf(
				"packets that arrive on %s do not come to the router: %s", l.Name, post.Away)}}
		}
	}
	return away
}

// missed are the links on which packets are wanted that are led away, and why.
func (s *State) missed() map[string]string {
	if !s.signposts.Any() {
		return nil
	}
	missed := map[string]string{}
	for _, l := range s.res.Arrivals() {
		for _, t := range s.tables {
			if why := s.signposts.At(t.family, l.Name).Away; why != "" && s.res.Takes(l.Index) {
				missed[l.Name] = why
				break
			}
		}
	}
	return missed
}
