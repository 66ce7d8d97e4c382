package agent_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smcroute/kube-smcroute/agent/engine"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Layers go to where they belong. What is wanted no more is closed, but for the
// main router, which keeps what is not Routers'.
func TestRouters(t *testing.T) {
	inBubble(t, func(t *testing.T, fl *fleet) {
		is(t, "before", fl.places(), "table 0")
		is(t, "main, before", fl.state(node).Snapshot != nil, true)
		file := layer("225.1.1.1")
		file.Name = "file"
		if err := fl.main.SetLayer(t.Context(), file); err != nil {
			t.Fatal(err)
		}
		fl.set(layers{node: layer("225.2.2.2"), lan2: layer("225.3.3.3"), pod1: layer("225.4.4.4"), pod2: layer("225.5.5.5")})
		is(t, "places", fl.places(), "table 0, table 0 of /run/netns/one, table 0 of /run/netns/two, table 2")
		for p, group := range map[mroute.Place]string{node: "225.2.2.2", lan2: "225.3.3.3", pod1: "225.4.4.4", pod2: "225.5.5.5"} {
			is(t, p.String(), fl.out(p, group), "b0")
			is(t, p.String(), len(fl.state(p).Snapshot.Rules) > 0, true)
		}
		fl.set(layers{pod1: layer("225.6.6.6")})
		is(t, "places", fl.places(), "table 0, table 0 of /run/netns/one")
		is(t, "replaced", fl.out(pod1, "225.4.4.4")+fl.out(pod1, "225.6.6.6"), "-b0")
		is(t, "the file's", fl.out(node, "225.1.1.1"), "b0")
		is(t, "main's", fl.out(node, "225.2.2.2"), "-")
		is(t, "a closed table's", fl.out(lan2, "225.3.3.3"), "-")
		is(t, "open in the second pod", len(fl.hosts[pod2.NetNS].Kernels()), 0)
		fl.set(nil)
		is(t, "places", fl.places(), "table 0")
		is(t, "open in the first pod", len(fl.hosts[pod1.NetNS].Kernels()), 0)
	})
}

var errGone = fmt.Errorf("network namespace /run/netns/one: %w", os.ErrNotExist)

// A router that cannot be opened is tried again after 1 s, 2 s, 4 s ... 60 s,
// whatever is asked meanwhile. The log tells it once, and when it works.
func TestRoutersBackOff(t *testing.T) {
	inBubble(t, func(t *testing.T, fl *fleet) {
		fl.failing(func(p mroute.Place) error {
			if p == pod1 {
				return errGone
			}
			return nil
		})
		for i := range 300 {
			fl.set(layers{pod1: layer(fmt.Sprintf("225.4.4.%d", i%200)), pod2: layer("225.5.5.5")})
			time.Sleep(time.Second)
		}
		is(t, "tries", fmt.Sprint(fl.tries[pod1]), "[0s 1s 3s 7s 15s 31s 1m3s 2m3s 3m3s 4m3s]")
		is(t, "tries of another", len(fl.tries[pod2]), 1)
		is(t, "another", fl.out(pod2, "225.5.5.5"), "b0")
		s := fl.state(pod1)
		is(t, "error", errors.Is(s.Err, os.ErrNotExist), true)
		is(t, "cause", s.Cause, mroute.Cause(0))
		is(t, "lines of its failure", strings.Count(fl.log.String(), "does not work"), 1)
		fl.failing(nil)
		before := fl.changes.Load()
		time.Sleep(time.Minute)
		synctest.Wait()
		is(t, "now", fl.out(pod1, "225.4.4.99"), "b0")
		is(t, "told", fl.changes.Load() > before, true)
		is(t, "lines of its recovery", strings.Count(fl.log.String(), "table 0 of /run/netns/one works now"), 1)
	})
}

// The cause is one that a report can name.
func TestRoutersCauses(t *testing.T) {
	inBubble(t, func(t *testing.T, fl *fleet) {
		for _, tt := range []struct {
			err  error
			want mroute.Cause
		}{
			{&kernel.Error{Op: "MRT_INIT", Object: "IPv4 table 0", Errno: syscall.EADDRINUSE, Cause: kernel.ErrTableBusy}, mroute.CauseTableInUse},
			{&kernel.Error{Op: "MRT_INIT", Object: "IPv4 table 0", Errno: syscall.ENOPROTOOPT, Cause: kernel.ErrNotSupported}, mroute.CauseNotSupported},
			{&kernel.Error{Op: "raw socket", Object: "IPv4 table 0", Errno: syscall.EPERM, Cause: kernel.ErrPermission}, mroute.CausePermission},
			{fmt.Errorf("entering network namespace x: %w", syscall.EPERM), mroute.CausePermission},
			{&kernel.Error{Op: "raw socket", Object: "IPv4 table 0", Errno: syscall.EMFILE}, mroute.CauseKernel},
			{errGone, 0},
		} {
			fl.failing(func(mroute.Place) error { return tt.err })
			fl.set(layers{pod1: layer()})
			s := fl.state(pod1)
			is(t, "error", s.Err, tt.err)
			is(t, tt.err.Error(), s.Cause, tt.want)
			fl.set(nil)
		}
	})
}

