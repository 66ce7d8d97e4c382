// Package spread runs a router whose links need more VIFs than a kernel table has:
// it shares the inbound links out to several tables, and leads their packets there
// with rules of the kernel. While one table has room for all there is just that,
// and no rule.
//
// Each table has an engine of its own, which knows all that is wanted and takes
// packets in on some links. The first engine, of the router's own table, has the
// rest, and all that is not about packets: memberships, advertisements, what is
// waited for. Which link belongs where is package assign's to say.
package spread

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/smcroute/kube-smcroute/agent/engine"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/spread/assign"
)

// Router is an engine, or several.
type Router struct {
	o     engine.Options
	first *engine.Engine
	rules kernel.Spreader // nil: the kernel cannot do it

	turn  chan struct{} // has a token while nobody changes anything
	crowd chan struct{} // links have come or gone; has room for one
	ruled chan struct{} // rules may have changed; has room for one
	done  chan struct{} // closed when Run has ended
	ended chan error    // of engines, but for those that were stopped

	mu     sync.Mutex
	beside map[int]*beside // by number, see package assign

	// Of whoever has the turn:

	run      context.Context   // of engines
	needs    []mroute.Need     // for which links were shared out last
	where    map[string]int    // inbound links that are not with the first engine, where rules lead their packets
	home     map[string]bool   // those that were with it when links were shared out last
	except   map[string]bool   // those that it leaves to others
	homeFull string            // what it says of links for which it has no room
	full     map[int]string    // what is said of tables that are too small
	taken    map[int]bool      // numbers that others have
	missed   map[string]string // links whose packets are led away, and why
	posts    mroute.Signposts  // what the first engine knows of rules of others
	frozen   bool              // what was found stays, until Complete
	thawed   bool              // it may go, and has not been looked at since
	suspect  bool              // somebody may have changed rules: they are to be looked at
	looked   time.Time         // when they were, because of that
	complete bool
	told     string // the trouble that the log tells of
	pause    time.Duration
}

// First and longest pause before spreading is tried again.
const firstPause, lastPause = time.Second, time.Minute

// rulesPause is the least time between two looks at rules that somebody has changed:
// there may be a program that removes ours whenever it sees them.
const rulesPause = time.Second

// New returns a router that does nothing before Run. The kernel is that of the
// router's own table; Close and Detach end it.
func New(o engine.Options) *Router {
	r := &Router{
		turn: make(chan struct{}, 1), crowd: make(chan struct{}, 1), ruled: make(chan struct{}, 1),
		done: make(chan struct{}), ended: make(chan error),
		beside: map[int]*beside{}, taken: map[int]bool{},
	}
	r.rules, _ = o.Kernel.(kernel.Spreader)
	o.Spreads = r.rules != nil
	o.OnCrowd, o.OnRules = func() { signal(r.crowd) }, func() { signal(r.ruled) }
	r.o, r.first = o, engine.New(o)
	return r
}

// signal says that there is something to do, unless that has been said.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run works until ctx is done, and returns nil then. Any other return is a
// failure to hear from the kernel. It may be called once.
func (r *Router) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer close(r.done)
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	first := make(chan error, 1)
	wg.Go(func() { first <- r.first.Run(ctx) })
	r.run = ctx
	if r.first.Started(ctx) == nil {
		r.recover()
		r.release()
		defer func() {
			cancel()
			<-r.turn // whoever has it finds the engines stopped
			r.stop()
		}()
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-first:
			return err
		case err := <-r.ended:
			return err
		case <-r.crowd:
			if r.take(ctx) == nil {
				r.share()
				r.release()
			}
		case <-r.ruled:
			if r.take(ctx) == nil {
				r.look()
				r.release()
			}
		}
	}
}

// look looks at rules that somebody has changed, perhaps.
func (r *Router) look() {
	if wait := rulesPause - time.Since(r.looked); wait > 0 {
		time.AfterFunc(wait, func() { signal(r.ruled) })
		return
	}
	r.suspect, r.looked = true, time.Now()
	r.share()
}

