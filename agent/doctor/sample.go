package doctor

import (
	"context"
	"hash/maphash"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/smcroute/kube-smcroute/agent/doctor/diagnose"
	"github.com/smcroute/kube-smcroute/agent/view"
)

// maxLearned is about how many learned flows and stop filters are looked at, for rules
// for many groups.
const maxLearned = 10_000

// sampler goes over a router for what is examined of its state. There may be 100,000
// rules, of which no more than [diagnose.MaxFlows] are.
type sampler struct {
	visit func(context.Context, view.Visit) (*view.State, error)
	group netip.Addr // the zero Addr: all
	seed  maphash.Seed
	share float64 // of learned flows that are looked at, the same ones each time; 0: not known yet
	past  int     // learned flows that were not, in the last state
}

func newSampler(o *Options) *sampler {
	return &sampler{visit: o.Visit, group: o.Group, seed: maphash.MakeSeed()}
}

// state returns the state, with what is examined of its rules, flows and pending lines;
// left is how many rules and pending lines are not in it.
func (s *sampler) state(ctx context.Context) (state *view.State, left int, err error) {
	s.past = 0
	var c choice
	if s.group.IsValid() {
		c.add(view.Net{}, view.NetOf(s.group))
		c.full = true
	} else if err := s.choose(ctx, &c); err != nil {
		return nil, 0, err
	}
	var rules []view.Rule
	var flows []view.Flow
	state, err = s.visit(ctx, view.Visit{
		Rules: func(_ time.Time, some []view.Rule) {
			for _, r := range some {
				if !c.keeps(r.Source, r.Group) {
					left++
					continue
				}
				r.Except, r.OIFs = slices.Clone(r.Except), slices.Clone(r.OIFs)
				rules = append(rules, r)
			}
		},
		Flows: func(_ time.Time, some []view.Flow) {
			for _, f := range some {
				learned := c.wide && f.Kind != view.Static
				switch {
				case c.has(f.Source, f.Group), learned && s.takes(&f):
					f.OIFs, f.Origins = slices.Clone(f.OIFs), slices.Clone(f.Origins)
					flows = append(flows, f)
				case learned:
					s.past++
				}
			}
		},
	})
	if err != nil {
		return nil, 0, err
	}
	all := len(state.Pending)
	state.Pending = slices.DeleteFunc(state.Pending, func(p view.Pending) bool { return !c.keeps(p.Source, p.Group) })
	state.Rules, state.Flows = rules, flows
	return state, left + all - len(state.Pending), nil
}

// choose chooses what is examined: what is pending, and then rules, in order.
func (s *sampler) choose(ctx context.Context, c *choice) error {
	state, err := s.visit(ctx, view.Visit{Rules: func(_ time.Time, rules []view.Rule) {
		for i := range rules {
			c.add(rules[i].Source, rules[i].Group)
		}
	}})
	if err != nil {
		return err
	}
	c.n = 0
	for i := range state.Pending {
		c.add(state.Pending[i].Source, state.Pending[i].Group)
	}
	if s.share == 0 {
		_, flows := state.InAll()
		s.share = min(1, maxLearned/float64(max(flows, 1)))
	}
	return nil
}

// takes reports whether a learned flow is among those that are looked at.
func (s *sampler) takes(f *view.Flow) bool {
	return s.share == 0 || float64(maphash.Comparable(s.seed, [2]view.Net{f.Source, f.Group})) <= s.share*math.MaxUint64
}

// choice are the flows that are examined.
type choice struct {
	n      int // how many were added
	flows  map[[2]netip.Prefix]bool
	groups map[netip.Prefix]bool // false: for single sources alone
	wide   bool                  // there are rules for many groups
	full   bool                  // there are others
}

// add adds a flow, unless there are enough.
func (c *choice) add(source, group view.Net) {
	if c.flows == nil {
		c.flows, c.groups = map[[2]netip.Prefix]bool{}, map[netip.Prefix]bool{}
	}
	key := [2]netip.Prefix{source.Prefix, group.Prefix}
	switch {
	case c.flows[key]:
		return
	case c.n >= diagnose.MaxFlows:
		c.full = true
		return
	}
	c.n++
	c.flows[key] = true
	c.groups[group.Prefix] = c.groups[group.Prefix] || !source.IsSingleIP() || source.IsZero()
	c.wide = c.wide || !group.IsSingleIP()
}

// keeps reports whether a rule or what is pending is kept.
func (c *choice) keeps(source, group view.Net) bool { return !c.full || c.has(source, group) }

// has reports whether something may be about a flow that is examined.
func (c *choice) has(source, group view.Net) bool {
	whole, ok := c.groups[group.Prefix]
	switch {
	case !group.IsSingleIP():
		return true // few rules are for many groups
	case source.IsZero() || !source.IsSingleIP():
		return ok
	}
	return whole || c.flows[[2]netip.Prefix{source.Prefix, group.Prefix}]
}
