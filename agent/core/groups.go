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

	// How many are joined or left at a time. The kernel searches those of a link
	// for each, so that the more there are the smaller the chunks: each takes some
	// milliseconds.
	mostJoins   = 1 << 10
	fewestJoins = 1 << 6
	searches    = 1 << 20 // of one membership, in a chunk
)

// memberships are the groups that the kernel is believed to have joined, and
// those that are on their way.
type memberships struct {
	limit int // MaxMemberships
	chunk int // for tests: how many at a time; 0: see mostJoins

	// Whatever is wanted, up to the limit, and what is yet to be left.
	state  map[plan.Membership]*member
	pass   uint                      // of the last pass over all that is wanted
	why    map[plan.Membership]error // of those refused
	failed int                       // number of those refused, or to be tried again
	over   bool                      // more than the limit are wanted

	// What is due: joins in order, then leaves. It goes on in chunks, so that
	// packets and callers need not wait for all of it.
	joins, leaves []membership
	called        bool // a Later is under way

	left bool // a membership was given up, so that a refused one may have room
}

type member struct {
	state joinState
	pass  uint // the last one that came by
}

type joinState uint8

const (
	unknown joinState = iota
	queued
	joined
	refused
	again // refused, and to be tried once more
)

func newMemberships() memberships {
	return memberships{
		limit: MaxMemberships,
		state: make(map[plan.Membership]*member),
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
	for m, mb := range g.state {
		if links[m.Ifindex] && mb.state == joined {
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
	for _, mb := range g.state {
		if mb.state == refused {
			mb.state = again
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
	if op.Kind == mroute.LeaveGroup {
		// Whatever the kernel said, it is not ours to keep any more.
		g.forget(m)
		g.left = true
		return
	}
	mb := g.state[m]
	if mb.state >= refused {
		g.failed--
		delete(g.why, m)
	}
	mb.state = joined
	if err != nil {
		mb.state, g.why[m] = refused, err
		g.failed++
	}
}

// is tells the state of a membership.
func (g *memberships) is(m plan.Membership) joinState {
	if mb := g.state[m]; mb != nil {
		return mb.state
	}
	return unknown
}

// forget drops what is known of a membership.
func (g *memberships) forget(m plan.Membership) {
	if g.is(m) >= refused {
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
	chunk := g.chunk
	if chunk == 0 {
		chunk = max(fewestJoins, min(mostJoins, searches/(len(g.state)+1)))
	}
	ops := make([]mroute.Op, 0, min(g.due(), chunk))
	for len(g.joins) > 0 && len(ops) < chunk {
		ops = append(ops, g.joins[0].op(mroute.JoinGroup, res))
		g.joins = g.joins[1:]
	}
	// The last one joined leaves first: the kernel keeps the newest at the head
	// of a list that it searches. The other way round 65536 take a minute.
	for len(g.leaves) > 0 && len(ops) < chunk {
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
	g.over = false
	g.pass++
	n := 0
	s.res.Joins(func(m plan.Membership) bool {
		mb := g.state[m]
		if mb != nil && mb.pass == g.pass {
			return true
		}
		if n == g.limit {
			g.over = true
			return false
		}
		n++
		g.want(m, mb)
		return true
	})
	for m, mb := range g.state {
		if mb.pass != g.pass {
			g.unwant(m)
		}
	}
	sorted(g.leaves)
}

// compareSome does the same after small changes, while nothing else is due.
func (s *State) compareSome() {
	for _, m := range s.work.some {
		if s.res.Joined(m) {
			s.groups.want(m, s.groups.state[m])
		} else {
			s.groups.unwant(m)
		}
	}
	sorted(s.groups.leaves)
}

// want makes what is due of a membership that is wanted. mb is what is known of
// it, or nil.
func (g *memberships) want(m plan.Membership, mb *member) {
	if mb == nil {
		mb = &member{state: queued}
		g.state[m] = mb
	}
	mb.pass = g.pass
	if mb.state == queued || mb.state == again {
		g.joins = append(g.joins, membership(m))
	}
}

// unwant does the same for one that is not.
func (g *memberships) unwant(m plan.Membership) {
	if g.is(m) == joined {
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
	if n > manyJoins || g.due() > 0 {
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

// joined lists every single membership that the kernel holds, each once, in the
// order in which lines ask for them.
func (s *State) joined() []mroute.GroupView {
	var gs []mroute.GroupView
	g := &s.groups
	g.pass++
	s.res.Joins(func(m plan.Membership) bool {
		mb := g.state[m]
		if mb == nil {
			return false // this is where the limit was reached
		}
		if mb.pass != g.pass && mb.state == joined {
			l, _ := s.res.Link(m.Ifindex)
			gs = append(gs, mroute.GroupView{Match: mroute.MatchSG(m.SG), If: l.Name})
		}
		mb.pass = g.pass
		return true
	})
	return gs
}
