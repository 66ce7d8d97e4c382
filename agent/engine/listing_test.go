package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smcroute/kube-smcroute/agent/engine"
	"github.com/smcroute/kube-smcroute/agent/kernel/sim"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// slow is a kernel that takes a second for each reading of counters.
type slow struct{ *sim.Kernel }

func (k slow) Counters(f mroute.Family, sgs []mroute.SG, out []mroute.Counters) error {
	time.Sleep(time.Second)
	return k.Kernel.Counters(f, sgs, out)
}

// While a large table is listed an edit waits for one reading of counters at most,
// and so does a client that gives up.
func TestListingLetsOthersHaveTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := sim.New()
		k, err := host.Open(0)
		if err != nil {
			t.Fatal(err)
		}
		host.AddLink("a0")
		host.AddLink("b0")
		r := start(t, engine.Options{Kernel: slow{k}})
		const n = 5000
		routes := make([]mroute.Route, n)
		for i := range routes {
			routes[i] = route("a0", fmt.Sprintf("10.0.%d.%d", i/250, i%250+1), "225.1.1.1", "b0")
		}
		r.set(routes...)

		listed := make(chan *mroute.Snapshot)
		go func() {
			s, err := r.Snapshot(context.Background(), true)
			if err != nil {
				t.Error(err)
			}
			listed <- s
		}()
		time.Sleep(1500 * time.Millisecond)
		begun := time.Now()
		if err := r.Edit(t.Context(), mroute.Edit{Kind: mroute.AddRoute, Route: route("a0", "10.1.1.1", "225.1.1.1", "b0")}); err != nil {
			t.Error(err)
		}
		if waited := time.Since(begun); waited > time.Second {
			t.Errorf("an edit waited for %v", waited)
		}
		s := <-listed
		if len(s.Entries) != n && len(s.Entries) != n+1 || len(s.Rules) != n {
			t.Errorf("%d entries, %d rules", len(s.Entries), len(s.Rules))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		begun = time.Now()
		if _, err := r.Snapshot(ctx, true); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) > 2*time.Second {
			t.Errorf("given up: %v after %v", err, time.Since(begun))
		}
	})
}
