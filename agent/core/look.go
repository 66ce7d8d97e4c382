package core

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

const (
	// idleAfter is how long a learned flow must have been without packets to make
	// room for another, and one that was refused to be forgotten. If it is asked
	// about again it costs no packet: the kernel keeps the first ones.
	idleAfter = 5 * time.Second

	// lookPause is the least time between two looks, lookPeriod the time between
	// them while flows are refused.
	lookPause  = 250 * time.Millisecond
	lookPeriod = 5 * time.Second

	// atEase is for how long a limit must have done nothing to be told of no more.
	atEase = time.Minute
)

// look is a pass over the flows, oldest first, to see which are idle: over the
// learned ones for those that can make room, then over those that were refused,
// to learn those whose packets keep coming and to forget the rest.
type look struct {
	wanted   bool
	running  bool
	woken    bool // a LookAgain is under way
	stopped  bool // it goes over refused flows
	family   int  // position in State.tables
	next     *flow
	sgs      []mroute.SG
	counters []mroute.Counters
	refusing int // flows with a stop filter for lack of room

	longest   time.Duration // idle time of a flow that was not idle enough
	notBefore time.Time     // no other look is worth it
}

// mayWait reports whether a look that runs, or is about to, could find room.
func (l *limits) mayWait() bool {
	return len(l.waiting) < maxWaiting && (l.look.running || !l.now.Before(l.look.notBefore))
}

// passOver keeps passes over the flows from one that leaves its class.
func (l *limits) passOver(f *flow) {
	if l.look.next == f {
		l.look.next = f.newer
	}
	if l.expiry.next == f {
		l.expiry.next = f.newer
	}
}

// looks starts a look if one is wanted, or has one come later.
func (s *State) looks() []Effect {
	l := s.limits
	if l.look.running || len(s.inflight.ops) > 0 {
		return nil
	}
	var out []Effect
	if l.look.wanted && !l.now.Before(l.look.notBefore) {
		l.look.wanted = false
		l.look.running, l.look.stopped, l.look.family, l.look.longest = true, false, 0, 0
		l.look.next = l.queues[classLearned].oldest
		l.each(func(q *quota) {
			q.idle = nil
			q.idleAt = l.now
		})
		out = s.nextLook()
	}
	out = append(out, s.limitLogs()...)
	if !l.look.woken && (l.look.refusing > 0 || l.pressed()) {
		l.look.woken = true
		out = append(out, LookAgain{lookPeriod})
	}
	return out
}

// nextLook reads the counters of some more flows, or ends the look.
func (s *State) nextLook() []Effect {
	l := s.limits
	k := &l.look
	for {
		t := s.tables[k.family]
		if k.stopped && k.refusing == 0 || !k.stopped && !l.seeks() {
			k.next = nil
		}
		k.sgs = k.sgs[:0]
		for k.next != nil && len(k.sgs) < expiryChunk {
			f := k.next
			k.next = f.newer
			if f.sg.Family() == t.family && l.concerns(f) {
				k.sgs = append(k.sgs, f.sg)
			}
		}
		switch {
		case len(k.sgs) > 0:
			if k.counters == nil {
				k.counters = make([]mroute.Counters, expiryChunk)
			}
			return []Effect{ReadCounters{Family: t.family, SGs: k.sgs, Counters: k.counters[:len(k.sgs)], look: true}}
		case k.family+1 < len(s.tables):
			k.family++
		case !k.stopped:
			k.stopped, k.family = true, 0
		default:
			s.looked()
			return nil
		}
		k.next = l.queues[classLearned].oldest
		if k.stopped {
			k.next = l.queues[classStopped].oldest
		}
	}
}

// enough is how many idle flows a look finds for a quota.
func (q *quota) enough() int { return max(16, min(q.limit/16, 4096)) }

// seeks reports whether idle flows are to be found still.
func (l *limits) seeks() bool {
	some := false
	l.each(func(q *quota) { some = some || q.seeks() })
	return some
}

func (q *quota) seeks() bool { return q.scarce() && len(q.idle) < q.enough() }

// concerns reports whether the look is for this flow.
func (l *limits) concerns(f *flow) bool {
	if l.look.stopped {
		return f.refusedBy != nil
	}
	if f.news {
		return false
	}
	some := false
	f.shares.each(&l.all, func(q *quota) bool {
		some = q.seeks()
		return !some
	})
	return some
}

