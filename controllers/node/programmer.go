package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/controllers/status"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// ErrNothingYet is the answer before the first World: there is no telling what
// the node should do.
var ErrNothingYet = errors.New("nothing was programmed yet")

// ErrPodNamespace is that the network namespace of some pod could not be found.
// All else is programmed. It is worth trying again.
var ErrPodNamespace = errors.New("the network namespace of a pod was not found")

// Options configure a Programmer.
type Options struct {
	Routers Routers
	Finder  Finder // nil: routers inside pods are not allowed

	MainTable      uint32   // kernel table of the agent itself
	HostNamespaces []string // see [translate.Input]

	AgentVersion string
	Full         bool // whether reports have single flows

	// Complete is called once, in Program, when the layers of a World are set at all
	// places that they are for, with these. It may be nil.
	Complete func([]mroute.Place)

	// Reported is called when a report is made, with the number of entries that it
	// was made from: memory that they took is free. It may be nil.
	Reported func(entries int)

	Logger *slog.Logger
}

// Programmer carries out what the objects of the API ask of a node, and reports
// on it. Its methods may be called from any goroutine.
type Programmer struct {
	o Options

	programming sync.Mutex // one Program at a time, and guards complete and translator
	complete    bool
	translator  translate.Translator

	reporting sync.Mutex // guards ledger and log
	ledger    status.Ledger
	log       *transitions

	mu   sync.Mutex
	last *outcome // nil: nothing was programmed yet
}

// outcome is what a World came to. It is immutable.
type outcome struct {
	objects []translate.Object
	at      map[translate.Router]location
	pods    map[string]string // "namespace/name" by UID, of those with routers inside
	names   Names
}

// location is where a router is, or why that is not known. It is both if it was
// there the last time.
type location struct {
	place   mroute.Place
	missing error
}

func (l location) known() bool { return l.missing == nil || l.place != mroute.Place{} }

// NewProgrammer returns a Programmer that has not programmed anything.
func NewProgrammer(o Options) *Programmer {
	return &Programmer{o: o, log: newTransitions(o.Logger)}
}

// Ready reports whether something was programmed: the layers of the first World
// are in the kernel, as far as the kernel takes them.
func (p *Programmer) Ready() bool { return p.outcome() != nil }

func (p *Programmer) outcome() *outcome {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// Program makes the routers do what the world asks for, and returns when they
// do. Its only error is [ErrPodNamespace], but for that of ctx.
func (p *Programmer) Program(ctx context.Context, w World) error {
	p.programming.Lock()
	defer p.programming.Unlock()
	result := p.translator.Translate(translate.Input{
		Node:                 w.Node,
		Routes:               w.Routes,
		Groups:               w.Groups,
		Pods:                 w.Pods,
		MainTable:            p.o.MainTable,
		HostNamespaces:       p.o.HostNamespaces,
		PodNetworkNamespaces: p.o.Finder != nil,
	})
	at := p.locate(ctx, result, w.Pods)
	if err := ctx.Err(); err != nil {
		return err
	}
	want := make(map[mroute.Place]mroute.Layer, len(at))
	missing := 0
	for router, l := range at {
		if l.missing != nil {
			missing++
		}
		if l.known() {
			want[l.place] = result.Layers[router]
		}
	}
	p.o.Routers.SetLayers(ctx, want)
	if err := ctx.Err(); err != nil {
		return err
	}

	now := &outcome{objects: result.Objects, at: at, pods: podNames(at, w.Pods)}
	now.names = newNames(at, w.Pods, now.pods)
	p.mu.Lock()
	p.last = now
	p.mu.Unlock()
	if missing > 0 {
		return fmt.Errorf("%d of %d routers: %w", missing, len(at), ErrPodNamespace)
	}
	if !p.complete && p.o.Complete != nil {
		p.o.Complete(slices.Collect(maps.Keys(want)))
	}
	p.complete = true
	return nil
}

// locate finds the places of all routers. What cannot be found stays where it
// was: a container runtime that does not answer must not stop packets.
func (p *Programmer) locate(ctx context.Context, result translate.Result, pods []translate.Pod) map[translate.Router]location {
	ips := map[string][]netip.Addr{}
	for i := range pods {
		ips[pods[i].UID] = pods[i].IPs
	}
	var before map[translate.Router]location
	if last := p.outcome(); last != nil {
		before = last.at
	}
	at := make(map[translate.Router]location, len(result.Layers))
	var mu sync.Mutex // guards at
	var wg sync.WaitGroup
	for router := range result.Layers {
		if router.PodUID == "" {
			mu.Lock()
			at[router] = location{place: mroute.Place{Table: router.Table}}
			mu.Unlock()
			continue
		}
		wg.Go(func() {
			l := p.find(ctx, router, ips[router.PodUID])
			if l.missing != nil {
				l.place = before[router].place
			}
			mu.Lock()
			at[router] = l
			mu.Unlock()
		})
	}
	wg.Wait()
	return apart(at)
}

// find asks for the namespace of a pod.
func (p *Programmer) find(ctx context.Context, router translate.Router, ips []netip.Addr) (l location) {
	if p.o.Finder == nil { // translate does not let it come to this
		return location{missing: errors.New("routers inside pods are not allowed: see the agent's option --pod-network-namespaces")}
	}
	l.place, l.missing = p.o.Finder.Find(ctx, router.PodUID, ips)
	l.place.Table = router.Table
	return l
}

// apart leaves one router at each place: of two pods that seem to have the same
// namespace one is a mistake, and none of them can be trusted.
func apart(at map[translate.Router]location) map[translate.Router]location {
	taken := map[mroute.Place]int{}
	for _, l := range at {
		if l.known() {
			taken[l.place]++
		}
	}
	for router, l := range at {
		if l.known() && taken[l.place] > 1 {
			at[router] = location{missing: fmt.Errorf("%v seems to be that of another pod as well", l.place)}
		}
	}
	return at
}

// podNames names the pods that have routers inside.
func podNames(at map[translate.Router]location, pods []translate.Pod) map[string]string {
	names := map[string]string{}
	for router := range at {
		if router.PodUID != "" {
			names[router.PodUID] = ""
		}
	}
	for i := range pods {
		if _, ok := names[pods[i].UID]; ok {
			names[pods[i].UID] = pods[i].Namespace + "/" + pods[i].Name
		}
	}
	return names
}

// HasPodRouters reports whether there are routers inside pods, whose namespaces
// have to be looked at again from time to time.
func (p *Programmer) HasPodRouters() bool {
	last := p.outcome()
	return last != nil && len(last.pods) > 0
}