// A table that another program has is taken when that one gives it up.
func TestRoutersTableInUse(t *testing.T) {
	inBubble(t, func(t *testing.T, fl *fleet) {
		other, err := fl.hosts[pod1.NetNS].Open(0)
		if err != nil {
			t.Fatal(err)
		}
		fl.set(layers{pod1: layer("225.4.4.4"), lan2: layer("225.3.3.3")})
		is(t, "cause", fl.state(pod1).Cause, mroute.CauseTableInUse)
		is(t, "another table", fl.out(lan2, "225.3.3.3"), "b0")
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		is(t, "now", fl.out(pod1, "225.4.4.4"), "b0")
	})
}

// Where one family cannot be had, the other works, and what waits tells why.
func TestRoutersOneFamily(t *testing.T) {
	inBubble(t, func(t *testing.T, fl *fleet) {
		fl.hosts[pod1.NetNS].Lack(mroute.IPv6)
		l := layer("225.4.4.4")
		l.Routes = append(l.Routes, mroute.Route{From: "a0", Match: mroute.MatchSG(flow("2001:db8::1", "ff05::1")), To: []mroute.Output{{If: "b0"}}})
		fl.set(layers{pod1: l})
		is(t, "IPv4", fl.out(pod1, "225.4.4.4"), "b0")
		pending := fl.state(pod1).Snapshot.Pending
		if len(pending) != 1 || pending[0].Cause != mroute.CauseNotSupported {
			t.Errorf("pending: %+v", pending)
		}
	})
}

// mortal is a kernel that fails when told to.
type mortal struct {
	kernel.Kernel
	die   chan error
	blind *atomic.Bool // cannot list links
}

func (m mortal) Watch(ctx context.Context, events chan<- kernel.Event) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- m.Kernel.Watch(ctx, events) }()
	select {
	case err := <-m.die:
		cancel()
		<-ended
		return err
	case err := <-ended:
		return err
	}
}

func (m mortal) Links() ([]mroute.Link, error) {
	if m.blind.Load() {
		return nil, errBlind
	}
	return m.Kernel.Links()
}

// A router that ends by itself is opened again. One that keeps doing so is so
// less and less often; one that has worked for long is so soon.
func TestRoutersReopen(t *testing.T) {
	inBubble(t, func(t *testing.T, fl *fleet) {
		die := make(chan error)
		fl.wrap = func(p mroute.Place, k kernel.Kernel) kernel.Kernel {
			return mortal{k, die, &atomic.Bool{}}
		}
		errLost := errors.New("lost touch")
		fl.set(layers{pod1: layer("225.4.4.4")})
		for _, wait := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			before := fl.changes.Load()
			die <- errLost
			synctest.Wait()
			is(t, "dead", errors.Is(fl.state(pod1).Err, errLost), true)
			is(t, "told", fl.changes.Load() > before, true)
			is(t, "left in the kernel", fl.out(pod1, "225.4.4.4"), "-")
			time.Sleep(wait - time.Millisecond)
			synctest.Wait()
			is(t, "still dead", fl.out(pod1, "225.4.4.4"), "-")
			time.Sleep(time.Millisecond)
			synctest.Wait()
			is(t, "alive", fl.out(pod1, "225.4.4.4"), "b0")
			is(t, "its state", fl.state(pod1).Err, nil)
		}
		time.Sleep(time.Minute)
		die <- errLost
		time.Sleep(time.Second)
		synctest.Wait()
		is(t, "alive", fl.out(pod1, "225.4.4.4"), "b0")
		die <- errLost
		synctest.Wait()
		fl.set(nil) // during the pause
		time.Sleep(time.Hour)
		is(t, "tries", len(fl.tries[pod1]), 5)
	})
}

