package report

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/status"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// agent is a node's: a router that counts packets, if there are any, and the
// real ledger, report and writer.
type agent struct {
	node    string
	changed chan struct{}

	mu      sync.Mutex
	made    time.Time
	traffic float64 // packets a second
	missing bool    // an interface
	slow    time.Duration
	crowd   int
	ledger  status.Ledger
	asked   int
	err     error
}

func (a *agent) Report(context.Context) (*v1alpha1.MulticastNodeStateStatus, error) {
	a.mu.Lock()
	slow := a.slow
	a.mu.Unlock()
	time.Sleep(slow)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	if a.err != nil {
		return nil, a.err
	}
	o := translate.Object{Kind: translate.RouteKind, Namespace: "ns", Name: "a", UID: "u", Generation: 1, Routers: []translate.Router{{}}}
	age := time.Since(a.made)
	n := uint64(age.Seconds() * a.traffic)
	snap := &mroute.Snapshot{Time: time.Now(), Entries: []mroute.EntryView{{
		SG:  mroute.SG{Source: netip.MustParseAddr("10.0.0.1"), Group: netip.MustParseAddr("232.1.1.1")},
		IIF: "eth0", OIFs: []string{"eth1"}, Age: age,
		Counters: mroute.Counters{Packets: n, Bytes: 100 * n},
		Origins:  []mroute.Origin{{Ref: o.Ref()}},
	}}}
	if a.missing {
		snap.Pending = []mroute.PendingView{{Origin: mroute.Origin{Ref: o.Ref()}, Cause: mroute.CauseNoInterface, Reason: "no interface eth1"}}
	}
	routers := map[translate.Router]mroute.RouterState{{}: {Snapshot: snap}}
	s := status.Report([]translate.Object{o}, routers, &a.ledger, status.Options{Now: time.Now(), Flows: true})
	return &s, nil
}

// inCrowd is how many nodes may have the same change to report.
func (a *agent) inCrowd() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.crowd
}

