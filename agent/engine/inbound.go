package engine

import (
	"context"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// SetInbound has the engine take packets in on those links only, of those there
// are now and of all that come. flows are known to arrive there from now on. It
// returns when the kernel has what follows.
func (e *Engine) SetInbound(ctx context.Context, in mroute.Inbound, flows []mroute.Arrival) error {
	return e.change(ctx, core.SetInbound{Inbound: in, Flows: flows})
}

// SetSignposts tells the engine where rules of others lead packets.
func (e *Engine) SetSignposts(ctx context.Context, ss mroute.Signposts) error {
	return e.change(ctx, core.SetSignposts{Signposts: ss})
}

// Follow has the engine want all that another one does at this moment: its
// layers, and what clients changed. It returns when the kernel has it.
func (e *Engine) Follow(ctx context.Context, leader *Engine) error {
	var ev core.Follow
	if err := leader.call(ctx, func() { ev = leader.state.Fork() }); err != nil {
		return err
	}
	return e.change(ctx, ev)
}

// Demand tells what VIFs are wanted for, on the links there are now.
func (e *Engine) Demand(ctx context.Context) (mroute.Demand, error) {
	var d mroute.Demand
	err := e.call(ctx, func() { d = e.state.Demand() })
	return d, err
}

// Flows lists the flows whose packets were seen to arrive on those links.
func (e *Engine) Flows(ctx context.Context, links map[string]bool) ([]mroute.Arrival, error) {
	var flows []mroute.Arrival
	err := e.call(ctx, func() { flows = e.state.Flows(links) })
	return flows, err
}

// change has an event happen, on the links there are now.
func (e *Engine) change(ctx context.Context, ev core.Event) error {
	var err error
	if cerr := e.call(ctx, func() {
		if err = e.readLinks(nil); err == nil {
			e.step(ev)
		}
	}); cerr != nil {
		return cerr
	}
	return err
}
