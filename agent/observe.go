package agent

import (
	"context"
	"time"

	"github.com/smcroute/kube-smcroute/agent/meter"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Observation is all that there is to tell of a router.
type Observation struct {
	Place mroute.Place
	Main  bool               // the router of the node
	State mroute.RouterState // with counters
	Meter *meter.Router
}

// Observe tells of the router at this moment.
func (a *Agent) Observe(ctx context.Context) Observation {
	o := Observation{Place: mroute.Place{NetNS: a.o.NetNS, Table: a.o.Table}, Main: true, Meter: &a.meter}
	snap, err := a.Snapshot(ctx, true)
	if o.State = (mroute.RouterState{Snapshot: snap, Err: err}); err != nil {
		o.State.Cause = causeOf(err)
	}
	return o
}

// Observe tells of every router that is wanted, and of Main: see [Routers.States].
func (r *Routers) Observe(ctx context.Context) []Observation {
	var all []Observation
	for _, x := range r.ask(ctx, func(_ mroute.Place, b backend) (*mroute.Snapshot, error) { return b.Snapshot(ctx, true) }) {
		all = append(all, Observation{Place: x.place, Main: x.place == r.main.place, State: x.state, Meter: x.meter})
	}
	return all
}

// lastRead is how the configuration file was read.
type lastRead struct {
	success bool
	at      time.Time // of the last success; zero: never
}

// noteRead notes how it was read now.
func (a *Agent) noteRead(success bool) {
	now := lastRead{success: success}
	if success {
		now.at = time.Now()
	} else if before := a.lastRead.Load(); before != nil {
		now.at = before.at
	}
	a.lastRead.Store(&now)
}

// LastRead tells whether the configuration file was taken over without an error
// when it was read last, and when it was for the last time; the zero time is never.
// ok is false if there has been none.
func (a *Agent) LastRead() (success bool, at time.Time, ok bool) {
	r := a.lastRead.Load()
	if r == nil {
		return false, time.Time{}, false
	}
	return r.success, r.at, true
}
