package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/engine"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/meter"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// First and longest pause before a router is tried again. One that has worked
// for the longest begins with the first again.
const (
	firstPause = time.Second
	lastPause  = time.Minute
)

// errStarting is the state of a router before its first attempt has ended.
var errStarting = errors.New("the router is being started")

// router keeps the router at one place going, whatever happens to it.
type router struct {
	place   mroute.Place
	run     runFunc
	log     *slog.Logger
	changed func()
	cancel  context.CancelCauseFunc
	ended   chan struct{} // closed when the place is free again

	asked  *mroute.Layer // what Routers asked for last; of its goroutine
	wishes chan wish     // one at most: see ask
	now    atomic.Pointer[condition]
	meter  *meter.Router // of all its backends, one after the other

	// Of keep's goroutine:

	want    wish
	has     bool         // the layer of want is in the kernel
	done    mroute.Layer // that was there last
	trouble string       // what was logged last, "" if all is well
}

// backend is a router at work: an Agent, or an engine alone.
type backend interface {
	SetLayer(context.Context, mroute.Layer) error
	Snapshot(ctx context.Context, counters bool) (*mroute.Snapshot, error)
	Digest(ctx context.Context, visit mroute.Visit) (*mroute.Snapshot, error)
	Survey(ctx context.Context, asked mroute.Survey) (*mroute.Snapshot, error)
}

// runFunc makes a backend, has it served, and ends it.
type runFunc func(ctx context.Context, serve serveFunc) error

// serveFunc feeds a backend until ctx is done, or until ended tells how the
// backend has.
type serveFunc func(ctx context.Context, b backend, ended <-chan error) error

// wish is a layer, and who waits until it has been tried.
type wish struct {
	layer   mroute.Layer
	waiting []chan<- struct{}
}

// condition is how a router is: one of its fields is set.
type condition struct {
	backend backend
	err     error
}

func newRouter(place mroute.Place, m *meter.Router, run runFunc, log *slog.Logger, changed func()) *router {
	x := &router{
		place:   place,
		meter:   m,
		run:     run,
		log:     log,
		changed: changed,
		ended:   make(chan struct{}),
		wishes:  make(chan wish, 1),
	}
	x.now.Store(&condition{err: errStarting})
	return x
}

// ask says what is wanted from now on. The channel is closed when it has been
// tried. Only one goroutine may ask.
func (x *router) ask(l mroute.Layer) <-chan struct{} {
	done := make(chan struct{})
	w := wish{layer: l, waiting: []chan<- struct{}{done}}
	select {
	case old := <-x.wishes: // too late for that one
		w.waiting = append(w.waiting, old.waiting...)
	default:
	}
	x.wishes <- w
	x.asked = &l
	return done
}

// take makes w what is wanted.
func (x *router) take(w wish) {
	x.has = x.has && w.layer.Equal(&x.want.layer)
	x.want.layer = w.layer
	x.want.waiting = append(x.want.waiting, w.waiting...)
}

// tried tells those who wait that there is nothing to wait for.
func (x *router) tried() {
	for _, w := range x.want.waiting {
		close(w)
	}
	x.want.waiting = nil
}

// keep works until ctx is done, from when the channels in after are closed.
func (x *router) keep(ctx context.Context, after []<-chan struct{}) {
	defer close(x.ended)
	defer x.dismiss()
	for _, gone := range after {
		<-gone
	}
	select {
	case w := <-x.wishes:
		x.take(w)
	case <-ctx.Done():
		return
	}
	var pause time.Duration
	for {
		began := time.Now()
		err := x.run(ctx, x.serve)
		x.has, x.done = false, mroute.Layer{}
		if ctx.Err() != nil {
			x.end(err)
			return
		}
		if err == nil {
			err = errors.New("the router has ended")
		}
		x.fails(err)
		x.tried()
		if time.Since(began) >= lastPause {
			pause = 0
		}
		pause = min(max(2*pause, firstPause), lastPause)
		if !x.pause(ctx, pause) {
			x.end(nil)
			return
		}
	}
}

