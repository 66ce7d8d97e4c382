package core

import (
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// expiryChunk is how many counters one round reads at a time, so that upcalls
// need not wait for the whole of it: they wait for about 1.3 ms. To the kernel it
// makes no difference, see BenchmarkStall of agent/kernel/linux.
const expiryChunk = 1024

// expiry is a round that goes over all flows, class by class and oldest first.
type expiry struct {
	running  bool
	age      time.Duration
	class    class
	family   int // position in State.tables
	next     *flow
	sgs      []mroute.SG
	counters []mroute.Counters
}

// expire starts a round, unless one is under way.
func (s *State) expire(age time.Duration) []Effect {
	e := &s.limits.expiry
	if e.running || len(s.tables) == 0 {
		return nil
	}
	e.running, e.age, e.class, e.family = true, age, classOther, 0
	e.next = s.limits.queues[e.class].oldest
	return s.nextRead()
}

// nextRead reads some more, or ends the round.
func (s *State) nextRead() []Effect {
	l := s.limits
	e := &l.expiry
	for {
		t := s.tables[e.family]
		e.sgs = e.sgs[:0]
		for e.next != nil && len(e.sgs) < expiryChunk {
			f := e.next
			e.next = f.newer
			if f.sg.Family() == t.family {
				e.sgs = append(e.sgs, f.sg)
			}
		}
		switch {
		case len(e.sgs) > 0:
			if e.counters == nil {
				e.counters = make([]mroute.Counters, expiryChunk)
			}
			return []Effect{ReadCounters{Family: t.family, SGs: e.sgs, Counters: e.counters[:len(e.sgs)]}}
		case e.family+1 < len(s.tables):
			e.family++
		case e.class+1 < classes:
			e.class, e.family = e.class+1, 0
		default:
			e.running = false
			return nil
		}
		e.next = l.queues[e.class].oldest
	}
}

func (s *State) countersRead(ev CountersRead, now time.Time) []Effect {
	if ev.look {
		return s.lookRead(ev, now)
	}
	if t := s.table(ev.Family); t != nil && ev.Err == nil {
		for i, sg := range ev.SGs {
			// The first visit only notes the count.
			if f := t.flows.Get(sg); f != nil {
				if since := f.unchanged(ev.Counters[i], now); since >= 0 && since >= s.limits.expiry.age {
					t.dropFlow(sg)
					s.work.sgs = append(s.work.sgs, sg)
				}
			}
		}
	}
	return s.nextRead()
}
