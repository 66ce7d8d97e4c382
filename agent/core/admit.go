package core

import (
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// maxWaiting is how many flows may wait for a look at which others are idle. The
// kernel keeps up to four packets of each meanwhile, for milliseconds.
const maxWaiting = 256

// idleFresh is for how long the answer to such a look counts.
const idleFresh = 2 * time.Second

// admit sees to it that there is room for what is wanted for a flow. It returns
// what to set instead, or false if the flow is to wait.
func (s *State) admit(t *table, f *flow, want mroute.Entry, wanted bool) (mroute.Entry, bool) {
	l := s.limits
	switch {
	case !wanted || want.Kind == mroute.Static:
		l.relent(f)
		l.charge(f, classOther, nil)
		return want, true
	case want.Kind == mroute.StopFilter:
		l.relent(f)
		s.stop(f)
		return want, true
	}
	sh := s.shareOf(f)
	if f.class == classLearned {
		l.charge(f, classLearned, sh)
		return want, true
	}
	if q := s.makeRoom(f, sh); q != nil && !s.passes(t, f) {
		return s.refuse(t, f, want, q)
	}
	l.relent(f)
	l.charge(f, classLearned, sh)
	sh.each(&l.all, func(q *quota) bool {
		l.look.wanted = l.look.wanted || q.scarce()
		return true
	})
	return want, true
}

// makeRoom has idle flows make room for another that is to be learned. If there
// is none it returns who lacks it.
func (s *State) makeRoom(f *flow, sh *share) (lacks *quota) {
	l := s.limits
	sh.each(&l.all, func(q *quota) bool {
		if !q.full() {
			return true
		}
		// A flow that was not asked about just now can wait for room.
		var victim *flow
		if f.news {
			victim = q.takeIdle(&l.all, l.now)
		}
		if victim == nil {
			lacks = q
			return false
		}
		q.evicted++
		if q != &l.all {
			l.all.evicted++
		}
		q.press(l.now)
		s.evict(victim)
		return true
	})
	if lacks == nil && f.class != classStopped {
		s.pushOut()
	}
	return lacks
}

// passes reports whether the flow's entry goes as soon as the kernel has the (*,G)
// entry that forwards its group. A stop filter would stop it until then, and after.
func (s *State) passes(t *table, f *flow) bool {
	if f.apart || !s.in.AsksForNative(f.sg.Group) {
		return false
	}
	e, ok := s.res.Entry(mroute.SG{Group: f.sg.Group}, 0, &t.vifs)
	return ok && e.Kind == mroute.Static
}

// stop counts a flow as one with a stop filter.
func (s *State) stop(f *flow) {
	if f.class == classStopped {
		return
	}
	if f.class != classLearned {
		s.pushOut()
	}
	s.limits.charge(f, classStopped, nil)
}

// pushOut has the oldest stop filter make room for one more flow of any kind.
func (s *State) pushOut() {
	l := s.limits
	f := l.queues[classStopped].oldest
	if l.room() || f == nil {
		return
	}
	l.all.evicted++
	l.all.press(l.now)
	s.evict(f)
}

// evict forgets a flow. Its entry goes before the next is set.
func (s *State) evict(f *flow) {
	t := s.table(f.sg.Family())
	t.dropFlow(f.sg)
	if c := t.cells.Get(f.sg); c != nil && c.round == s.round {
		c.round = 0 // what was compared is not so any more
		s.work.compared--
	}
	s.limits.out = append(s.limits.out, f.sg)
}

// refuse is for a flow that would be learned if q had room. It waits if it is
// worth it, else it gets a stop filter.
func (s *State) refuse(t *table, f *flow, want mroute.Entry, q *quota) (mroute.Entry, bool) {
	l := s.limits
	l.look.wanted = true
	if f.class == classOther && f.news && t.cells.Get(f.sg) == nil && l.mayWait() {
		f.waits = true
		l.waiting = append(l.waiting, f)
		return want, false
	}
	q.press(l.now)
	if f.refusedBy == nil {
		q.refused++
		if q != &l.all {
			l.all.refused++
		}
	}
	l.relent(f)
	f.refusedBy = q
	q.refusing++
	l.look.refusing++
	f.news = f.news && (f.class != classStopped || f.moved) // or else it was told
	s.stop(f)
	return mroute.Entry{IIF: want.IIF, Kind: mroute.StopFilter}, true
}

// relent notes that a flow is not refused, or not any more.
func (l *limits) relent(f *flow) {
	if f.refusedBy == nil {
		return
	}
	f.refusedBy.refusing--
	l.look.refusing--
	f.refusedBy = nil
}

// takeIdle takes one of the flows that were found idle just now.
func (q *quota) takeIdle(all *quota, now time.Time) *flow {
	if now.Sub(q.idleAt) > idleFresh {
		q.idle = nil
	}
	for len(q.idle) > 0 {
		f := q.idle[0]
		q.idle = q.idle[1:]
		if q.mayEvict(all, f) {
			return f
		}
	}
	q.idle = nil
	return nil
}

// mayEvict reports whether a flow that was found idle is still that one.
func (q *quota) mayEvict(all *quota, f *flow) bool {
	return f.class == classLearned && !f.news && (q == all || f.shares.has(q))
}

// evictions adds to b the ops that delete the entries of flows that made room, or
// set them to what is wanted without.
func (s *State) evictions(b *batch) {
	for len(s.limits.out) > 0 {
		out := s.limits.out
		s.limits.out = nil
		for _, sg := range out {
			n := len(s.work.dels)
			s.compare(sg, b)
			for _, op := range s.work.dels[n:] {
				s.prepareToLose(s.table(op.Family), op.SG, b)
				b.ops, b.cells = append(b.ops, op), append(b.cells, nil)
			}
			s.work.dels = s.work.dels[:n]
		}
		if s.limits.out == nil {
			s.limits.out = out[:0]
			return
		}
	}
}
