package agent

import (
	"context"

	"github.com/smcroute/kube-smcroute/agent/heap"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/view"
)

// Visit gives v the rules and flows of the router, as far as it wants them, while the
// router is gone over, and returns the rest of its state.
func (a *Agent) Visit(ctx context.Context, v view.Visit) (*view.State, error) {
	s, err := visit(ctx, v, a.head(), a.Survey)
	if err == nil {
		a.namePods(s)
	}
	return s, err
}

// Visit does that with a router that has this head.
func (o *Observation) Visit(ctx context.Context, v view.Visit, head view.Head) (*view.State, error) {
	return visit(ctx, v, head, o.ask)
}

func visit(ctx context.Context, v view.Visit, head view.Head, ask surveyFunc) (*view.State, error) {
	done, err := turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	defer heap.Frugal()()
	snap, err := ask(ctx, v.Survey())
	if err != nil {
		return nil, err
	}
	s := view.From(snap)
	s.Version, s.Table, s.NetNS = head.Version, head.Table, head.NetNS
	return s, nil
}

// ask has the router surveyed.
func (o *Observation) ask(ctx context.Context, asked mroute.Survey) (*mroute.Snapshot, error) {
	s := o.Survey(ctx, asked)
	return s.Snapshot, s.Err
}
