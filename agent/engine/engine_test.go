package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smcroute/kube-smcroute/agent/engine"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/sim"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// rig is an engine that runs on a simulated kernel until the test ends.
type rig struct {
	*engine.Engine
	t      *testing.T
	host   *sim.Host
	log    *lines
	cancel context.CancelFunc
	ended  chan error
}

// lines are what was logged.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

// start runs an engine with links. Of o, Kernel and Logger are filled in.
func start(t *testing.T, o engine.Options, links ...string) *rig {
	t.Helper()
	r := &rig{t: t, host: sim.New(), log: &lines{}, ended: make(chan error, 1)}
	for _, l := range links {
		r.host.AddLink(l)
	}
	if o.Kernel == nil {
		k, err := r.host.Open(0)
		if err != nil {
			t.Fatal(err)
		}
		o.Kernel = k
	}
	o.Logger = slog.New(slog.NewTextHandler(r.log, nil))
	r.Engine = engine.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() { r.ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

// stop ends Run and returns its error.
func (r *rig) stop() error {
	r.cancel()
	err := <-r.ended
	r.ended <- err
	return err
}

func (r *rig) set(routes ...mroute.Route) {
	r.t.Helper()
	for i := range routes {
		routes[i].Origin.Seq = i + 1
	}
	if err := r.SetLayer(context.Background(), mroute.Layer{Name: "file", FirstMatch: true, Routes: routes}, true); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) snapshot() *mroute.Snapshot {
	r.t.Helper()
	s, err := r.Snapshot(context.Background(), true)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// send has packets arrive, at the test's time.
func (r *rig) send(link string, sg mroute.SG) { r.host.Send(link, sg, 64, time.Now()) }

func sg(source, group string) mroute.SG {
	g := mroute.SG{Group: netip.MustParseAddr(group)}
	if source != "*" {
		g.Source = netip.MustParseAddr(source)
	}
	return g
}

func route(from, source, group string, to ...mroute.IfPattern) mroute.Route {
	r := mroute.Route{From: mroute.IfPattern(from), Match: mroute.MatchSG(sg(source, group))}
	for _, o := range to {
		r.To = append(r.To, mroute.Output{If: o})
	}
	return r
}

// A layer is in the kernel when SetLayer returns, an edit when Edit does.
func TestCallsReturnWhenDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, engine.Options{}, "a0", "b0", "b1")
		flow := sg("10.0.0.1", "225.1.1.1")
		r.set(route("a0", "10.0.0.1", "225.1.1.1", "b0"))
		if out := r.host.Outputs("a0", flow, 64); !slices.Equal(out, []string{"b0"}) {
			t.Error(out)
		}
		ctx := context.Background()
		if err := r.Edit(ctx, mroute.Edit{Kind: mroute.AddRoute, Route: route("a0", "10.0.0.1", "225.1.1.1", "b1")}); err != nil {
			t.Error(err)
		}
		if out := r.host.Outputs("a0", flow, 64); len(out) != 2 {
			t.Error(out)
		}
		if err := r.Edit(ctx, mroute.Edit{Kind: mroute.RemoveRoute, Route: route("b0", "10.0.0.1", "225.1.1.1")}); !errors.Is(err, plan.ErrNoRoute) {
			t.Errorf("removing what is not there: %v", err)
		}
		// SetLayer looks at the interfaces that there are now.
		r.host.AddLink("c0")
		r.set(route("a0", "10.0.0.1", "225.1.1.1", "c0"))
		if out := r.host.Outputs("a0", flow, 64); !slices.Equal(out, []string{"c0"}) {
			t.Error(out)
		}
	})
}