func (a *agent) set(f func()) {
	a.mu.Lock()
	f()
	a.mu.Unlock()
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// fleet is agents and their API server.
type fleet struct {
	*server
	agents []*agent
}

const (
	nodes    = 100
	interval = 300 * time.Second
	coalesce = 10 * time.Second
)

// run starts agents and lets f play with them.
func run(t *testing.T, n int, mode Mode, traffic float64, f func(t *testing.T, all *fleet)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		all := &fleet{server: newServer(t)}
		var running sync.WaitGroup
		for i := range n {
			a := &agent{node: fmt.Sprintf("n%03d", i), changed: make(chan struct{}, 1), made: time.Now(), traffic: traffic}
			all.agents = append(all.agents, a)
			w := a.writer(all.server, mode)
			running.Go(func() {
				if err := w.Start(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		f(t, all)
		cancel()
		running.Wait()
	})
}

func (a *agent) writer(s *server, mode Mode) *Writer {
	return New(Options{
		Client: s, Node: a.node,
		NodeUID:  func(context.Context) (types.UID, error) { return types.UID("uid of " + a.node), nil },
		Mode:     mode,
		Interval: interval, Coalesce: coalesce,
		Source: a, Changed: a.changed, Crowd: a.inCrowd,
		Loaded: a.ledger.Load,
		Logger: slog.New(slog.DiscardHandler),
	})
}

// within fails unless the number is from low to high.
func within(t *testing.T, what string, got int, low, high float64) {
	t.Helper()
	if float64(got) < low || float64(got) > high {
		t.Errorf("%s: %d, want %.1f to %.1f", what, got, low, high)
	}
}

// most is the largest number of times in any span of that length.
func most(times []time.Time, span time.Duration) (n int) {
	for _, from := range times {
		count := 0
		for _, t := range times {
			if d := t.Sub(from); d >= 0 && d < span {
				count++
			}
		}
		n = max(n, count)
	}
	return n
}

// expected is the number of events that n clocks make in a time, one in an
// interval of a mean length that is uniformly spread by a share around it: the
// mean, and six standard deviations, which are passed once in 10^9. That of the
// sum of n counts of a renewal process is sqrt(n * time * variance / mean^3).
func expected(n int, in, mean time.Duration, spread float64) (low, high float64) {
	m := float64(n) * in.Seconds() / mean.Seconds()
	variance := math.Pow(2*spread*mean.Seconds(), 2) / 12
	six := 6 * math.Sqrt(float64(n)*in.Seconds()*variance/math.Pow(mean.Seconds(), 3))
	edge := math.Sqrt(float64(n)) // the ends of the time cut intervals anywhere
	return m - six - edge, m + six + edge
}

// TestScaleSteady: counters that change all the time are written once in an
// interval: N/300 writes a second, spread out although all started together.
func TestScaleSteady(t *testing.T) {
	run(t, nodes, Full, 1000, func(t *testing.T, all *fleet) {
		time.Sleep(time.Hour)
		from, hours := time.Now(), 3*time.Hour
		time.Sleep(hours)
		writes := all.writes(from)
		low, high := expected(nodes, hours, interval, jitter)
		within(t, "writes in 3 h", len(writes), low, high)
		for node, rs := range all.since(from) {
			within(t, "requests of "+node, len(rs), hours.Seconds()/(interval.Seconds()*(1+jitter))-1, hours.Seconds()/(interval.Seconds()*(1-jitter))+1)
		}
		// A Poisson process of 3.3 in 10 s passes 20 once in 10^9.
		within(t, "most writes in 10 s", most(writes, 10*time.Second), 1, 20)
	})
}

// TestScaleIdle: nodes where nothing changes are heard every second interval.
func TestScaleIdle(t *testing.T) {
	run(t, nodes, Full, 0, func(t *testing.T, all *fleet) {
		time.Sleep(time.Hour)
		from, hours := time.Now(), 3*time.Hour
		time.Sleep(hours)
		// The sum of two intervals has twice the variance.
		low, high := expected(nodes, hours, 2*interval, jitter/math.Sqrt2)
		within(t, "writes in 3 h", len(all.writes(from)), low, high)
	})
}

// TestScaleCrowd: where thousands of nodes may have the same change to report, they
// report it 100 a second, however often it changes meanwhile. Here are 100 of 1,000.
func TestScaleCrowd(t *testing.T) {
	run(t, nodes, Full, 0, func(t *testing.T, all *fleet) {
		time.Sleep(time.Hour)
		const crowd = 1000
		from := time.Now()
		for range 20 {
			for _, a := range all.agents {
				a.set(func() { a.missing, a.crowd = true, crowd })
			}
			time.Sleep(coalesce / 20 / 10)
		}
		time.Sleep(crowd * perNode)
		for _, a := range all.agents {
			if rs := all.since(from)[a.node]; len(rs) != 1 {
				t.Errorf("%s: %v", a.node, rs)
			}
		}
		// A Poisson process of 10 in 1 s passes 35 once in 10^9.
		within(t, "most writes in 1 s", most(all.writes(from), time.Second), 1, 35)
	})
}

// TestScaleChange: a change on all nodes at once is one write each, within 10 s.
func TestScaleChange(t *testing.T) {
	run(t, nodes, Full, 0, func(t *testing.T, all *fleet) {
		time.Sleep(time.Hour)
		from := time.Now()
		for _, a := range all.agents {
			a.set(func() { a.missing = true })
		}
		time.Sleep(coalesce)
		for _, a := range all.agents {
			if rs := all.since(from)[a.node]; len(rs) != 1 {
				t.Errorf("%s: %v", a.node, rs)
			}
			if o := all.object(a.node); o.Status.Routes[0].Reason != v1alpha1.ReasonInterfaceNotFound {
				t.Errorf("%s: %+v", a.node, o.Status.Routes)
			}
		}
		// Changes all the time are one write in 10 s.
		time.Sleep(coalesce)
		from = time.Now()
		const bursts = 600
		for i := range bursts {
			for _, a := range all.agents {
				a.set(func() { a.missing = i%2 == 0 })
			}
			time.Sleep(100*time.Millisecond + time.Duration(i%7)*time.Millisecond)
		}
		took := time.Since(from)
		for _, a := range all.agents {
			within(t, "writes of "+a.node+" during changes", len(all.since(from)[a.node]), 1, took.Seconds()/coalesce.Seconds()+1)
		}
		within(t, "most writes in 10 s", most(all.writes(from), coalesce), nodes, 1*nodes)
		time.Sleep(coalesce)
		for _, a := range all.agents {
			if o := all.object(a.node); o.Status.Routes[0].Reason != v1alpha1.ReasonProgrammed {
				t.Errorf("%s: the last change was not told: %+v", a.node, o.Status.Routes)
			}
		}
	})
}

// TestScaleModes: without counters only heartbeats are left, or nothing.
func TestScaleModes(t *testing.T) {
	run(t, nodes, Summary, 1000, func(t *testing.T, all *fleet) {
		time.Sleep(time.Hour)
		from, hours := time.Now(), 3*time.Hour
		time.Sleep(hours)
		low, high := expected(nodes, hours, 2*interval, jitter/math.Sqrt2)
		within(t, "writes of summaries in 3 h", len(all.writes(from)), low, high)
		s := all.object("n000").Status
		if r := s.Routes[0]; r.Counters != nil || r.Flows != nil || r.Reason != v1alpha1.ReasonProgrammed || s.Summary.Flows != 0 {
			t.Errorf("%+v", s)
		}
	})
	run(t, nodes, Off, 1000, func(t *testing.T, all *fleet) {
		time.Sleep(time.Hour)
		for _, a := range all.agents {
			a.set(func() { a.missing = true })
		}
		time.Sleep(time.Hour)
		if rs := all.since(time.Time{}); len(rs) != 0 {
			t.Errorf("requests, though off: %v", rs)
		}
		all.agents[0].set(func() {
			if n := all.agents[0].asked; n != 2 {
				t.Errorf("the source was asked %d times, want 2", n)
			}
		})
	})
}

// TestScaleOutage: while the API server is gone agents ask ever more seldom; when
// it is back each writes once.
func TestScaleOutage(t *testing.T) {
	run(t, nodes, Full, 0, func(t *testing.T, all *fleet) {
		time.Sleep(time.Hour)
		all.set(func() { all.down, all.waivers = true, nodes })
		from := time.Now()
		const gone = 30 * time.Minute
		for i := range 30 {
			for _, a := range all.agents {
				a.set(func() { a.missing = i%2 == 0 })
			}
			time.Sleep(gone / 30)
		}
		for _, a := range all.agents {
			// After 1, 2, 4, 8, 16 and 32 s once a minute at most.
			within(t, "attempts of "+a.node, len(all.since(from)[a.node]), 10, 7+gone.Minutes())
			a.set(func() { a.missing = true })
		}
		all.set(func() { all.down = false })
		back := time.Now()
		time.Sleep(90*time.Second + coalesce) // a minute and its jitter
		for _, a := range all.agents {
			if rs := all.since(back)[a.node]; len(rs) != 1 {
				t.Errorf("%s: %v", a.node, rs)
			}
			if o := all.object(a.node); o.Status.Routes[0].Reason != v1alpha1.ReasonInterfaceNotFound {
				t.Errorf("%s: %+v", a.node, o.Status.Routes)
			}
		}
	})
}
