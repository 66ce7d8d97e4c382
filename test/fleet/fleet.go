package fleet

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/smcroute/kube-smcroute/agent/kernel/sim"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/controllers/report"
	"github.com/smcroute/kube-smcroute/test/kubelab"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Options of a fleet.
type Options struct {
	Agents int
	Prefix string // of the names of its nodes
	Rack   int    // nodes with the same label "rack": "0" and so on; 0: all

	// Of the reports, as of smcroute-agent(8); zero: its defaults.
	Report             report.Mode
	Interval, Coalesce time.Duration

	// Connections is how many all agents may have together; more wait; 0: any number.
	Connections int

	// Until is done when nothing is waited for any more; nil: never.
	Until context.Context
	// Say is told how far what takes long has come, every half a minute. It may be nil.
	Say func(format string, args ...any)
	// Leave has the agents and the objects stay at the end, since the process ends then,
	// and the lab with it.
	Leave bool
}

// Fleet is agents.
type Fleet struct {
	o       Options
	lab     *kubelab.Lab
	tb      netlab.TB
	members []*member
	decoder *decoding

	open chan struct{} // has a value for each connection that there is; nil: there may be any number

	dialled, received, sent atomic.Int64

	mu    sync.Mutex
	marks map[netip.Prefix]*Mark
}

// Mark is what a fleet is watched for: that a route for a group is in kernels.
type Mark struct {
	group netip.Prefix
	began time.Time
	nodes int
	fleet *Fleet

	mu   sync.Mutex
	took map[*member]time.Duration
	done chan struct{} // closed when it is on as many nodes
}

// New makes the nodes of a fleet, and their tokens. They are gone at the end of the
// test of tb.
func New(tb netlab.TB, lab *kubelab.Lab, o Options) *Fleet {
	tb.Helper()
	f := &Fleet{o: o, lab: lab, tb: tb, decoder: newDecoding(), marks: map[netip.Prefix]*Mark{}}
	if f.o.Until == nil {
		f.o.Until = context.Background()
	}
	if f.o.Say == nil {
		f.o.Say = func(string, ...any) {}
	}
	if f.o.Rack == 0 {
		f.o.Rack = o.Agents
	}
	if o.Connections > 0 {
		f.open = make(chan struct{}, o.Connections)
	}
	f.members = make([]*member, o.Agents)
	group, ctx := errgroup.WithContext(f.o.Until)
	group.SetLimit(32)
	for i := range f.members {
		group.Go(func() error {
			name := fmt.Sprintf("%s%d", o.Prefix, i)
			token, err := f.join(ctx, name, i/f.o.Rack)
			if err != nil {
				return fmt.Errorf("node %s: %w", name, err)
			}
			config := lab.As(token)
			config.UserAgent = "smcroute-agent/fleet"
			config.NegotiatedSerializer = f.decoder
			config.Dial = f.dial // with which it has a connection of its own
			host := sim.New()
			host.AddLink(input)
			host.AddLink(output)
			f.members[i] = &member{fleet: f, name: name, config: config, host: host, first: make(chan struct{})}
			return nil
		})
	}
	if !f.o.Leave {
		tb.Cleanup(f.remove)
	}
	if err := group.Wait(); err != nil {
		tb.Fatalf("fleet: %v", err)
	}
	return f
}

// Start starts all agents, so many of them at a time until each has done its first
// round; 0: all at once. Each calls started, with how long that took, which may be nil.
func (f *Fleet) Start(together int, started func(time.Duration)) {
	f.tb.Helper()
	if together == 0 {
		together = len(f.members)
	}
	ctx, cancel := context.WithCancel(context.Background())
	running, ctx := errgroup.WithContext(ctx)
	f.tb.Cleanup(func() {
		if !f.o.Leave {
			cancel()
			_ = running.Wait()
		}
	})
	wait := f.wait("agents to start", len(f.members))
	places := make(chan struct{}, together)
	did := make(chan time.Duration, len(f.members))
	go func() {
		for _, m := range f.members {
			select {
			case places <- struct{}{}:
			case <-ctx.Done():
				return
			}
			began := time.Now()
			running.Go(func() error { return m.run(ctx) })
			running.Go(func() error {
				select {
				case <-m.first:
					did <- time.Since(began)
				case <-ctx.Done():
				}
				<-places
				return nil
			})
		}
	}()
	for n := 0; n < len(f.members); {
		select {
		case took := <-did:
			n++
			if started != nil {
				started(took)
			}
		case <-wait.tick():
			wait.say(n)
		case <-ctx.Done():
			wait.fail(n, running.Wait())
		case <-wait.ctx.Done():
			wait.fail(n, context.Cause(wait.ctx))
		}
	}
	wait.end()
}

// programmed takes note of what is in the kernel of a member.
func (f *Fleet) programmed(m *member, l *mroute.Layer) {
	f.mu.Lock()
	var open []*Mark
	for _, mark := range f.marks {
		open = append(open, mark)
	}
	f.mu.Unlock()
	for _, mark := range open {
		if slices.ContainsFunc(slices.Collect(l.AllRoutes()), func(r *mroute.Route) bool { return r.Match.Group == mark.group }) {
			mark.set(m)
		}
	}
}

// Mark begins to measure how long it takes until a group is routed by a number of
// nodes. Call it right before the request.
func (f *Fleet) Mark(group netip.Addr, nodes int) *Mark {
	mark := &Mark{
		group: netip.PrefixFrom(group, group.BitLen()), nodes: nodes, fleet: f,
		began: time.Now(), took: map[*member]time.Duration{}, done: make(chan struct{}),
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.marks[mark.group] = mark
	return mark
}

func (k *Mark) set(m *member) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.took[m]; ok {
		return
	}
	k.took[m] = time.Since(k.began)
	if len(k.took) == k.nodes {
		close(k.done)
	}
}

// Wait returns when it is on all of the nodes.
func (k *Mark) Wait() {
	f := k.fleet
	f.tb.Helper()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.marks, k.group)
	}()
	wait := f.wait(fmt.Sprintf("nodes to route %v", k.group.Addr()), k.nodes)
	for {
		select {
		case <-k.done:
			wait.end()
			return
		case <-wait.tick():
			wait.say(len(k.Took()))
		case <-wait.ctx.Done():
			wait.fail(len(k.Took()), context.Cause(wait.ctx))
		}
	}
}

// Took is how long it took each of the nodes where it is by now.
func (k *Mark) Took() []time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Collect(maps.Values(k.took))
}

// Traffic is what went over the agents' connections since the start, in bytes on
// the wire, and how many there were.
type Traffic struct{ Dialled, Received, Sent int64 }

// Traffic tells.
func (f *Fleet) Traffic() Traffic {
	return Traffic{f.dialled.Load(), f.received.Load(), f.sent.Load()}
}
