package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smcroute/kube-smcroute/agent/engine"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/sim"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

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
