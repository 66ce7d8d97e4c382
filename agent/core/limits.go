package core

import (
	"slices"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// Anybody who can send packets to a router can make up sources, and each costs
// an entry, here and in the kernel. So there is a limit on the number of entries
// that packets make, learned ones and stop filters, and rules can have limits of
// their own on those they learn.
//
// Some of the room is for stop filters alone. Beyond that they come last: the
// oldest makes room for whatever is new. A learned entry makes room only if it is
// idle, see look; if none is, a new flow gets a stop filter instead. It cannot be
// left without an answer: the kernel keeps such flows in a list that it searches
// for each packet of another one, and that has no bound when its questions are read.

// maxReserve is how much of the room is for stop filters at most.
const maxReserve = 1024

// limits are the flows by class, and how many there may be.
type limits struct {
	max    int // learned and stopped flows; 0: any number
	all    quota
	rules  map[*mroute.Route]*quota
	order  []*quota // of rules, in their order
	queues [classes]queue
	counts [classes]int

	now     time.Time // of the event that is worked on
	feeding []*mroute.Route
	last    *share // that a flow was given
	waiting []*flow
	out     []mroute.SG // flows that made room: their entries go next

	look   look
	expiry expiry
}

// quota is the limit of one rule, or of the router.
type quota struct {
	id       quotaID
	rule     *mroute.Route // one of them; nil: the router's
	limit    int           // 0: none
	learned  int
	refusing int // flows that have a stop filter because of it
	evicted  uint64
	refused  uint64

	pressed time.Time // when it last did something; zero: it is at ease
	told    bool      // in the log

	idle   []*flow // that may make room, oldest first
	idleAt time.Time
}

// quotaID tells rules apart for which the rest may differ from layer to layer.
type quotaID struct {
	ref   string
	from  mroute.IfPattern
	match mroute.Match
}

// share is the rules with a limit that a flow counts for. Flows share it.
type share struct{ quotas []*quota }

func newLimits(maxFlows int) *limits {
	l := &limits{max: maxFlows}
	if maxFlows > 0 {
		reserve := min(max(maxFlows/8, 1), maxReserve)
		l.all.limit = max(maxFlows-reserve, 1)
	}
	return l
}

// flows is the number of those that count.
func (l *limits) flows() int { return l.counts[classLearned] + l.counts[classStopped] }

// room reports whether there is any for another flow.
func (l *limits) room() bool { return l.max == 0 || l.flows() < l.max }

// setRules takes the rules that have a limit now. Several lines for one match on
// one interface are one rule, with the lowest of their limits.
func (l *limits) setRules(in *plan.Intent) {
	before := make(map[quotaID]*quota, len(l.order))
	for _, q := range l.order {
		before[q.id] = q
	}
	l.rules, l.order = nil, nil
	now := make(map[quotaID]*quota)
	in.Limited(func(rt *mroute.Route) {
		id := quotaID{rt.Origin.Ref, rt.From, mroute.Match{Source: rt.Match.Source.Masked(), Group: rt.Match.Group.Masked()}}
		if l.rules == nil {
			l.rules = make(map[*mroute.Route]*quota)
		}
		q := now[id]
		if q == nil {
			if q = before[id]; q == nil {
				q = &quota{id: id}
			}
			q.rule, q.limit = rt, rt.MaxFlows
			now[id] = q
			l.order = append(l.order, q)
		}
		q.limit = min(q.limit, rt.MaxFlows)
		l.rules[rt] = q
	})
}

// shareOf is what a flow counts for when it is learned.
func (s *State) shareOf(f *flow) *share {
	l := s.limits
	if len(l.rules) == 0 {
		return nil
	}
	l.feeding = s.res.Feeding(l.feeding[:0], f.sg, f.ifindex)
	var quotas [4]*quota
	qs := quotas[:0]
	for _, rt := range l.feeding {
		if q := l.rules[rt]; q != nil && !slices.Contains(qs, q) {
			qs = append(qs, q)
		}
	}
	switch {
	case len(qs) == 0:
		return nil
	case l.last == nil || !slices.Equal(qs, l.last.quotas):
		l.last = &share{slices.Clone(qs)}
	}
	return l.last
}

// charge counts a flow for what it has come to.
func (l *limits) charge(f *flow, c class, sh *share) {
	if f.class == classLearned {
		l.count(f.shares, -1)
	}
	if f.class != c {
		if f.class != noClass {
			l.passOver(f)
			l.queues[f.class].remove(f)
			l.counts[f.class]--
		}
		if c != noClass {
			l.queues[c].add(f)
			l.counts[c]++
		}
	}
	f.class, f.shares = c, sh
	if c == classLearned {
		l.count(sh, +1)
	}
}

func (l *limits) count(sh *share, n int) {
	l.all.learned += n
	if sh != nil {
		for _, q := range sh.quotas {
			q.learned += n
		}
	}
}

// each calls f for the router's quota and those of rules.
func (l *limits) each(f func(*quota)) {
	for _, q := range l.order {
		f(q)
	}
	f(&l.all)
}

// each calls f for the quotas that a learned flow counts for, until one is false:
// those of rules first.
func (sh *share) each(all *quota, f func(*quota) bool) {
	if sh != nil {
		for _, q := range sh.quotas {
			if !f(q) {
				return
			}
		}
	}
	f(all)
}

func (sh *share) has(q *quota) bool { return sh != nil && slices.Contains(sh.quotas, q) }

func (q *quota) full() bool { return q.limit > 0 && q.learned >= q.limit }

// scarce reports whether it is time to know who could make room.
func (q *quota) scarce() bool { return q.limit > 0 && q.learned >= q.limit-max(1, q.limit/16) }

// press notes that the limit does something.
func (q *quota) press(now time.Time) { q.pressed = now }

// Counts of a rule, for listings.
func (q *quota) counts() mroute.FlowCounts {
	return mroute.FlowCounts{Learned: q.learned, Limit: q.limit, Evicted: q.evicted, Refused: q.refused, Full: !q.pressed.IsZero()}
}

// flowCounts are those of the router.
func (l *limits) flowCounts() mroute.FlowCounts {
	c := l.all.counts()
	c.Stopped, c.Limit = l.counts[classStopped], l.max
	return c
}

// views are those of rules.
func (l *limits) views() []mroute.LimitView {
	var views []mroute.LimitView
	for _, q := range l.order {
		views = append(views, mroute.LimitView{From: q.rule.From, Match: q.rule.Match, Origin: q.rule.Origin, FlowCounts: q.counts()})
	}
	return views
}
