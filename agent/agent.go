// Package agent is everything that a node does: one router, told what to do by
// a configuration file and by clients, and the servants around it. It is what
// smcrouted runs.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/engine"
	"github.com/smcroute/kube-smcroute/agent/hook"
	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/meter"
	"github.com/smcroute/kube-smcroute/agent/mrdisc"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/spread"
)

// DefaultMaxFlows is the number for [Options.MaxFlows] of who asks for none. That
// many entries take about 50 MiB, of the kernel and of this program together,
// which is what a flood of made-up sources can cost.
const DefaultMaxFlows = 1 << 16

// MinMaxFlows is the least that makes sense.
const MinMaxFlows = 16

// Options configure an agent. The callbacks may be nil; they are called from
// Run's goroutine, but for OnKill and OnChange, and must not block.
type Options struct {
	Kernel kernel.Kernel // closed by Run

	ConfFile       string // "": none
	DefaultDisable bool   // phyint lines without enable or disable mean disable
	Socket         string // of smcroutectl; "": none

	FlushInterval  time.Duration // see [engine.Options]
	MRDiscInterval time.Duration // 4 s to 180 s; 0: 20 s

	// Await names the layers beside that of the configuration file that must have
	// been set once before what the kernel held at the start, and nobody wants,
	// goes. RemoveForeign has it go even if another program put it there.
	Await         []string
	RemoveForeign bool

	// MaxFlows is how many entries there may be that packets have made: learned
	// ones, and stop filters, which make room first. 0: any number.
	MaxFlows int

	// Shared says that there are more agents in the process: what memory is free is
	// not for each of them to give back.
	Shared bool

	// Leave reports at the end of Run whether what is in the kernel is left to
	// the next process. nil: never.
	Leave func() bool

	Version string // of the program, for the document of its state
	Table   uint32 // of Kernel
	NetNS   string // path of Kernel's network namespace; "": this one

	// PodsBehind returns the pods, "namespace/name", behind links, by the link's name,
	// for that document. It may be nil.
	PodsBehind func() map[string][]string

	Script string // see [hook.New]; "": none

	Logger *slog.Logger

	OnStarted   func() // the router runs, clients can connect, and the configuration comes next
	OnReady     func() // the configuration is in the kernel, but for joins of thousands of groups; the script is called after it
	OnReloading func() // a reload begins
	OnReloaded  func() // it is done
	OnKill      func() // a client asks the program to end

	OnChange func() // see [engine.Options]
}

// Agent is a router and its servants.
type Agent struct {
	o      Options
	log    *slog.Logger
	router *spread.Router
	mrdisc *mrdisc.Announcer
	hook   *hook.Runner
	await  *awaited

	reloads chan *reload

	meter    meter.Router
	lastRead atomic.Pointer[lastRead] // nil: there was no configuration file

	// Of Run's goroutine:

	outline outline // of the last reading of the configuration file
	read    bool    // whether one was without an error
}

// reload asks for another reading of the configuration file.
type reload struct {
	ifChanged bool // only if it is another one
	done      chan error
	dirs      []string // of the reading, when done has a value
}

// New puts an agent together. Nothing happens before Run.
func New(o Options) *Agent {
	a := &Agent{o: o, log: o.Logger, await: newAwaited(o.Await), reloads: make(chan *reload)}
	a.hook = hook.New(o.Script, o.Logger)
	a.mrdisc = mrdisc.New(mrdisc.Options{Interval: o.MRDiscInterval, NetNS: o.NetNS, Logger: o.Logger, Silent: o.Leave})
	a.router = spread.New(engine.Options{
		Kernel:        o.Kernel,
		FlushInterval: o.FlushInterval,
		RemoveForeign: o.RemoveForeign,
		MaxFlows:      o.MaxFlows,
		Meter:         &a.meter,
		Logger:        o.Logger,
		OnFlow:        a.hook.Install,
		OnMRDisc:      a.mrdisc.Set,
		OnChange:      o.OnChange,
	})
	return a
}

// SetLayer replaces the layer of that name, which must not be "file": that is
// the configuration file's. It returns when the kernel has it. What clients
// changed stays on top. Before Run has started the router it waits, as long as
// ctx lets it.
func (a *Agent) SetLayer(ctx context.Context, l mroute.Layer) error {
	if err := a.router.SetLayer(ctx, l, false); err != nil {
		return err
	}
	return a.told(ctx, l.Name)
}

// Snapshot returns the state of the router, with the kernel's counters if asked
// for: see [engine.Engine.Snapshot].
func (a *Agent) Snapshot(ctx context.Context, counters bool) (*mroute.Snapshot, error) {
	return a.router.Snapshot(ctx, counters)
}

// Digest is what reports on the router are made from: see [engine.Engine.Digest].
func (a *Agent) Digest(ctx context.Context, visit mroute.Visit) (*mroute.Snapshot, error) {
	return a.router.Digest(ctx, visit)
}

// Survey goes over the router some at a time: see [engine.Engine.Survey].
func (a *Agent) Survey(ctx context.Context, asked mroute.Survey) (*mroute.Snapshot, error) {
	return a.router.Survey(ctx, asked)
}

