package core

import (
	"maps"
	"slices"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// expiryChunk is how many counters one round reads at a time, so that upcalls
// need not wait for the whole of it.
const expiryChunk = 1024

// expiry is a round that goes over all flows.
type expiry struct {
	age   time.Duration
	queue []ReadCounters
}

// expire starts a round, unless one is under way.
func (s *State) expire(age time.Duration) []Effect {
	if len(s.expiry.queue) > 0 {
		return nil
	}
	s.expiry.age = age
	for _, t := range s.tables {
		sgs := slices.SortedFunc(maps.Keys(t.flows), mroute.SG.Compare)
		for chunk := range slices.Chunk(sgs, expiryChunk) {
			s.expiry.queue = append(s.expiry.queue, ReadCounters{t.family, chunk})
		}
	}
	return s.nextRead()
}

func (s *State) nextRead() []Effect {
	if len(s.expiry.queue) == 0 {
		return nil
	}
	return []Effect{s.expiry.queue[0]}
}

func (s *State) countersRead(ev CountersRead, now time.Time) []Effect {
	if t := s.table(ev.Family); t != nil && ev.Err == nil {
		for i, sg := range ev.SGs {
			if f := t.flows[sg]; f != nil && f.idle(ev.Counters[i], s.expiry.age, now) {
				t.dropFlow(sg)
				s.work.sgs = append(s.work.sgs, sg)
			}
		}
	}
	if len(s.expiry.queue) > 0 {
		s.expiry.queue = s.expiry.queue[1:]
	}
	return s.nextRead()
}

// idle notes the flow's count, and reports whether it has not changed for age.
// The first visit only notes it.
func (f *flow) idle(c mroute.Counters, age time.Duration, now time.Time) bool {
	count := c.Packets - c.WrongIf
	if f.noted && f.count == count {
		return now.Sub(f.notedAt) >= age
	}
	f.noted, f.count, f.notedAt = true, count, now
	return false
}
