package node

import (
	"context"
	"sync"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/status"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// Load adds the counters of an earlier report of this node, so that they go on
// where they were when an agent ended. Only the first call does.
func (p *Programmer) Load(earlier *v1alpha1.MulticastNodeStateStatus) {
	p.reporting.Lock()
	defer p.reporting.Unlock()
	p.ledger.Load(earlier)
}

// Report tells what became of the last World, with the kernel's counters. The
// error is [ErrNothingYet], or that of ctx.
func (p *Programmer) Report(ctx context.Context) (*v1alpha1.MulticastNodeStateStatus, error) {
	return p.report(ctx, true)
}

// report makes a report, and logs what is another state than in the last one.
func (p *Programmer) report(ctx context.Context, counters bool) (*v1alpha1.MulticastNodeStateStatus, error) {
	last := p.outcome()
	if last == nil {
		return nil, ErrNothingYet
	}
	p.reporting.Lock()
	defer p.reporting.Unlock()
	ledger := &p.ledger
	if !counters {
		ledger = &status.Ledger{}
	}
	round := status.NewRound(last.objects, ledger, status.Options{
		Now:          time.Now(),
		AgentVersion: p.o.AgentVersion,
		Flows:        p.o.Full && counters,
		Pods:         last.pods,
	})
	states := p.o.Routers.Digests(ctx, last.visit(round, counters))
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if p.o.Reported != nil {
		defer p.o.Reported(round.Entries())
	}
	s := round.Report(last.states(states))
	p.log.update(&s)
	return &s, nil
}

// visit adds entries to a round, if there is to be anything in it.
func (o *outcome) visit(round *status.Round, counters bool) func(mroute.Place, time.Time, []mroute.EntryView) {
	if !counters {
		return nil
	}
	of := make(map[mroute.Place]translate.Router, len(o.at))
	for router, l := range o.at {
		if l.known() {
			of[l.place] = router
		}
	}
	var mu sync.Mutex // guards round
	return func(at mroute.Place, now time.Time, entries []mroute.EntryView) {
		if router, ok := of[at]; ok {
			mu.Lock()
			defer mu.Unlock()
			round.Add(router, now, entries)
		}
	}
}

// states are those of the routers that objects are in.
func (o *outcome) states(at map[mroute.Place]mroute.RouterState) map[translate.Router]mroute.RouterState {
	out := make(map[translate.Router]mroute.RouterState, len(o.at))
	for router, l := range o.at {
		if !l.known() {
			out[router] = mroute.RouterState{Err: l.missing}
		} else if s, ok := at[l.place]; ok {
			out[router] = s
		}
	}
	return out
}

// quiet is the least time between two looks of Watch: the listing of a large
// router takes a while.
const quiet = time.Second

// Watch looks at the routers when they may have changed, and logs it if an
// object's state is another one, until ctx is done.
func (p *Programmer) Watch(ctx context.Context, changed <-chan struct{}) {
	for {
		var took time.Duration
		select {
		case <-changed:
			before := time.Now()
			_, _ = p.report(ctx, false)
			took = time.Since(before)
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(max(quiet, 20*took)):
		case <-ctx.Done():
			return
		}
	}
}
