// Package engine runs a router: it owns the state, feeds it with what happens
// in the kernel and what callers ask for, and carries out what it decides.
//
// One goroutine, that of Run, touches the state and the kernel's tables. All
// others send to it.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/meter"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Options configure an engine.
type Options struct {
	Kernel kernel.Kernel // used, not closed

	// FlushInterval is the period of the expiry of idle flows, and how long
	// they must have been idle. 0: never.
	FlushInterval time.Duration

	// RemoveForeign has what the kernel held before go if nobody wants it, whosever
	// it is.
	RemoveForeign bool

	// MaxFlows is how many entries packets can make at a time, in each table that
	// the router has: see [core.Options].
	MaxFlows int

	// Meter counts what happens; several engines may share one. nil: nobody looks.
	Meter *meter.Router

	Logger *slog.Logger

	// OnFlow is called when an entry was learned, or moved to another inbound
	// interface. OnMRDisc is called with the links on which multicast router
	// advertisements are wanted, when they change. Neither may block. Both may
	// be nil.
	OnFlow   func(mroute.SG)
	OnMRDisc func([]mroute.Link)

	// OnChange is called when a round of changes has ended: a snapshot may
	// differ from one before it in more than counters and ages. It is called
	// from Run's goroutine, so that it must not block, nor call the engine. It
	// may be nil.
	OnChange func()

	// Spreads: see [core.Options]. OnCrowd is called when links have come or gone
	// and that may concern other tables: see [Engine.Demand]. It is called like
	// OnChange.
	Spreads bool
	OnCrowd func()

	// OnRules is called when rules that lead packets to tables may have changed, like
	// OnChange. It may be nil.
	OnRules func()
}

// Engine is a running router.
type Engine struct {
	o     Options
	state *core.State
	calls chan func()
	done  chan struct{}
	found found

	// Work that waits for events and calls: chunks of an expiry round, and
	// whether there are joins to go on with.
	deferred []core.ReadCounters
	later    bool
	wake     *time.Timer
	look     *time.Timer

	asked time.Time                // when the questions were read that are being answered; zero: none are
	lost  map[mroute.Family]uint32 // questions that the meter knows to be lost
}

// ErrStopped is the answer to calls when Run has returned.
var ErrStopped = errors.New("the router is shutting down")

// New returns an engine that does nothing until Run. What the kernel holds
// already stays there until [Engine.Complete].
func New(o Options) *Engine {
	if o.Meter == nil {
		o.Meter = &meter.Router{}
	}
	e := &Engine{o: o, calls: make(chan func()), done: make(chan struct{}), lost: map[mroute.Family]uint32{}}
	e.state = core.New(core.Options{
		FamilyErr:     o.Kernel.FamilyErr,
		CauseOf:       kernel.CauseOf,
		Held:          e.held,
		Now:           time.Now(),
		RemoveForeign: o.RemoveForeign,
		Spreads:       o.Spreads,
		MaxFlows:      o.MaxFlows,
	})
	return e
}

// Run works until ctx is done, and returns nil then. Any other return is a
// failure to hear from the kernel.
func (e *Engine) Run(ctx context.Context) error {
	defer close(e.done)
	for _, t := range []**time.Timer{&e.wake, &e.look} {
		*t = time.NewTimer(time.Hour)
		(*t).Stop()
	}
	var flush <-chan time.Time
	if e.o.FlushInterval > 0 {
		t := time.NewTicker(e.o.FlushInterval)
		defer t.Stop()
		flush = t.C
	}

	e.tellFound()
	if err := e.readLinks(nil); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	events := make(chan kernel.Event)
	watch := make(chan error, 1)
	go func() { watch <- e.o.Kernel.Watch(ctx, events) }()
	watching := true
	defer func() {
		cancel()
		if watching {
			<-watch
		}
	}()

	for {
		var idle <-chan struct{}
		if len(e.deferred) > 0 || e.later {
			idle = always
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-watch:
			watching = false
			if ctx.Err() != nil {
				return nil
			}
			if err == nil {
				err = errors.New("its watch ended")
			}
			return fmt.Errorf("no more events from the kernel: %w", err)
		case ev := <-events:
			if err := e.event(ev); err != nil {
				return err
			}
		case call := <-e.calls:
			call()
		case <-flush:
			e.step(core.Expire{Age: e.o.FlushInterval})
		case <-e.wake.C:
			e.step(core.Retry{})
		case <-e.look.C:
			e.step(core.Look{})
		case <-idle:
			e.work()
		}
	}
}

// always can be received from at any time.
var always = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// work does some of the work that waits.
func (e *Engine) work() {
	if len(e.deferred) > 0 {
		e.runDeferred()
	}
	if e.later {
		e.later = false
		e.step(core.Continue{})
	}
}

func (e *Engine) runDeferred() {
	r := e.deferred[0]
	e.deferred = append(e.deferred[:0], e.deferred[1:]...)
	e.readCounters(r)
}

