package agent

import (
	"context"
	"io"
	"time"

	"github.com/smcroute/kube-smcroute/agent/heap"
	"github.com/smcroute/kube-smcroute/agent/meter"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/view"
)

// Observation is a router, and how to ask it what there is to tell.
type Observation struct {
	Place mroute.Place
	Main  bool // the router of the node
	Meter *meter.Router

	// Survey asks it. The state has the snapshot, or says why there is none.
	Survey func(context.Context, mroute.Survey) mroute.RouterState
}

// WriteState writes the state of the router, as [Agent.WriteState] does, with that head.
func (o *Observation) WriteState(ctx context.Context, to io.Writer, head view.Head) error {
	return writeState(ctx, to, view.About{}, head, o.ask, nil)
}

// Observe tells of the router.
func (a *Agent) Observe() Observation {
	return Observation{
		Place: mroute.Place{NetNS: a.o.NetNS, Table: a.o.Table}, Main: true, Meter: &a.meter,
		Survey: func(ctx context.Context, asked mroute.Survey) mroute.RouterState {
			defer heap.Frugal()()
			return stateOf(a.Survey(ctx, asked))
		},
	}
}

// Observe tells of every router that is wanted, and of Main. The result is nil if Run
// has ended, or does not answer before ctx is done.
func (r *Routers) Observe(ctx context.Context) []Observation {
	var all []Observation
	for _, x := range r.all(ctx) {
		all = append(all, Observation{
			Place: x.place, Main: x == r.main, Meter: x.meter,
			Survey: func(ctx context.Context, asked mroute.Survey) mroute.RouterState {
				defer heap.Frugal()()
				return x.state(func(b backend) (*mroute.Snapshot, error) { return b.Survey(ctx, asked) })
			},
		})
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