// dismiss tells all who wait that there is nothing to wait for any more.
func (x *router) dismiss() {
	select {
	case w := <-x.wishes:
		x.take(w)
	default:
	}
	x.tried()
}

// end notes what went wrong while the place was given up.
func (x *router) end(err error) {
	x.now.Store(&condition{err: engine.ErrStopped})
	if err != nil {
		x.log.Warn(fmt.Sprintf("The router at %v was closed with an error: %v", x.place, err))
	}
}

// pause waits, and reports whether it was let. Nobody waits for it meanwhile.
func (x *router) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case w := <-x.wishes:
			x.take(w)
			x.tried()
		case <-timer.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// serve is a serveFunc.
func (x *router) serve(ctx context.Context, b backend, ended <-chan error) error {
	retry := time.NewTimer(0)
	defer retry.Stop()
	var pause time.Duration
	for {
		select {
		case w := <-x.wishes:
			x.take(w)
		case <-retry.C:
		case err := <-ended:
			return err
		case <-ctx.Done():
			return nil
		}
		if !x.has {
			err := b.SetLayer(ctx, x.want.layer)
			switch {
			case err == nil:
				x.has, pause = true, 0
				retry.Stop()
				x.works(b)
				GiveBackAfter(x.changes())
				x.done = x.want.layer
			case ctx.Err() != nil, ended != nil && errors.Is(err, engine.ErrStopped):
				continue // and return
			default:
				x.fails(err)
				pause = min(max(2*pause, firstPause), lastPause)
				retry.Reset(pause)
			}
		}
		x.tried()
	}
}

// changes is how many rules of what is wanted may be other ones than what was there last.
func (x *router) changes() int {
	n := len(x.want.layer.Routes)
	come, _ := x.want.layer.Since(&x.done)
	for _, p := range come {
		n += len(p.Routes)
	}
	return n
}

func (x *router) works(b backend) {
	before := x.now.Swap(&condition{backend: b})
	if before.err == nil {
		return // what changed the backend tells by itself
	}
	if x.trouble != "" {
		x.log.Log(context.Background(), core.LevelNotice, fmt.Sprintf("The router at %v works now", x.place))
	}
	x.trouble = ""
	x.changed()
}

func (x *router) fails(err error) {
	if refused := new(kernel.Error); errors.As(err, &refused) {
		x.meter.Refuse(refused.Op, refused)
	}
	x.now.Store(&condition{err: err})
	if x.trouble == err.Error() {
		return
	}
	x.trouble = err.Error()
	x.log.Warn(fmt.Sprintf("The router at %v does not work, it is tried again: %v", x.place, err))
	x.changed()
}

// state asks the backend, if there is one.
func (x *router) state(ask func(backend) (*mroute.Snapshot, error)) mroute.RouterState {
	c := x.now.Load()
	if c.err != nil {
		return mroute.RouterState{Err: c.err, Cause: causeOf(c.err)}
	}
	return stateOf(ask(c.backend))
}

// stateOf is what an answer comes to.
func stateOf(snap *mroute.Snapshot, err error) mroute.RouterState {
	if err != nil {
		return mroute.RouterState{Err: err, Cause: causeOf(err)}
	}
	return mroute.RouterState{Snapshot: snap}
}

// causeOf names the cause of a router's failure, or is 0 if that says nothing
// about the kernel, as when the namespace is gone: whoever wants a router there
// has not heard of that yet.
func causeOf(err error) mroute.Cause {
	for _, passing := range []error{errStarting, engine.ErrStopped, context.Canceled, context.DeadlineExceeded, fs.ErrNotExist} {
		if errors.Is(err, passing) {
			return 0
		}
	}
	cause := kernel.CauseOf(err)
	if cause == mroute.CauseKernel && errors.Is(err, fs.ErrPermission) {
		return mroute.CausePermission // to enter the namespace
	}
	return cause
}
