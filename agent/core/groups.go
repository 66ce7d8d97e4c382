package core

import (
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

const (
	// MaxMemberships is how many single memberships a router takes, of all links
	// and both families. A line may stand for any number, and each one costs the
	// kernel memory, and time that grows with their number.
	MaxMemberships = 1 << 16

	// joinChunk is how many are joined or left at a time. The kernel searches all
	// of a link's for each: a chunk takes some 10 ms when it has most of them.
	joinChunk = 64
)

// memberships are the groups that the kernel is believed to have joined, and
// those that are on their way.
type memberships struct {
	limit, chunk int // MaxMemberships, joinChunk

	// Whatever is wanted, up to the limit, and what is yet to be left.
	state  map[plan.Membership]joinState
	why    map[plan.Membership]error // of those refused
	failed int                       // number of those refused, or to be tried again
	over   bool                      // more than the limit are wanted

	// What is due: joins in order, then leaves. It goes on in chunks, so that
	// packets and callers need not wait for all of it.
	joins, leaves []membership
	called        bool // a Later is under way

	left bool // a membership was given up, so that a refused one may have room
}

type joinState uint8

const (
	queued joinState = iota + 1
	joined
	refused
	again // refused, and to be tried once more
)

func newMemberships() memberships {
	return memberships{
		limit: MaxMemberships,
		chunk: joinChunk,
		state: make(map[plan.Membership]joinState),
		why:   make(map[plan.Membership]error),
	}
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

// due is how many joins and leaves are yet to be made.
func (g *memberships) due() int { return len(g.joins) + len(g.leaves) }

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
	g.forget(m)
	switch {
	case op.Kind == mroute.LeaveGroup:
		// Whatever the kernel said, it is not ours to keep any more.
		g.left = true
	case err == nil:
		g.state[m] = joined
	default:
		g.state[m], g.why[m] = refused, err
		g.failed++
	}
}

// forget drops what is known of a membership.
func (g *memberships) forget(m plan.Membership) {
	if g.state[m] >= refused {
		g.failed--
		delete(g.why, m)
	}
	delete(g.state, m)
}

// next takes the next chunk of what is due.
func (g *memberships) next(res *plan.Resolver) []mroute.Op {
	if g.due() == 0 {
		return nil
	}
	ops := make([]mroute.Op, 0, min(g.due(), g.chunk))
	for len(g.joins) > 0 && len(ops) < g.chunk {
		ops = append(ops, g.joins[0].op(mroute.JoinGroup, res))
		g.joins = g.joins[1:]
	}
	// The last one joined leaves first: the kernel keeps the newest at the head
	// of a list that it searches. The other way round 65536 take a minute.
	for len(g.leaves) > 0 && len(ops) < g.chunk {
		last := len(g.leaves) - 1
		ops = append(ops, g.leaves[last].op(mroute.LeaveGroup, res))
		g.leaves = g.leaves[:last]
	}
	if g.due() == 0 {
		g.joins, g.leaves = nil, nil
	}
	return ops
}

// groupOps returns the next joins and leaves that are due.
func (s *State) groupOps() []mroute.Op {
	switch {
	case s.work.joins:
		s.compareGroups()
	case len(s.work.some) > 0:
		s.compareSome()
	case !s.work.later:
		return nil
	}
	return s.groups.next(s.res)
}

// compareGroups works out anew what is due.
func (s *State) compareGroups() {
	g := &s.groups
	g.joins, g.leaves = nil, nil
	wanted := make(map[plan.Membership]struct{}, len(g.state))
	g.over = s.res.Joins(g.limit, func(m plan.Membership) {
		wanted[m] = struct{}{}
		g.want(m)
	})
	for m := range g.state {
		if _, ok := wanted[m]; !ok {
			g.unwant(m)
		}
	}
	sorted(g.leaves)
}

// compareSome does the same after small changes, while nothing else is due.
func (s *State) compareSome() {
	for _, m := range s.work.some {
		if s.res.Joined(m) {
			s.groups.want(m)
		} else {
			s.groups.unwant(m)
		}
	}
	sorted(s.groups.leaves)
}

func (g *memberships) want(m plan.Membership) {
	switch g.state[m] {
	case 0:
		g.state[m] = queued
		g.joins = append(g.joins, membership(m))
	case queued, again:
		g.joins = append(g.joins, membership(m))
	}
}

func (g *memberships) unwant(m plan.Membership) {
	if g.state[m] == joined {
		g.leaves = append(g.leaves, membership(m))
	} else {
		g.forget(m)
	}
}

// manyJoins is how many memberships of one client's change are looked at one
// by one; beyond, comparing all is cheaper.
const manyJoins = 16

func (s *State) touchJoin(j mroute.Join) {
	n := plan.PrefixSize(j.Match.Group, manyJoins)
	if j.Match.Source.IsValid() {
		n *= plan.PrefixSize(j.Match.Source, manyJoins)
	}
	g := &s.groups
	if n > manyJoins || g.due() > 0 || g.over {
		s.work.joins = true
		return
	}
	for m := range s.res.JoinsOf(j) {
		s.work.some = append(s.work.some, m)
	}
	if len(g.state)+len(s.work.some) > g.limit {
		s.work.joins = true
	}
}
