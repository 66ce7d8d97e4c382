package core

import (
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// memberships are the groups that the kernel is believed to have joined, and
// those that it refused.
type memberships struct {
	state  map[plan.Membership]joinState
	failed int
	left   bool // a membership was given up, so that a refused one may have room
}

type joinState uint8

const (
	joined joinState = iota + 1
	refused
	again // refused, and to be tried once more
)

func newMemberships() memberships {
	return memberships{state: make(map[plan.Membership]joinState)}
}

// membership is one of them, with the means to make ops.
type membership plan.Membership

func (m membership) op(kind mroute.OpKind, res *plan.Resolver) mroute.Op {
	l, _ := res.Link(m.Ifindex)
	return mroute.Op{Kind: kind, Family: m.SG.Family(), SG: m.SG, Link: mroute.LinkRef{Index: m.Ifindex, Name: l.Name}}
}

// on lists those joined on the links.
func (g *memberships) on(links map[int]bool) []membership {
	if len(links) == 0 {
		return nil
	}
	var ms []membership
	for m, st := range g.state {
		if links[m.Ifindex] && st == joined {
			ms = append(ms, membership(m))
		}
	}
	return sorted(ms)
}

func sorted(ms []membership) []membership {
	slices.SortFunc(ms, func(a, b membership) int {
		if a.Ifindex != b.Ifindex {
			return a.Ifindex - b.Ifindex
		}
		return a.SG.Compare(b.SG)
	})
	return ms
}

// retry lets refused joins be tried once more.
func (g *memberships) retry() {
	if g.failed == 0 {
		return
	}
	for m, st := range g.state {
		if st == refused {
			g.state[m] = again
		}
	}
}

// retryInRoom is retry if memberships were given up since it was called last. It
// reports whether there are any to try.
func (g *memberships) retryInRoom() bool {
	left := g.left
	g.left = false
	if left {
		g.retry()
	}
	return left && g.failed > 0
}

func (g *memberships) applied(op *mroute.Op, err error) {
	m := plan.Membership{Ifindex: op.Link.Index, SG: op.SG}
	if g.state[m] >= refused {
		g.failed--
	}
	switch {
	case op.Kind == mroute.LeaveGroup:
		// Whatever the kernel said, it is not ours to keep any more.
		delete(g.state, m)
		g.left = true
	case err == nil:
		g.state[m] = joined
	default:
		g.state[m] = refused
		g.failed++
	}
}

// groupOps returns the joins and then the leaves that are due.
func (s *State) groupOps() []mroute.Op {
	var join, leave []membership
	if s.work.joins {
		join, leave = s.compareGroups()
	} else {
		for _, m := range s.work.some {
			st := s.groups.state[m]
			switch wanted := s.res.Joined(m); {
			case wanted && st != joined:
				join = append(join, membership(m))
			case !wanted && st == joined:
				leave = append(leave, membership(m))
			case !wanted && st != 0:
				s.groups.forget(m)
			}
		}
	}
	ops := make([]mroute.Op, 0, len(join)+len(leave))
	for _, m := range join {
		ops = append(ops, m.op(mroute.JoinGroup, s.res))
	}
	// The last one joined leaves first: the kernel keeps the newest at the head
	// of a list that it searches. The other way round 65536 take a minute.
	for _, m := range slices.Backward(sorted(leave)) {
		ops = append(ops, m.op(mroute.LeaveGroup, s.res))
	}
	return ops
}

func (s *State) compareGroups() (join, leave []membership) {
	wanted := make(map[plan.Membership]bool)
	s.res.Joins(func(m plan.Membership) {
		if wanted[m] {
			return
		}
		wanted[m] = true
		if st := s.groups.state[m]; st != joined && st != refused {
			join = append(join, membership(m))
		}
	})
	for m, st := range s.groups.state {
		switch {
		case wanted[m]:
		case st == joined:
			leave = append(leave, membership(m))
		default:
			s.groups.forget(m)
		}
	}
	return join, leave
}

// forget drops a refused join that nobody wants any more.
func (g *memberships) forget(m plan.Membership) {
	if g.state[m] >= refused {
		g.failed--
	}
	delete(g.state, m)
}

// manyJoins is how many memberships of one client's change are looked at one
// by one; beyond, comparing all is cheaper.
const manyJoins = 16

func (s *State) touchJoin(j mroute.Join) {
	n := plan.PrefixSize(j.Match.Group, manyJoins)
	if j.Match.Source.IsValid() {
		n *= plan.PrefixSize(j.Match.Source, manyJoins)
	}
	if n > manyJoins {
		s.work.joins = true
		return
	}
	s.res.JoinsOf(j, func(m plan.Membership) { s.work.some = append(s.work.some, m) })
}