// Flows are learned from upcalls, told of, counted, and forgotten when they
// have been idle: between one and two periods after the last packet.
func TestLearnAndExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const period = 60 * time.Second
		flow := sg("10.0.0.1", "225.1.1.1")
		var told atomic.Int32
		r := start(t, engine.Options{FlushInterval: period, OnFlow: func(got mroute.SG) {
			if got != flow {
				t.Errorf("told of %v", got)
			}
			told.Add(1)
		}}, "a0", "b0")
		r.set(route("a0", "*", "225.1.1.1", "b0"))
		r.send("a0", flow)
		r.send("a0", sg("10.0.0.1", "239.9.9.9")) // a stop filter: not told of
		synctest.Wait()
		r.send("a0", flow)
		es := r.snapshot().Entries
		if len(es) != 2 || es[0].SG != flow || es[0].Counters.Packets != 2 || told.Load() != 1 {
			t.Errorf("%d times told, entries %+v", told.Load(), es)
		}
		time.Sleep(period + time.Second)
		synctest.Wait()
		if es := r.snapshot().Entries; len(es) != 2 {
			t.Errorf("after one period: %+v", es)
		}
		time.Sleep(period)
		synctest.Wait()
		if es := r.snapshot().Entries; len(es) != 0 {
			t.Errorf("after two periods: %+v", es)
		}
		r.send("a0", flow)
		synctest.Wait()
		if told.Load() != 2 {
			t.Errorf("told %d times", told.Load())
		}
	})
}

func TestNoExpiryWithoutInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, engine.Options{}, "a0", "b0")
		r.set(route("a0", "*", "225.1.1.1", "b0"))
		r.send("a0", sg("10.0.0.1", "225.1.1.1"))
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if es := r.snapshot().Entries; len(es) != 1 {
			t.Errorf("%+v", es)
		}
		for want := 1; want >= 0; want-- {
			if err := r.Flush(context.Background()); err != nil {
				t.Error(err)
			}
			if es := r.snapshot().Entries; len(es) != want {
				t.Errorf("%d entries after a flush, want %d", len(es), want)
			}
		}
	})
}

// A flush is over when it returns, also of more flows than one read takes.
func TestFlushOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, engine.Options{}, "a0", "b0")
		r.set(mroute.Route{From: "a0", Match: mroute.Match{Group: netip.MustParsePrefix("225.0.0.0/8")}, To: []mroute.Output{{If: "b0"}}})
		const n = 3000
		for i := range n {
			r.send("a0", sg("10.0.0.1", fmt.Sprintf("225.1.%d.%d", i>>8, i&255)))
			if i%200 == 0 {
				synctest.Wait() // the kernel keeps 256 questions
			}
		}
		synctest.Wait()
		if es := r.snapshot().Entries; len(es) != n {
			t.Fatalf("%d entries", len(es))
		}
		for _, want := range []int{n, 0} {
			if err := r.Flush(context.Background()); err != nil {
				t.Error(err)
			}
			if es := r.snapshot().Entries; len(es) != want {
				t.Errorf("%d entries after a flush, want %d", len(es), want)
			}
		}
	})
}

// What fails is tried again after 1, 2, 4 ... 60 seconds, and logged once.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, engine.Options{}, "a0", "b0")
		began := time.Now()
		var mu sync.Mutex
		var tries []time.Duration
		r.host.Fail(func(op mroute.Op) error {
			if op.Kind != mroute.SetMFC {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			if tries = append(tries, time.Since(began)); len(tries) == 9 {
				return nil
			}
			return errors.New("not yet")
		})
		r.set(route("a0", "10.0.0.1", "225.1.1.1", "b0"))
		time.Sleep(time.Hour)
		synctest.Wait()
		var want []time.Duration
		for _, s := range []int{0, 1, 3, 7, 15, 31, 63, 123, 183} {
			want = append(want, time.Duration(s)*time.Second)
		}
		if !slices.Equal(tries, want) {
			t.Errorf("tried at %v, want %v", tries, want)
		}
		if n := r.log.count("not yet"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		if out := r.host.Outputs("a0", sg("10.0.0.1", "225.1.1.1"), 64); len(out) != 1 {
			t.Error(out)
		}
	})
}