// lookRead takes what was read for a look.
func (s *State) lookRead(ev CountersRead, now time.Time) []Effect {
	l := s.limits
	if t := s.table(ev.Family); t != nil && ev.Err == nil {
		for i, sg := range ev.SGs {
			f := t.flows.Get(sg)
			if f == nil {
				continue
			}
			idle := f.idleFor(ev.Counters[i], now)
			switch {
			case f.class == classLearned && idle >= idleAfter:
				f.shares.each(&l.all, func(q *quota) bool {
					if q.scarce() {
						q.idle = append(q.idle, f)
					}
					return true
				})
			case f.class == classLearned:
				l.look.longest = max(l.look.longest, idle)
			case f.refusedBy == nil:
			case idle >= idleAfter:
				s.evict(f)
				s.work.sgs = append(s.work.sgs, sg)
			case l.worth(f):
				f.news = true
				s.work.sgs = append(s.work.sgs, sg)
			}
		}
	}
	if ev.Err != nil {
		l.look.next, l.look.stopped, l.look.family = nil, true, len(s.tables)-1
	}
	more := s.nextLook()
	s.answerWaiting()
	return more
}

// worth reports whether a refused flow may find room.
func (l *limits) worth(f *flow) bool {
	q := f.refusedBy
	return !q.full() || len(q.idle) > 0
}

// answerWaiting has the flows that wait looked at again.
func (s *State) answerWaiting() {
	l := s.limits
	for _, f := range l.waiting {
		if t := s.table(f.sg.Family()); f.waits && t.flows.Get(f.sg) == f {
			s.work.sgs = append(s.work.sgs, f.sg)
		}
		f.waits = false
	}
	clear(l.waiting)
	l.waiting = l.waiting[:0]
}

// looked ends a look. The next is worth it when another flow can be idle.
func (s *State) looked() {
	l := s.limits
	l.look.running = false
	found := false
	l.each(func(q *quota) { found = found || len(q.idle) > 0 })
	pause := lookPause
	if !found {
		pause = max(pause, idleAfter-l.look.longest)
	}
	l.look.notBefore = l.now.Add(pause)
}

// lookAgainDue is for a LookAgain whose time has come.
func (s *State) lookAgainDue(now time.Time) (out []Effect) {
	l := s.limits
	l.look.woken = false
	l.each(func(q *quota) {
		if !q.pressed.IsZero() && q.refusing == 0 && (now.Sub(q.pressed) >= atEase || l.roomy(q)) {
			q.pressed, q.idle = time.Time{}, nil
			out = []Effect{Changed{}}
		}
	})
	l.look.wanted = l.look.wanted || l.look.refusing > 0
	return out
}

// roomy reports whether there is so much room that a limit is out of sight.
func (l *limits) roomy(q *quota) bool {
	return !q.scarce() && (q != &l.all || l.flows() < l.max-l.max/16)
}

// pressed reports whether a limit is at work.
func (l *limits) pressed() bool {
	some := false
	l.each(func(q *quota) { some = some || !q.pressed.IsZero() })
	return some
}

// limitLogs tells which limits have begun to be at work, or ceased.
func (s *State) limitLogs() (out []Effect) {
	l := s.limits
	l.each(func(q *quota) {
		pressed := !q.pressed.IsZero()
		if pressed == q.told {
			return
		}
		q.told = pressed
		if pressed {
			out = append(out, Log{slog.LevelWarn, q.problem(l)}, Changed{})
		} else {
			out = append(out, Log{LevelNotice, fmt.Sprintf("%s has room for new flows again", q.name())})
		}
	})
	return out
}

func (q *quota) name() string {
	if q.rule == nil {
		return "the router"
	}
	return fmt.Sprintf("the rule %v from %s", q.rule.Match, q.rule.From.Name())
}

// problem says what the limit does.
func (q *quota) problem(l *limits) string {
	const so = "idle ones make room for new ones, which are stopped if there are none"
	if q.rule == nil {
		return fmt.Sprintf("the router has entries for %d flows, as many as it may: %s", l.max, so)
	}
	return fmt.Sprintf("%s has learned %d flows, as many as it may: %s", q.name(), q.limit, so)
}
