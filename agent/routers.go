package agent

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/smcroute/kube-smcroute/agent/engine"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/meter"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/spread"
)

// RoutersOptions configure [Routers].
type RoutersOptions struct {
	Main      *Agent // the router of the node; the caller runs it. Its first Await, if any, is the layer of SetLayers
	MainTable uint32 // its table: it stands for the place {Table: MainTable}

	// Open claims the tables at another place. It must refuse a namespace whose
	// ID is not the place's. Several calls may run at a time.
	Open func(mroute.Place) (kernel.Kernel, error)

	Logger *slog.Logger

	// Leave reports at the end of Run whether what is in the kernel is left to the
	// next process. nil: never. Main has the same option of its own.
	Leave func() bool

	// OnChange is called when States may differ in more than counters and ages,
	// from any goroutine; it must not block, nor call Routers. For the
	// router of Main there is the same option of its own. It may be nil.
	OnChange func()
}

// Routers are the routers of a node: that of an Agent, and one at each other
// place where something is wanted. These have neither a file nor clients, and
// send no router advertisements; idle flows expire as in Main. They live and
// fail each by itself.
type Routers struct {
	o     RoutersOptions
	calls chan func(context.Context) // for Run's goroutine, with its context
	done  chan struct{}

	// Of Run's goroutine:

	main    *router
	others  map[mroute.Place]*router
	closing []*router // no longer wanted, and perhaps not yet gone
}

// errUnwanted is why a router ends that nobody wants any more.
var errUnwanted = errors.New("the router is not wanted any more")

// patience is how long SetLayers waits for routers other than Main.
const patience = 5 * time.Second

// NewRouters returns routers that do nothing before Run.
func NewRouters(o RoutersOptions) *Routers {
	return &Routers{
		o:      o,
		calls:  make(chan func(context.Context)),
		done:   make(chan struct{}),
		others: map[mroute.Place]*router{},
	}
}

// Run works until ctx is done. It returns nil then, when the kernel's tables of
// all routers but Main are empty, or left to the next process.
func (r *Routers) Run(ctx context.Context) error {
	defer close(r.done)
	r.main = r.start(ctx, mroute.Place{Table: r.o.MainTable}, &r.o.Main.meter, r.runMain)
	r.main.now.Store(&condition{backend: r.o.Main}) // even if nothing is asked of it
	for {
		select {
		case f := <-r.calls:
			f(ctx)
		case <-ctx.Done():
			<-r.main.ended
			for _, x := range r.others {
				<-x.ended
			}
			for _, x := range r.closing {
				<-x.ended
			}
			return nil
		}
	}
}

