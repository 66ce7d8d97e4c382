package engine

import (
	"context"
	"time"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// call runs f on the engine's goroutine and waits for its end. It fails with
// [ErrStopped] or ctx's error if f was not run.
func (e *Engine) call(ctx context.Context, f func()) error {
	ran := make(chan struct{})
	select {
	case e.calls <- func() { f(); close(ran) }:
		<-ran
		return nil
	case <-e.done:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Started returns nil when Run is at work, or [ErrStopped] when it has ended.
func (e *Engine) Started(ctx context.Context) error { return e.call(ctx, func() {}) }

// SetLayer replaces a layer, on the interfaces there are now, and returns when
// the kernel has it: its VIFs, its entries, and the memberships if there are a
// thousand at most. Of more the rest follows while the engine serves others,
// too. With dropEdits, what clients changed goes.
func (e *Engine) SetLayer(ctx context.Context, l mroute.Layer, dropEdits bool) error {
	return e.change(ctx, core.SetLayer{Layer: l, DropEdits: dropEdits})
}

// Complete says that all who have a say have set their layers once: from now on
// what the kernel held before and nobody wants is removed. It returns when
// that is done.
func (e *Engine) Complete(ctx context.Context) error {
	return e.call(ctx, func() { e.step(core.Complete{}) })
}

// Edit applies a client's change, and returns when the kernel has it: as for
// [Engine.SetLayer].
func (e *Engine) Edit(ctx context.Context, ed mroute.Edit) error {
	var err error
	if cerr := e.call(ctx, func() {
		var effects []core.Effect
		effects, err = e.state.Edit(ed)
		e.perform(effects)
	}); cerr != nil {
		return cerr
	}
	return err
}

// Flush forgets flows whose count has not changed since the last flush or
// expiry looked at it.
func (e *Engine) Flush(ctx context.Context) error {
	return e.call(ctx, func() {
		e.drain()
		e.step(core.Expire{})
		e.drain()
	})
}

func (e *Engine) drain() {
	for len(e.deferred) > 0 {
		e.runDeferred()
	}
}

// Snapshot returns the state, with the kernel's counters if asked for, and with
// them the origins of entries. Both take about 1 µs an entry. Others need not wait
// for all of a large table: see [core.Listing].
func (e *Engine) Snapshot(ctx context.Context, counters bool) (*mroute.Snapshot, error) {
	var read core.ReadFunc
	if counters {
		read = e.counterReader()
	}
	return e.list(ctx, func() *core.Listing { return e.state.List(read) }, func(*core.Listing) {})
}

// Digest is [Engine.Snapshot] without all that reports on the router do without.
// Entries are not in it, but given to visit, with their counters and origins, some at a
// time; if it is nil they are left out. See [core.State.Digest].
func (e *Engine) Digest(ctx context.Context, visit mroute.Visit) (*mroute.Snapshot, error) {
	if visit == nil {
		return e.list(ctx, func() *core.Listing { return e.state.Digest(nil) }, func(*core.Listing) {})
	}
	read := e.counterReader()
	return e.list(ctx, func() *core.Listing { return e.state.Digest(read) }, func(l *core.Listing) {
		if now, entries := l.Take(); len(entries) > 0 {
			visit(now, entries)
		}
	})
}

// Survey goes over what is asked for. Others need not wait for all of it: see
// [core.State.Survey].
func (e *Engine) Survey(ctx context.Context, asked mroute.Survey) (*mroute.Snapshot, error) {
	var read core.ReadFunc
	if !asked.Plain {
		read = e.counterReader()
	}
	return e.list(ctx, func() *core.Listing { return e.state.Survey(asked, read) }, func(l *core.Listing) {
		if now, rules := l.TakeRules(); len(rules) > 0 {
			asked.Rules(now, rules)
		}
		if now, entries := l.Take(); len(entries) > 0 {
			asked.Entries(now, entries)
		}
	})
}

// list makes a listing, and calls chunk after each part of it.
func (e *Engine) list(ctx context.Context, begin func() *core.Listing, chunk func(*core.Listing)) (*mroute.Snapshot, error) {
	var l *core.Listing
	defer func() {
		if l != nil {
			l.Stop()
		}
	}()
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := e.call(ctx, func() {
			if l == nil {
				l = begin()
			}
			if more = l.Gather(time.Now()); !more {
				e.countLost()
			}
		})
		if err != nil {
			return nil, err
		}
		chunk(l)
	}
	return l.Snapshot(), nil
}

// counterReader reads for a snapshot. What cannot be read shows as zero, and is
// told of once.
func (e *Engine) counterReader() core.ReadFunc {
	failed := false
	var buf []mroute.Counters
	return func(f mroute.Family, sgs []mroute.SG) []mroute.Counters {
		buf = append(buf[:0], make([]mroute.Counters, len(sgs))...)
		out := buf
		err := e.o.Kernel.Counters(f, sgs, out)
		e.o.Meter.Refuse("Counters", err)
		if err != nil && !failed {
			failed = true
			e.o.Logger.Warn("cannot read counters: " + err.Error())
		}
		return out
	}
}
