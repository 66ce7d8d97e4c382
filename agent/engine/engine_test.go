package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smcroute/kube-smcroute/agent/engine"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

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
		if n := r.log.Count("not yet"); n != 1 {
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