// Alive returns nil if the router answers before ctx is done.
func (a *Agent) Alive(ctx context.Context) error { return a.router.Started(ctx) }

// Run works until ctx is done, and returns nil then, when the kernel's tables
// are empty, or left to the next process. Any other return is a failure to start, or to hear from the kernel.
func (a *Agent) Run(ctx context.Context) (err error) {
	defer a.hook.Close()
	defer func() {
		if cerr := a.giveUp(); err == nil {
			err = cerr
		}
	}()
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()

	// Clients can connect from here on; they wait until there is something
	// to tell.
	var clients *ipc.Server
	if a.o.Socket != "" {
		if clients, err = ipc.Listen(a.o.Socket, ipc.Options{Logger: a.log}); err != nil {
			return fmt.Errorf("client socket: %w", err)
		}
	}
	failed := make(chan error, 3)
	servant := func(what string, run func(context.Context) error) {
		wg.Go(func() {
			if err := run(ctx); err != nil {
				failed <- fmt.Errorf("%s: %w", what, err)
			}
		})
	}
	read := make(chan *reading, 1)
	wg.Go(func() { read <- a.readConf() }) // while the router starts
	servant("router", a.router.Run)
	servant("router advertisements", a.mrdisc.Run)
	if a.router.Started(ctx) != nil {
		if clients != nil {
			_ = clients.Close()
		}
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			return nil
		}
	}
	call(a.o.OnStarted)
	clean, _ := a.load(ctx, "start", <-read) // an error is in the log: clients can add routes
	if clients != nil {
		servant("client socket", func(ctx context.Context) error { return clients.Serve(ctx, a) })
	}
	call(a.o.OnReady)
	// Only now, when privileges are dropped.
	if clean {
		a.hook.Reload()
	}
	a.giveBack()

	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case r := <-a.reloads:
			r.done <- a.reload(ctx, r)
			a.giveBack()
		}
	}
}

// reload does what was asked for.
func (a *Agent) reload(ctx context.Context, r *reload) error {
	why := "Reading the configuration again"
	if r.ifChanged {
		if a.outline.files == nil {
			return nil
		}
		if !a.outline.changed() {
			r.dirs = a.outline.dirs()
			return nil
		}
		why = "The configuration has changed: reading it again"
	}
	a.log.Log(ctx, core.LevelNotice, why)
	now := a.readConf()
	r.dirs = a.outline.dirs()
	call(a.o.OnReloading)
	clean, err := a.load(ctx, "reload", now)
	if clean {
		a.hook.Reload()
	}
	a.mrdisc.Refresh()
	call(a.o.OnReloaded)
	return err
}

func call(f func()) {
	if f != nil {
		f()
	}
}

// giveUp ends what is in the kernel, or leaves it to the next process.
func (a *Agent) giveUp() error {
	if a.o.Leave == nil || !a.o.Leave() {
		return a.router.Close()
	}
	a.log.Info("What is in the kernel is left to the next process")
	return a.router.Detach()
}

// readConf reads the configuration file; the result is nil if there is none to
// be read.
func (a *Agent) readConf() *reading {
	if a.o.ConfFile == "" {
		return nil
	}
	r := readConf(a.o.ConfFile, a.o.DefaultDisable, a.read)
	a.outline = r.outline
	return &r
}

// load puts what was read of the configuration file into the kernel. If it could
// not be read, what is there stays. It reports whether there was one and every
// line was accepted; errors are in the log by then.
func (a *Agent) load(ctx context.Context, occasion string, r *reading) (clean bool, err error) {
	if r == nil {
		return false, a.told(ctx, fileLayer)
	}
	layer, clean, err := a.judge(ctx, r)
	defer func() {
		if a.read || err != nil {
			a.noteRead(clean && err == nil)
		}
	}()
	if layer == nil {
		return false, errors.Join(err, a.unread(ctx))
	}
	err = a.router.SetLayer(ctx, *layer, true)
	if err == nil {
		err = a.told(ctx, fileLayer)
	}
	if err != nil {
		if ctx.Err() == nil {
			a.log.Error(occasion + ": " + err.Error())
		}
		return false, err
	}
	return clean, nil
}

// Reload reads the configuration again, drops what clients changed, and
// returns when that is done or ctx is. With an error nothing has changed.
func (a *Agent) Reload(ctx context.Context) error {
	return a.ask(ctx, &reload{})
}

// ReloadIfChanged is Reload if the configuration file, or a file that it
// includes, is not what it was when it was last read: another text, or there at
// all or not. Else it does nothing. It returns the directories in which there
// may be a change of that kind.
func (a *Agent) ReloadIfChanged(ctx context.Context) (dirs []string, err error) {
	r := &reload{ifChanged: true}
	if err := a.ask(ctx, r); err != nil && ctx.Err() != nil {
		return nil, err
	}
	return r.dirs, err
}

func (a *Agent) ask(ctx context.Context, r *reload) error {
	r.done = make(chan error, 1)
	select {
	case a.reloads <- r:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
