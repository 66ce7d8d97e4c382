package summary

import (
	"time"

	"golang.org/x/time/rate"
)

// class is why a status is written, the most urgent first.
type class int

const (
	fresh    class = iota // somebody has changed the object a moment ago, and waits for what becomes of it
	state                 // what nodes report of it is another
	counters              // nothing but counters
	classes
)

// share is which part of all watch events a class may cause.
var share = [classes]float64{fresh: 0.5, state: 0.25, counters: 0.25}

// burst is for how much time a class may spend in advance what it has saved.
const burst = 10 * time.Second

// pace spreads writes of statuses: a write is one watch event for each agent, so what
// is nothing for ten nodes is a storm for thousands, as when a node is lost that all
// routes select. Each class has its own share, so that none waits for a lesser one.
type pace struct {
	events float64 // watch events a second, of all classes
	limits [classes]*rate.Limiter
}

func newPace(events float64) *pace {
	p := &pace{events: events}
	for i := range p.limits {
		p.limits[i] = rate.NewLimiter(rate.Inf, 1)
	}
	return p
}

// reserve returns when a write may be made that so many agents watch, and counts it.
func (p *pace) reserve(c class, watchers int, now time.Time) time.Time {
	limit := p.limits[c]
	if each := share[c] * p.events / float64(max(watchers, 1)); rate.Limit(each) != limit.Limit() {
		limit.SetBurstAt(now, max(1, int(each*burst.Seconds())))
		limit.SetLimitAt(now, rate.Limit(each))
	}
	return now.Add(limit.ReserveN(now, 1).DelayFrom(now))
}
