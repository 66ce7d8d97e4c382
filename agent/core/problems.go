package core

import (
	"fmt"
	"iter"
	"maps"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// problem is what err comes to.
func (s *State) problem(err error) plan.Problem {
	return plan.Problem{Cause: s.causeOf(err), Reason: err.Error()}
}

// problems are all there are at this moment.
func (s *State) problems() plan.Problems {
	ps := plan.Problems{
		Family: func(f mroute.Family) plan.Problem { return s.absent[f] },
		NoVIF: func(f mroute.Family) map[int]plan.Problem {
			if t := s.table(f); t != nil {
				return t.noVIF
			}
			return nil
		},
		Rules: s.ruleProblems(),
		VIFs:  s.vifs,
	}
	if s.signposts.Any() {
		away := map[mroute.Family]map[int]plan.Away{}
		for _, t := range s.tables {
			away[t.family] = s.away(t.family)
		}
		ps.Away = func(f mroute.Family) map[int]plan.Away { return away[f] }
	}
	if g := &s.groups; g.failed > 0 || g.over || g.due() > 0 {
		ps.Join = s.joinProblem
	}
	return ps
}

// refusedRules are the rules with entries that the kernel refused. Each entry is
// looked at once, whatever the number of rules.
func (s *State) refusedRules() map[*mroute.Route]plan.Problem {
	type trouble struct {
		err  error
		more int
	}
	rules := make(map[*mroute.Route]*trouble)
	var feeding []*mroute.Route
	for _, t := range s.tables {
		errs := t.refused
		if len(t.blocked) > 0 {
			errs = maps.Clone(t.blocked)
			maps.Copy(errs, t.refused)
		}
		for _, sg := range appendSorted(nil, maps.Keys(errs), func(mroute.SG) bool { return true }) {
			e, ok := s.res.Entry(sg, t.arrival(sg), &t.vifs)
			if !ok {
				continue
			}
			feeding = s.res.Feeding(feeding[:0], sg, t.vifs.Link(e.IIF))
			for _, rt := range feeding {
				if tr := rules[rt]; tr != nil {
					tr.more++
				} else {
					rules[rt] = &trouble{err: errs[sg]}
				}
			}
		}
	}
	ps := make(map[*mroute.Route]plan.Problem, len(rules))
	for rt, tr := range rules {
		p := s.problem(tr.err)
		if tr.more > 0 {
			p.Reason += fmt.Sprintf(" (and %d more flows)", tr.more)
		}
		ps[rt] = p
	}
	return ps
}

// ruleProblems are those of rules with an entry that was refused, by the kernel or
// for lack of room.
func (s *State) ruleProblems() map[*mroute.Route]plan.Problem {
	ps := s.refusedRules()
	l := s.limits
	note := func(rt *mroute.Route, q *quota) {
		if _, worse := ps[rt]; !worse {
			ps[rt] = plan.Problem{Cause: mroute.CauseFlowLimit, Reason: q.problem(l)}
		}
	}
	for rt, q := range l.rules {
		if !q.pressed.IsZero() {
			note(rt, q)
		}
	}
	if l.all.refusing == 0 {
		return ps
	}
	var feeding []*mroute.Route
	told := 0
	for f := l.queues[classStopped].newest; f != nil && told < maxReserve; f = f.older {
		if f.refusedBy == &l.all {
			told++
			feeding = s.res.Feeding(feeding[:0], f.sg, f.ifindex)
			for _, rt := range feeding {
				note(rt, &l.all)
			}
		}
	}
	return ps
}

// joinProblem is what keeps the memberships of a line from being joined, if
// anything does: a refusal first.
func (s *State) joinProblem(line iter.Seq[plan.Membership]) plan.Problem {
	g := &s.groups
	var first error
	over := false
	all, more, waiting := 0, -1, 0
	for m := range line {
		all++
		switch g.is(m) {
		case unknown:
			over = true
		case queued:
			waiting++
		case refused, again:
			if more++; first == nil {
				first = g.why[m]
			}
		}
		if over {
			break // there may be no end of them
		}
	}
	switch {
	case first != nil:
		p := s.problem(first)
		if more > 0 {
			p.Reason += fmt.Sprintf(" (and %d more)", more)
		}
		return p
	case over:
		return plan.Problem{Cause: mroute.CauseLimit, Reason: fmt.Sprintf(
			"a router takes %d single memberships at most: not all of this line have room", g.limit)}
	case waiting > 0:
		return plan.Problem{Cause: mroute.CauseInProgress, Reason: fmt.Sprintf(
			"being joined: %d of %d are yet to come", waiting, all)}
	}
	return plan.Problem{}
}