// A layer that cannot be set for a while is not given up, and the router is not
// either.
func TestRoutersLayerFails(t *testing.T) {
	inBubble(t, func(t *testing.T, fl *fleet) {
		blind, looks := &atomic.Bool{}, &atomic.Int32{}
		fl.wrap = func(p mroute.Place, k kernel.Kernel) kernel.Kernel {
			return counting{mortal{k, nil, blind}, looks}
		}
		fl.set(layers{pod1: layer("225.4.4.4")})
		blind.Store(true)
		fl.set(layers{pod1: layer("225.4.4.4", "225.5.5.5")})
		is(t, "error", errors.Is(fl.state(pod1).Err, errBlind), true)
		is(t, "the old route", fl.out(pod1, "225.4.4.4"), "b0")
		before := looks.Load()
		time.Sleep(5 * time.Minute)
		is(t, "tries in 5 minutes", looks.Load()-before, 9) // after 1, 3, 7, 15, 31 s, 1m3s ...
		is(t, "lines of its failure", strings.Count(fl.log.String(), "does not work"), 1)
		blind.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		is(t, "the new route", fl.out(pod1, "225.5.5.5"), "b0")
		is(t, "error", fl.state(pod1).Err, nil)
		is(t, "tries", len(fl.tries[pod1]), 1)
	})
}

// A table is free before its next router opens it, also if the namespace has
// another path by then.
func TestRoutersTakeOver(t *testing.T) {
	inBubble(t, func(t *testing.T, fl *fleet) {
		moved := mroute.Place{NetNS: "/proc/7/ns/net", ID: pod1.ID}
		fl.hosts[moved.NetNS] = fl.hosts[pod1.NetNS]
		fl.wrap = func(p mroute.Place, k kernel.Kernel) kernel.Kernel { return slow{k} }
		drop := func() { // without waiting for the end
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			fl.SetLayers(ctx, nil)
			is(t, "waited", ctx.Err(), context.DeadlineExceeded)
		}
		for range 5 {
			fl.set(layers{pod1: layer("225.4.4.4")})
			drop()
			fl.set(layers{pod1: layer("225.4.4.5")})
			is(t, "again", fl.out(pod1, "225.4.4.5"), "b0")
			fl.set(layers{moved: layer("225.4.4.6")})
			is(t, "moved", fl.out(pod1, "225.4.4.6"), "b0")
		}
		if strings.Contains(fl.log.String(), "does not work") {
			t.Errorf("log:\n%v", fl.log)
		}
		drop() // but Run waits, see fleet.end
	})
}

// slow is a kernel that takes long to close.
type slow struct{ kernel.Kernel }

func (s slow) Close() error {
	time.Sleep(100 * time.Millisecond)
	return s.Kernel.Close()
}

// OnChange tells of what happens at any place, without anybody's asking.
func TestRoutersOnChange(t *testing.T) {
	inBubble(t, func(t *testing.T, fl *fleet) {
		l := layer("225.4.4.4")
		l.Routes[0].Match = mroute.MatchSG(mroute.SG{Group: flow("10.0.0.1", "225.4.4.4").Group})
		fl.set(layers{pod1: l})
		synctest.Wait()
		before := fl.changes.Load()
		host := fl.hosts[pod1.NetNS]
		host.Send("a0", flow("10.0.0.1", "225.4.4.4"), 64, host.Now())
		synctest.Wait()
		is(t, "learned", fl.out(pod1, "225.4.4.4"), "b0")
		is(t, "told", fl.changes.Load() > before, true)
	})
}

// A layer that a router has already is not compared with the kernel again.
func TestRoutersSameLayer(t *testing.T) {
	inBubble(t, func(t *testing.T, fl *fleet) {
		var sets atomic.Int32
		fl.wrap = func(p mroute.Place, k kernel.Kernel) kernel.Kernel { return counting{k, &sets} }
		fl.set(layers{pod1: layer("225.4.4.4")})
		before := sets.Load()
		fl.set(layers{pod1: layer("225.4.4.4")})
		is(t, "looks at the links for the same layer", sets.Load(), before)
		fl.set(layers{pod1: layer("225.4.4.5")})
		is(t, "looks at the links for another", sets.Load(), before+1)
	})
}

// counting counts how often links are listed: a new layer does so.
type counting struct {
	kernel.Kernel
	links *atomic.Int32
}

func (c counting) Links() ([]mroute.Link, error) {
	c.links.Add(1)
	return c.Kernel.Links()
}