// Links that come and go are heard of without a call.
func TestLinksChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told [][]mroute.Link
		r := start(t, engine.Options{OnMRDisc: func(ls []mroute.Link) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, ls)
		}}, "a0")
		if err := r.SetLayer(context.Background(), mroute.Layer{
			Name:    "file",
			Phyints: []mroute.Phyint{{If: "b+", MRDisc: true, Origin: mroute.Origin{Seq: 1}}},
			Routes:  []mroute.Route{{From: "a0", Match: mroute.MatchSG(sg("10.0.0.1", "225.1.1.1")), To: []mroute.Output{{If: "b+"}}, Origin: mroute.Origin{Seq: 2}}},
		}, true); err != nil {
			t.Fatal(err)
		}
		index := r.host.AddLink("b0")
		synctest.Wait()
		if out := r.host.Outputs("a0", sg("10.0.0.1", "225.1.1.1"), 64); !slices.Equal(out, []string{"b0"}) {
			t.Error(out)
		}
		// Gone and back with its index before the engine looks.
		r.host.DeleteLink("b0")
		r.host.Insert(mroute.Link{Index: index, Name: "b0", Up: true, Multicast: true})
		synctest.Wait()
		if out := r.host.Outputs("a0", sg("10.0.0.1", "225.1.1.1"), 64); !slices.Equal(out, []string{"b0"}) {
			t.Error(out)
		}
		r.host.DeleteLink("b0")
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(told) != 2 || len(told[0]) != 1 || told[0][0].Name != "b0" || len(told[1]) != 0 {
			t.Errorf("told to advertise on %v", told)
		}
	})
}

// After Run calls fail with ErrStopped, and none hangs.
func TestStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, engine.Options{FlushInterval: time.Second}, "a0")
		r.set()
		if err := r.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
		ctx := context.Background()
		for name, err := range map[string]error{
			"SetLayer": r.SetLayer(ctx, mroute.Layer{Name: "file"}, true),
			"Edit":     r.Edit(ctx, mroute.Edit{Kind: mroute.AddRoute, Route: route("a0", "*", "225.1.1.1")}),
			"Flush":    r.Flush(ctx),
			"Snapshot": func() error { _, err := r.Snapshot(ctx, true); return err }(),
		} {
			if !errors.Is(err, engine.ErrStopped) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// A call whose context ends before it can be taken up returns, and is not made
// later.
func TestCallGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := sim.New()
		host.AddLink("a0")
		k, err := host.Open(0)
		if err != nil {
			t.Fatal(err)
		}
		e := engine.New(engine.Options{Kernel: k, Logger: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := e.Edit(ctx, mroute.Edit{Kind: mroute.AddRoute, Route: route("a0", "*", "225.1.1.1")}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("before Run: %v", err)
		}
		running, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- e.Run(running) }()
		s, err := e.Snapshot(context.Background(), false)
		if err != nil || len(s.Rules) != 0 {
			t.Errorf("%v, %v", s, err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// deaf is a kernel that cannot be listened to.
type deaf struct {
	*sim.Kernel
	links, watch error
}

func (d deaf) Links() ([]mroute.Link, error) {
	if d.links != nil {
		return nil, d.links
	}
	return d.Kernel.Links()
}

func (d deaf) Watch(context.Context, chan<- kernel.Event) error { return d.watch }

// Run ends with an error when nothing can be heard of the kernel any more.
func TestRunFails(t *testing.T) {
	broken := errors.New("broken")
	for name, d := range map[string]deaf{"links": {links: broken}, "watch": {watch: broken}, "end without reason": {}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, err := sim.New().Open(0)
				if err != nil {
					t.Fatal(err)
				}
				d.Kernel = k
				e := engine.New(engine.Options{Kernel: d, Logger: slog.New(slog.DiscardHandler)})
				err = e.Run(context.Background())
				if err == nil || strings.Contains(err.Error(), "%!") || (d.links != nil || d.watch != nil) && !errors.Is(err, broken) {
					t.Errorf("Run: %v", err)
				}
				if err := e.Flush(context.Background()); !errors.Is(err, engine.ErrStopped) {
					t.Errorf("Flush: %v", err)
				}
			})
		})
	}
}