func (e *Engine) event(ev kernel.Event) error {
	switch ev := ev.(type) {
	case kernel.LinksChanged:
		return e.readLinks(ev.Gone)
	case kernel.RulesChanged:
		if e.o.OnRules != nil {
			e.o.OnRules()
		}
	case kernel.Upcalls:
		e.upcalls(ev)
	}
	return nil
}

func (e *Engine) readLinks(gone []int) error {
	links, err := e.o.Kernel.Links()
	if err != nil {
		e.o.Meter.Refuse("Links", err)
		return fmt.Errorf("listing interfaces: %w", err)
	}
	e.step(core.LinksRead{Links: links, Gone: gone})
	return nil
}

func (e *Engine) step(ev core.Event) { e.perform(e.state.Step(ev, time.Now())) }

// perform carries out effects. The result of an Apply is the next event, and
// what follows from it is done before what came behind the Apply.
func (e *Engine) perform(effects []core.Effect) {
	for _, eff := range effects {
		switch eff := eff.(type) {
		case core.Apply:
			e.step(core.Applied{Errs: e.apply(eff)})
		case core.ReadCounters:
			e.deferred = append(e.deferred, eff)
		case core.FlowsChanged:
			if !e.asked.IsZero() {
				e.o.Meter.Learn.Observe(time.Since(e.asked), len(eff))
			}
			for _, ch := range eff {
				e.flow(ch)
			}
		case core.Strays:
			e.strays(eff)
		case core.MRDisc:
			if e.o.OnMRDisc != nil {
				e.o.OnMRDisc(eff.Links)
			}
		case core.Log:
			e.o.Logger.Log(context.Background(), eff.Level, eff.Message)
		case core.Wake:
			e.wake.Reset(eff.After)
		case core.LookAgain:
			e.look.Reset(eff.After)
		case core.Later:
			e.later = true
		case core.Settle:
			if err := e.o.Kernel.Settle(eff.Family, eff.Foreign); err != nil {
				e.o.Logger.Warn(fmt.Sprintf("%v: whatever comes after this program may take more for its own, or less: %v", eff.Family, err))
			}
		case core.Changed:
			if e.o.OnChange != nil {
				e.o.OnChange()
			}
		case core.Crowd:
			if e.o.OnCrowd != nil {
				e.o.OnCrowd()
			}
		}
	}
}

// apply carries out ops. While the kernel is at many, the next ones are worked
// out.
func (e *Engine) apply(a core.Apply) []error {
	if !a.More {
		return e.carryOut(a.Ops)
	}
	prepared := make(chan struct{})
	go func() { // which takes a while to begin: better so than the other way round
		defer close(prepared)
		e.state.Prepare()
	}()
	errs := e.carryOut(a.Ops)
	<-prepared
	return errs
}

func (e *Engine) carryOut(ops []mroute.Op) []error {
	start := time.Now()
	errs := e.o.Kernel.Apply(ops)
	e.o.Meter.Install.Observe(time.Since(start), 1)
	for i, err := range errs {
		e.o.Meter.Refuse(ops[i].Kind.String(), err)
	}
	return errs
}

func (e *Engine) readCounters(r core.ReadCounters) {
	ev := core.CountersRead{ReadCounters: r}
	ev.Err = e.o.Kernel.Counters(r.Family, r.SGs, r.Counters)
	if ev.Err != nil {
		e.o.Meter.Refuse("Counters", ev.Err)
		e.o.Logger.Warn("cannot read counters: " + ev.Err.Error())
	}
	e.step(ev)
}

func (e *Engine) strays(strays core.Strays) {
	ctx := context.Background()
	if !e.o.Logger.Enabled(ctx, slog.LevelInfo) {
		return
	}
	for _, s := range strays {
		e.o.Logger.Info(fmt.Sprintf("%v arrived on %s, where no rule covers it", s.SG, s.Link))
	}
}

func (e *Engine) flow(ch core.FlowChange) {
	level := slog.LevelInfo
	if ch.Moved {
		level = core.LevelNotice
	}
	if ctx := context.Background(); e.o.Logger.Enabled(ctx, level) {
		e.o.Logger.Log(ctx, level, describe(ch))
	}
	if e.o.OnFlow != nil && (ch.Kind == mroute.Learned || ch.Moved) {
		e.o.OnFlow(ch.SG)
	}
}

func describe(ch core.FlowChange) string {
	switch {
	case ch.Moved:
		return fmt.Sprintf("Moved %v to inbound interface %s, where its packets arrive", ch.SG, ch.Link)
	case ch.Refused:
		return fmt.Sprintf("no room for %v from %s: stop filter installed", ch.SG, ch.Link)
	case ch.Kind == mroute.StopFilter:
		return fmt.Sprintf("no rule for %v from %s: stop filter installed", ch.SG, ch.Link)
	}
	return fmt.Sprintf("learned %v from %s", ch.SG, ch.Link)
}
