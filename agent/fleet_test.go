package agent_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/sim"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// Places of a node with two pods.
var (
	node = mroute.Place{}
	lan2 = mroute.Place{Table: 2} // another table of the node
	pod1 = mroute.Place{NetNS: "/run/netns/one", ID: "4:1"}
	pod2 = mroute.Place{NetNS: "/run/netns/two", ID: "4:2"}
)

// fleet is a node's routers on simulated kernels, in a bubble of its own time.
type fleet struct {
	*agent.Routers
	t       *testing.T
	hosts   map[string]*sim.Host // by NetNS
	main    *agent.Agent
	log     *programs.Output
	changes atomic.Int32
	stop    func()

	mu    sync.Mutex
	tries map[mroute.Place][]time.Duration // when Open was called
	fail  func(mroute.Place) error         // Open fails with it
	wrap  func(mroute.Place, kernel.Kernel) kernel.Kernel
}

// inBubble runs f on a fleet, and ends it.
func inBubble(t *testing.T, f func(*testing.T, *fleet)) {
	synctest.Test(t, func(t *testing.T) {
		fl := newFleet(t)
		fl.start()
		f(t, fl)
		fl.end()
	})
}

func newFleet(t *testing.T) *fleet {
	hosts := map[string]*sim.Host{}
	for _, path := range []string{node.NetNS, pod1.NetNS, pod2.NetNS} {
		h := sim.New()
		for _, l := range []string{"a0", "b0"} {
			h.AddLink(l)
		}
		hosts[path] = h
	}
	return newFleetOn(t, hosts, nil, (*sim.Host).Open)
}

// newFleetOn is a fleet on hosts that may have had another.
func newFleetOn(t *testing.T, hosts map[string]*sim.Host, leave func() bool, open func(*sim.Host, uint32) (*sim.Kernel, error)) *fleet {
	fl := &fleet{t: t, hosts: hosts, log: &programs.Output{}, tries: map[mroute.Place][]time.Duration{}}
	k, err := open(fl.hosts[""], 0)
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(fl.log, nil))
	fl.main = agent.New(agent.Options{Kernel: k, Logger: logger, Await: []string{"kubernetes"}, Leave: leave})
	began := time.Now()
	fl.Routers = agent.NewRouters(agent.RoutersOptions{
		Main:     fl.main,
		Logger:   logger,
		Leave:    leave,
		OnChange: func() { fl.changes.Add(1) },
		Open: func(p mroute.Place) (kernel.Kernel, error) {
			fl.mu.Lock()
			defer fl.mu.Unlock()
			fl.tries[p] = append(fl.tries[p], time.Since(began))
			if fl.fail != nil {
				if err := fl.fail(p); err != nil {
					return nil, err
				}
			}
			k, err := open(fl.hosts[p.NetNS], p.Table)
			if err != nil {
				return nil, err
			}
			if fl.wrap != nil {
				return fl.wrap(p, k), nil
			}
			return k, nil
		},
	})
	return fl
}

func (fl *fleet) start() {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := fl.main.Run(ctx); err != nil {
			fl.t.Errorf("main: %v", err)
		}
	})
	wg.Go(func() {
		if err := fl.Run(ctx); err != nil {
			fl.t.Errorf("Run: %v", err)
		}
	})
	fl.stop = func() {
		cancel()
		wg.Wait()
	}
}

// end stops everything and sees that nothing is left.
func (fl *fleet) end() {
	fl.t.Helper()
	fl.stop()
	for path, h := range fl.hosts {
		if len(h.Kernels()) > 0 {
			fl.t.Errorf("a kernel of %q is still open", path)
		}
		if s := h.String(); strings.Contains(s, "vif") || strings.Contains(s, "mfc") {
			fl.t.Errorf("left in %q:\n%s", path, s)
		}
	}
}

func (fl *fleet) failing(f func(mroute.Place) error) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	fl.fail = f
}

type layers = map[mroute.Place]mroute.Layer

func (fl *fleet) set(want layers) {
	fl.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	fl.SetLayers(ctx, want)
	if ctx.Err() != nil {
		fl.t.Errorf("SetLayers took a second")
	}
}

// out says where packets for a group leave by the table of a place, "-" for
// nowhere.
func (fl *fleet) out(p mroute.Place, group string) string {
	table := "IPv4"
	if p.Table != 0 {
		table = fmt.Sprintf("IPv4 table %d", p.Table)
	}
	entry := fmt.Sprintf("%s mfc %v a0 -> ", table, flow("10.0.0.1", group))
	for line := range strings.Lines(fl.hosts[p.NetNS].String()) {
		if out, ok := strings.CutPrefix(line, entry); ok {
			return strings.TrimSpace(out)
		}
	}
	return "-"
}

func (fl *fleet) state(p mroute.Place) mroute.RouterState {
	fl.t.Helper()
	s, ok := fl.States(context.Background(), false)[p]
	if !ok {
		fl.t.Fatalf("no state of %v", p)
	}
	if (s.Snapshot == nil) == (s.Err == nil) {
		fl.t.Fatalf("state of %v: %+v, want a snapshot or an error", p, s)
	}
	return s
}

func (fl *fleet) places() string {
	var names []string
	for p := range fl.States(context.Background(), false) {
		names = append(names, p.String())
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