// One table may be another program's: the other family works.
func TestOneFamilyAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := sim.New()
		host.Lack(mroute.IPv6)
		k, err := host.Open(0)
		if err != nil {
			t.Fatal(err)
		}
		r := start(t, engine.Options{Kernel: k})
		r.host = host
		host.AddLink("a0")
		host.AddLink("b0")
		r.set(route("a0", "10.0.0.1", "225.1.1.1", "b0"), route("a0", "2001:db8::1", "ff05::1", "b0"))
		if out := host.Outputs("a0", sg("10.0.0.1", "225.1.1.1"), 64); len(out) != 1 {
			t.Error(out)
		}
		if s := r.snapshot(); len(s.Entries) != 1 || len(s.Pending) != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// Many goroutines call at once while links and flows come and go; then the
// engine is stopped amidst calls. What remains is consistent. Run with -race.
func TestConcurrentUse(t *testing.T) {
	r := start(t, engine.Options{FlushInterval: 5 * time.Millisecond}, "a0", "b0", "b1", "b2")
	ctx := context.Background()
	r.set(route("a0", "*", "225.1.1.1", "b+"))
	const rounds = 60
	var wg sync.WaitGroup
	each := func(f func(i int) error) {
		wg.Go(func() {
			for i := range rounds {
				if err := f(i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for w := range 4 {
		source := fmt.Sprintf("10.0.%d.1", w)
		each(func(i int) error {
			ed := mroute.Edit{Kind: mroute.AddRoute, Route: route("a0", source, "225.1.1.1", "b1")}
			if i%2 == 1 {
				ed.Kind = mroute.RemoveRoute
			}
			err := r.Edit(ctx, ed)
			if errors.Is(err, plan.ErrNoRoute) {
				return nil // a layer was set in between
			}
			return err
		})
	}
	each(func(int) error {
		return r.SetLayer(ctx, mroute.Layer{Name: "file", Routes: []mroute.Route{route("a0", "*", "225.1.1.1", "b+")}}, true)
	})
	each(func(i int) error {
		return r.SetLayer(ctx, mroute.Layer{Name: "other", Routes: []mroute.Route{route("a0", "10.0.0.9", "225.1.1.1", mroute.IfPattern(fmt.Sprintf("b%d", i%3)))}}, false)
	})
	each(func(int) error { return r.Flush(ctx) })
	each(func(i int) error {
		s, err := r.Snapshot(ctx, i%2 == 0)
		if err == nil {
			for _, e := range s.Entries { // read all of it, for the race detector
				if e.IIF == "" {
					return fmt.Errorf("entry without inbound: %+v", e)
				}
			}
		}
		return err
	})
	each(func(i int) error {
		r.host.DeleteLink("b2")
		r.host.AddLink("b2")
		return nil
	})
	each(func(i int) error {
		r.send("a0", sg(fmt.Sprintf("10.1.0.%d", i), "225.1.1.1"))
		return nil
	})
	wg.Wait()

	r.set(route("a0", "10.0.0.1", "225.1.1.1", "b+"))
	if err := r.SetLayer(ctx, mroute.Layer{Name: "other"}, false); err != nil {
		t.Error(err)
	}
	if out := r.host.Outputs("a0", sg("10.0.0.1", "225.1.1.1"), 64); len(out) != 3 {
		t.Errorf("%v\n%v", out, r.host)
	}

	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			for {
				if _, err := r.Snapshot(ctx, true); err != nil {
					if !errors.Is(err, engine.ErrStopped) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	calls.Wait()
}