// A place that takes long to open holds up nobody but who waits for it, and can
// be given up.
func TestRoutersSlowPlace(t *testing.T) {
	inBubble(t, func(t *testing.T, fl *fleet) {
		hang := make(chan struct{})
		fl.wrap = func(p mroute.Place, k kernel.Kernel) kernel.Kernel {
			if p == pod1 {
				fl.mu.Unlock() // of Open
				<-hang
				fl.mu.Lock()
			}
			return k
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		fl.SetLayers(ctx, layers{pod1: layer("225.4.4.4"), pod2: layer("225.5.5.5")})
		is(t, "given up", ctx.Err(), context.DeadlineExceeded)
		is(t, "the other", fl.out(pod2, "225.5.5.5"), "b0")
		s := fl.state(pod1)
		is(t, "cause", s.Cause, 0)
		is(t, "error", s.Err != nil, true)
		began := time.Now()
		fl.SetLayers(t.Context(), layers{node: layer("225.2.2.2"), pod1: layer("225.4.4.4")})
		is(t, "waited for it", time.Since(began), 5*time.Second)
		is(t, "main", fl.out(node, "225.2.2.2"), "b0")
		waiting := make(chan struct{})
		go func() {
			fl.SetLayers(context.Background(), layers{pod1: layer("225.4.4.5")})
			close(waiting)
		}()
		synctest.Wait()
		close(hang)
		<-waiting
		is(t, "in the end", fl.out(pod1, "225.4.4.5"), "b0")
	})
}

// Digests give the entries of each router, with counters, to who visits them.
func TestRoutersDigests(t *testing.T) {
	inBubble(t, func(t *testing.T, fl *fleet) {
		fl.set(layers{node: layer("225.2.2.2", "225.2.2.3"), pod1: layer("225.4.4.4")})
		var mu sync.Mutex
		seen := map[mroute.Place]int{}
		states := fl.Digests(t.Context(), func(at mroute.Place, now time.Time, entries []mroute.EntryView) {
			mu.Lock()
			defer mu.Unlock()
			seen[at] += len(entries)
			if !now.Equal(time.Now()) {
				t.Errorf("entries of %v, it is %v", now, time.Now())
			}
		})
		is(t, "entries of main", seen[node], 2)
		is(t, "entries of the pod", seen[pod1], 1)
		is(t, "links of the pod", len(states[pod1].Snapshot.Links) > 1, true)
		is(t, "without entries", len(fl.Digests(t.Context(), nil)[node].Snapshot.Links), len(states[node].Snapshot.Links))
	})
}

// A router that does not answer in time has an error; all others have states.
func TestRoutersStatesInTime(t *testing.T) {
	inBubble(t, func(t *testing.T, fl *fleet) {
		hang := make(chan struct{})
		fl.wrap = func(p mroute.Place, k kernel.Kernel) kernel.Kernel { return stuck{k, hang} }
		fl.set(layers{pod1: layer("225.4.4.4")})
		fl.hosts[pod1.NetNS].AddLink("c0") // and its router hangs
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		states := fl.States(ctx, true)
		is(t, "error", states[pod1].Err, context.DeadlineExceeded)
		is(t, "cause", states[pod1].Cause, 0)
		is(t, "main", states[node].Snapshot != nil, true)
		close(hang)
	})
}

// stuck is a kernel that takes long to list more than three links.
type stuck struct {
	kernel.Kernel
	until chan struct{}
}

func (s stuck) Links() ([]mroute.Link, error) {
	links, err := s.Kernel.Links()
	if len(links) > 3 {
		<-s.until
	}
	return links, err
}

// Calls before Run wait for it, and after it they return.
func TestRoutersBeforeAndAfterRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fl := newFleet(t)
		early := make(chan struct{})
		go func() {
			fl.SetLayers(t.Context(), layers{pod1: layer("225.4.4.4")})
			close(early)
		}()
		synctest.Wait()
		fl.start()
		<-early
		is(t, "of the early layer", fl.out(pod1, "225.4.4.4"), "b0")
		fl.end()
		fl.SetLayers(context.Background(), layers{pod1: layer()})
		is(t, "states after Run", fl.States(context.Background(), false) == nil, true)
	})
}

// Whatever is asked in whatever order, the last call decides. Run with -race.
func TestRoutersManyCalls(t *testing.T) {
	inBubble(t, func(t *testing.T, fl *fleet) {
		places := []mroute.Place{node, lan2, pod1, pod2}
		var wg sync.WaitGroup
		for c := range 4 {
			wg.Go(func() {
				for i := range 50 {
					want := layers{}
					for j, p := range places {
						if (i+c)>>j&1 == 1 {
							want[p] = layer(fmt.Sprintf("225.%d.%d.%d", c, i, j))
						}
					}
					fl.SetLayers(context.Background(), want)
					if i%10 == 0 {
						fl.States(context.Background(), true)
					}
				}
			})
		}
		wg.Wait()
		want := layers{lan2: layer("225.9.9.9"), pod2: layer("225.9.9.8")}
		fl.set(want)
		is(t, "places", fl.places(), "table 0, table 0 of /run/netns/two, table 2")
		is(t, "second table", fl.out(lan2, "225.9.9.9"), "b0")
		is(t, "second pod", fl.out(pod2, "225.9.9.8"), "b0")
		for _, h := range fl.hosts {
			is(t, "entries", strings.Count(h.String(), "mfc") <= 1, true)
		}
		for p, s := range maps.All(fl.States(t.Context(), false)) {
			if s.Err != nil || errors.Is(s.Err, engine.ErrStopped) {
				t.Errorf("%v: %v", p, s.Err)
			}
		}
	})
}