// take waits for the turn. It fails with [engine.ErrStopped] or ctx's error.
func (r *Router) take(ctx context.Context) error {
	select {
	case <-r.turn:
		return nil
	case <-r.done:
		return engine.ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Router) release() { r.turn <- struct{}{} }

// all are the engines, the first one first.
func (r *Router) all() []*engine.Engine {
	es := []*engine.Engine{r.first}
	for _, b := range r.others() {
		es = append(es, b.engine)
	}
	return es
}

// others are the tables beside the first, by number.
func (r *Router) others() []*beside {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedFunc(maps.Values(r.beside), func(a, b *beside) int { return a.number - b.number })
}

// Started returns nil when Run is at work, or [engine.ErrStopped] when it has ended.
func (r *Router) Started(ctx context.Context) error {
	if err := r.take(ctx); err != nil {
		return err
	}
	r.release()
	return r.first.Started(ctx)
}

// Holds reports whether the kernel held entries when the router was started that
// go if nobody wants them, after [Router.Complete].
func (r *Router) Holds() bool { return slices.ContainsFunc(r.all(), (*engine.Engine).Holds) }

// SetLayer replaces a layer: see [engine.Engine.SetLayer]. Rules of the kernel that
// somebody has removed come back.
func (r *Router) SetLayer(ctx context.Context, l mroute.Layer, dropEdits bool) error {
	return r.change(ctx, func() error {
		r.suspect = len(r.where) > 0
		if err := r.first.SetLayer(ctx, l, dropEdits); err != nil {
			return err
		}
		return r.follow()
	})
}

// Edit applies a client's change: see [engine.Engine.Edit].
func (r *Router) Edit(ctx context.Context, ed mroute.Edit) error {
	return r.change(ctx, func() error {
		if err := r.first.Edit(ctx, ed); err != nil {
			return err
		}
		for _, b := range r.others() {
			if err := b.engine.Edit(r.run, ed); err != nil {
				return r.follow() // it was not as the first one
			}
		}
		return nil
	})
}

// follow has the other engines want what the first one does.
func (r *Router) follow() error {
	var errs []error
	for _, b := range r.others() {
		errs = append(errs, b.engine.Follow(r.run, r.first))
	}
	return errors.Join(errs...)
}

// Complete says that all who have a say have set their layers once: see
// [engine.Engine.Complete].
func (r *Router) Complete(ctx context.Context) error {
	return r.change(ctx, func() error {
		for _, e := range r.all() {
			if err := e.Complete(ctx); err != nil {
				return err
			}
		}
		r.thawed = r.frozen
		r.complete, r.frozen = true, false
		return nil
	})
}

// Flush forgets idle flows: see [engine.Engine.Flush].
func (r *Router) Flush(ctx context.Context) error {
	return r.change(ctx, func() error {
		var errs []error
		for _, e := range r.all() {
			errs = append(errs, e.Flush(ctx))
		}
		return errors.Join(errs...)
	})
}

// change makes a change, and shares links out as it asks for.
func (r *Router) change(ctx context.Context, f func() error) error {
	if err := r.take(ctx); err != nil {
		return err
	}
	defer r.release()
	if err := f(); err != nil {
		return err
	}
	r.share()
	return nil
}

// Close empties and gives up all tables, and removes the rules that lead there. It
// is for when Run has ended, or was never called.
func (r *Router) Close() error { return r.end(kernel.Kernel.Close, true) }

// Detach leaves all to the next process, as [kernel.Table] has it. It is for when
// Run has ended, or was never called.
func (r *Router) Detach() error { return r.end(kernel.Kernel.Detach, false) }

func (r *Router) end(give func(kernel.Kernel) error, remove bool) error {
	var errs []error
	if remove && r.rules != nil {
		errs = append(errs, r.unlead())
	}
	for _, b := range r.others() {
		errs = append(errs, give(b.kernel))
	}
	return errors.Join(append(errs, give(r.o.Kernel))...)
}

// What cannot be done, for people to read.
const (
	noLook  = "Rules of the kernel, which lead packets to tables, cannot be looked at"
	noHeirs = "Rules of the process before lead packets to tables that cannot be taken over"
	noRoom  = "More interfaces are wanted than a table of the kernel has room for, and they cannot be spread over several"
)

// trouble logs, once, what cannot be done and why, and has it tried again.
func (r *Router) trouble(what string, err error) {
	if r.run.Err() != nil {
		return
	}
	if r.told != err.Error() {
		r.told = err.Error()
		r.o.Logger.Warn(fmt.Sprintf("%s: it is tried again: %v", what, err))
	}
	r.pause = min(max(2*r.pause, firstPause), lastPause)
	time.AfterFunc(r.pause, func() { signal(r.crowd) })
}

// Tables that belong to the router of another one are numbered from FirstTable on:
// assign.Tables for each, but for the last of them, which IPv6 does not have.
const (
	FirstTable = 90_000_000
	lastTable  = 99_999_999
)

// tables is the number of the table before the first that the router of a table
// may have beside that.
func tables(own uint32) uint32 {
	const blocks = (lastTable - FirstTable + 1) / assign.Tables
	return FirstTable + own%blocks*assign.Tables
}

// Beside reports whether a table is one that the router of another, own, may have
// beside that.
func Beside(own, table uint32) bool {
	return table > tables(own) && table < tables(own)+assign.Tables
}
