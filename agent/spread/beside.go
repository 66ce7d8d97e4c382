package spread

import (
	"context"
	"maps"

	"github.com/smcroute/kube-smcroute/agent/engine"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// beside is a table beside the router's own, with its engine.
type beside struct {
	number int
	table  uint32
	kernel kernel.Kernel
	engine *engine.Engine
	takes  map[string]bool // the links whose packets it has; never changed, but replaced
	full   string          // see mroute.Inbound
	cancel context.CancelFunc
	ended  chan struct{}
}

// open claims a table and starts its engine, which takes packets in on links.
func (r *Router) open(number int, links map[string]bool) error {
	table := tables(r.rules.Number()) + uint32(number)
	k, err := r.rules.Beside(table)
	if err != nil {
		return err
	}
	o := r.o
	o.Kernel, o.Logger = k, r.o.Logger.With("table", table)
	o.OnMRDisc, o.OnCrowd, o.OnRules = nil, nil, nil
	b := &beside{number: number, table: table, kernel: k, engine: engine.New(o), takes: links, ended: make(chan struct{})}
	var ctx context.Context
	ctx, b.cancel = context.WithCancel(r.run)
	go func() {
		defer close(b.ended)
		if err := b.engine.Run(ctx); err != nil {
			select {
			case r.ended <- err:
			case <-ctx.Done():
			}
		}
	}()
	r.mu.Lock()
	r.beside[number] = b
	r.mu.Unlock()
	if err := b.set(ctx, links, "", nil); err != nil {
		return err
	}
	if err := b.engine.Follow(ctx, r.first); err != nil {
		return err
	}
	if r.complete {
		return b.engine.Complete(ctx)
	}
	return nil
}

// set has the engine take packets in on those links.
func (b *beside) set(ctx context.Context, links map[string]bool, full string, flows []mroute.Arrival) error {
	b.takes, b.full = links, full
	return b.engine.SetInbound(ctx, mroute.Inbound{Only: maps.Clone(links), Full: full}, flows)
}

// close gives the table up with all that is in it.
func (r *Router) close(b *beside) error {
	r.mu.Lock()
	delete(r.beside, b.number)
	r.mu.Unlock()
	b.cancel()
	<-b.ended
	return b.kernel.Close()
}

// stop ends the engines of all tables, which stay.
func (r *Router) stop() {
	for _, b := range r.others() {
		b.cancel()
		<-b.ended
	}
}
