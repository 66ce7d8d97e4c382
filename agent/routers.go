package agent

import (
	"context"
	"log/slog"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// RoutersOptions configure [Routers].
type RoutersOptions struct {
	Main      *Agent // the router of the node; the caller runs it
	MainTable uint32 // the table that it has

	// Open claims the tables at any other place.
	Open func(mroute.Place) (kernel.Kernel, error)

	Logger *slog.Logger

	// OnChange is called when a state of States may have changed in more than
	// its counters, but for that of Main, whose own option OnChange tells. It
	// must not block, and may be nil.
	OnChange func()
}

// Routers are several routers side by side.
type Routers struct {
	o RoutersOptions
}

// NewRouters returns routers that do nothing before Run.
func NewRouters(o RoutersOptions) *Routers { return &Routers{o: o} }

// Run works until ctx is done.
func (r *Routers) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// SetLayers says what is wanted, the whole of it.
func (r *Routers) SetLayers(ctx context.Context, want map[mroute.Place]mroute.Layer) {}

// States tells how every router is that is wanted, and Main.
func (r *Routers) States(ctx context.Context, counters bool) map[mroute.Place]mroute.RouterState {
	return nil
}