// call has f run on Run's goroutine, and waits for its end. It fails with
// [engine.ErrStopped] or ctx's error if f was not run.
func (r *Routers) call(ctx context.Context, f func(context.Context)) error {
	ran := make(chan struct{})
	select {
	case r.calls <- func(ctx context.Context) { f(ctx); close(ran) }:
		<-ran
		return nil
	case <-r.done:
		return engine.ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// SetLayers says what is wanted: the whole of it, one layer for each place, all
// of the same name in all calls. Routers at new places are opened, layers
// replaced, and routers at places that are not in want any more closed, which
// empties their tables. Main is never closed, its layer is emptied.
//
// It returns when the kernel has all of it, but for what failed: States tells
// of that, and it is tried again until another call says otherwise. A place that
// takes longer than 5 s is not waited for, unless it is that of Main: what is
// done there goes on. So it does if ctx is done, but if that is so before the
// call has begun, nothing may have changed. Before Run it waits.
func (r *Routers) SetLayers(ctx context.Context, want map[mroute.Place]mroute.Layer) {
	var main, others []<-chan struct{}
	if r.call(ctx, func(run context.Context) { main, others = r.set(run, want) }) != nil {
		return
	}
	r.wait(ctx, main)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r.wait(ctx, others)
}

// wait returns when all channels are closed, or ctx is done, or Run ends.
func (r *Routers) wait(ctx context.Context, all []<-chan struct{}) {
	for _, c := range all {
		select {
		case <-c:
		case <-r.done:
			return
		case <-ctx.Done():
			return
		}
	}
}

// set tells every router what it should do. The channels, of Main and of others,
// are closed when that is done.
func (r *Routers) set(run context.Context, want map[mroute.Place]mroute.Layer) (main, others []<-chan struct{}) {
	for place, x := range r.others {
		if _, ok := want[place]; !ok {
			x.cancel(errUnwanted)
			delete(r.others, place)
			r.closing = append(r.closing, x)
		}
	}
	r.closing = slices.DeleteFunc(r.closing, func(x *router) bool {
		select {
		case <-x.ended:
			return true
		default:
			return false
		}
	})
	for _, x := range r.closing {
		others = append(others, x.ended)
	}
	for _, place := range slices.SortedFunc(maps.Keys(want), comparePlaces) {
		if place == r.main.place {
			main = append(main, r.main.ask(want[place]))
			continue
		}
		x := r.others[place]
		if x == nil {
			m := &meter.Router{}
			x = r.start(run, place, m, r.runAt(place, m))
			r.others[place] = x
		}
		others = append(others, x.ask(want[place]))
	}
	if _, ok := want[r.main.place]; !ok {
		switch await := r.o.Main.o.Await; {
		case r.main.asked != nil:
			main = append(main, r.main.ask(mroute.Layer{Name: r.main.asked.Name}))
		case len(await) > 0: // that nothing is wanted counts, too
			main = append(main, r.main.ask(mroute.Layer{Name: await[0]}))
		}
	}
	return main, others
}

func comparePlaces(a, b mroute.Place) int {
	return cmp.Or(cmp.Compare(a.NetNS, b.NetNS), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Table, b.Table))
}

// start begins to keep a router, once those that have its table are gone.
func (r *Routers) start(ctx context.Context, place mroute.Place, m *meter.Router, run runFunc) *router {
	var after []<-chan struct{}
	for _, x := range r.closing {
		sameNetNS := x.place.NetNS == place.NetNS || x.place.ID != "" && x.place.ID == place.ID
		if sameNetNS && x.place.Table == place.Table {
			after = append(after, x.ended)
		}
	}
	x := newRouter(place, m, run, r.o.Logger, r.changed)
	ctx, x.cancel = context.WithCancelCause(ctx)
	go x.keep(ctx, after)
	return x
}

func (r *Routers) changed() { call(r.o.OnChange) }

// States tells of every router that is wanted, and of Main. Counters are as in
// [Agent.Snapshot]. A router that does not answer before ctx is done has ctx's
// error. The result is nil if that is so of Routers itself, or if Run has ended.
func (r *Routers) States(ctx context.Context, counters bool) map[mroute.Place]mroute.RouterState {
	return r.states(ctx, func(_ mroute.Place, b backend) (*mroute.Snapshot, error) { return b.Snapshot(ctx, counters) })
}

// Digests is States for reports: snapshots have no more than these need, and entries are
// given to visit, from several goroutines, if it is not nil. See [Agent.Digest].
func (r *Routers) Digests(ctx context.Context, visit func(mroute.Place, time.Time, []mroute.EntryView)) map[mroute.Place]mroute.RouterState {
	return r.states(ctx, func(at mroute.Place, b backend) (*mroute.Snapshot, error) {
		if visit == nil {
			return b.Digest(ctx, nil)
		}
		return b.Digest(ctx, func(now time.Time, entries []mroute.EntryView) { visit(at, now, entries) })
	})
}

// askFunc asks the backend at a place.
type askFunc func(mroute.Place, backend) (*mroute.Snapshot, error)

// states asks all routers at once.
func (r *Routers) states(ctx context.Context, ask askFunc) map[mroute.Place]mroute.RouterState {
	all := r.all(ctx)
	if all == nil {
		return nil
	}
	states := make([]mroute.RouterState, len(all))
	var wg sync.WaitGroup
	for i, x := range all {
		wg.Go(func() {
			states[i] = x.state(func(b backend) (*mroute.Snapshot, error) { return ask(x.place, b) })
		})
	}
	wg.Wait()
	at := make(map[mroute.Place]mroute.RouterState, len(all))
	for i, x := range all {
		at[x.place] = states[i]
	}
	return at
}

// all are the routers that are wanted, and Main; nil if Run does not tell.
func (r *Routers) all(ctx context.Context) (all []*router) {
	if r.call(ctx, func(context.Context) {
		all = append(slices.Collect(maps.Values(r.others)), r.main)
	}) != nil {
		return nil
	}
	return all
}

// runMain serves the router of Main, which lives by itself.
func (r *Routers) runMain(ctx context.Context, serve serveFunc) error {
	return serve(ctx, r.o.Main, nil)
}

// runAt opens and runs the router at another place.
func (r *Routers) runAt(place mroute.Place, m *meter.Router) runFunc {
	return func(ctx context.Context, serve serveFunc) error {
		k, err := r.o.Open(place)
		if err != nil {
			return err
		}
		e := spread.New(engine.Options{
			Kernel:        k,
			FlushInterval: r.o.Main.o.FlushInterval,
			Logger:        r.o.Logger.With("router", place.String()),
			RemoveForeign: r.o.Main.o.RemoveForeign,
			MaxFlows:      r.o.Main.o.MaxFlows,
			Meter:         m,
			OnChange:      r.changed,
		})
		ctx, cancel := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() {
			ended <- e.Run(ctx)
			close(ended)
		}()
		err = serve(ctx, lone{e}, ended)
		end := e.Close
		if r.leaves(ctx) {
			end = e.Detach
		}
		cancel()
		<-ended
		if cerr := end(); err == nil {
			err = cerr
		}
		return err
	}
}

// leaves reports whether a router leaves what is in the kernel to the next
// process. One that fails, or that nobody wants, does not.
func (r *Routers) leaves(ctx context.Context) bool {
	return ctx.Err() != nil && !errors.Is(context.Cause(ctx), errUnwanted) && r.o.Leave != nil && r.o.Leave()
}

// lone is a router without an Agent.
type lone struct{ *spread.Router }

// SetLayer implements backend. A lone router has no other layers to wait for.
func (l lone) SetLayer(ctx context.Context, layer mroute.Layer) error {
	if err := l.Router.SetLayer(ctx, layer, false); err != nil {
		return err
	}
	return l.Complete(ctx)
}
