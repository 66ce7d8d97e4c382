package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/podlink"
	"github.com/smcroute/kube-smcroute/agent/turn"
	"github.com/smcroute/kube-smcroute/cmd/internal/install"
	"github.com/smcroute/kube-smcroute/cmd/internal/logging"
	"github.com/smcroute/kube-smcroute/controllers/node"
	"github.com/smcroute/kube-smcroute/controllers/podns"
	"github.com/smcroute/kube-smcroute/controllers/report"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// service is one run of the agent.
type service struct {
	options
	parts
	log *slog.Logger

	agent      *agent.Agent
	routers    later
	programmer *node.Programmer
	links      *podlink.Lookup // nil without Kubernetes
	kept       *keeping        // nil without a keeper, and before the tables are claimed
	taken      bool            // whether another agent had the keeper when they were claimed last
	answered   bool            // whether it answered then
	keeperTime time.Duration   // that it had for that

	hangup chan os.Signal
	knows  chan struct{} // closed when the source can tell of objects at once
	know   func()        // closes it
	waits  chan struct{} // closed when another agent has the tables
	has    chan struct{} // closed when this one has them
	loaded chan struct{} // closed when the configuration file is in the kernel

	standBy func()        // says once that another agent has the tables, and closes waits
	lacks   func()        // says once that the keeper does not answer, and closes lacking
	lacking chan struct{} // closed when the keeper may have the tables
	ends    func()        // says once that all ends with this agent

	// Both ring when the state of a router may have changed.
	toWatch, toReport bell
}

// sourceEnd is how long what objects come from may take to end, while routers
// still work: for a last report of what they counted.
const sourceEnd = report.LastReport + time.Second

// serve works until a signal or a client ends it. The kernel's tables are empty
// then, unless a keeper holds them for the next agent.
func (s *service) serve() error {
	// Never undone: a signal that comes when all has ended must not make that a
	// death by it.
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	asked, end := context.WithCancel(ctx) // to end
	defer end()
	ctx, done := context.WithCancel(context.WithoutCancel(asked))
	defer done()
	context.AfterFunc(asked, func() { time.AfterFunc(sourceEnd, done) })
	s.hangup = make(chan os.Signal, 1)
	signal.Notify(s.hangup, syscall.SIGHUP) // which would end one that stands by
	s.knows, s.waits, s.has, s.loaded = make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	s.lacking = make(chan struct{})
	s.know = sync.OnceFunc(func() { close(s.knows) })
	s.standBy, s.lacks = sync.OnceFunc(s.tellStandBy), sync.OnceFunc(s.tellLack)
	s.ends = sync.OnceFunc(s.tellEnd)
	s.toWatch, s.toReport = newBell(), newBell()
	s.log.Log(ctx, logging.LevelNotice, versionLine(), "node", s.node)

	// What is wrong with the configuration shows before anything is touched.
	if err := s.capable(); err != nil {
		return err
	}
	source, err := s.source()
	if err != nil {
		return err
	}
	finder, err := s.finder()
	if err != nil {
		return err
	}
	probes, err := s.listenProbes()
	if err != nil {
		return err
	}

	s.prepare(finder)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.serveProbes(ctx, probes) })
	reported := make(chan struct{}) // closed when the source has ended
	group.Go(func() error {
		defer close(reported)
		defer done() // it ends first
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(asked, cancel)()
		return source.run(ctx)
	})
	t, err := s.takeTurn(ctx, asked)
	if err != nil {
		done()
		if other := group.Wait(); errors.Is(err, context.Canceled) {
			err = other
		}
		return s.ending(err)
	}
	agent.TellFamilies(s.log, t.Kernel)
	s.assemble(t.Kernel, end)
	close(s.has)

	routed := make(chan struct{}) // closed when no router is left
	group.Go(func() error {
		defer close(routed)
		return s.route(ctx)
	})
	group.Go(func() error { // the next agent need not wait for our servers to end
		<-routed
		<-reported
		s.leaveKeeper()
		t.End() // and not before the tables are free
		return nil
	})
	group.Go(func() error { s.reloadOnHangup(ctx); return nil })
	group.Go(func() error { s.watchConf(ctx); return nil })
	group.Go(func() error { return s.serveUI(ctx) })
	group.Go(func() error { return s.serveMetrics(ctx, s.routerMetrics()) })
	group.Go(func() error { s.programmer.Watch(ctx, s.toWatch); return nil })
	return s.ending(group.Wait())
}

// route runs all routers until ctx is done, or one of the node fails.
func (s *service) route(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.agent.Run(ctx) })
	group.Go(func() error { return s.routers.Run(ctx) })
	return group.Wait()
}

// ending is what serve returns after err, which is nil or of the context if the
// agent was asked to end.
func (s *service) ending(err error) error {
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	s.log.Log(context.Background(), logging.LevelNotice, "Exiting")
	return nil
}

// takeTurn claims the tables, as soon as no other agent has them. It ends early
// when ctx is done or the agent is asked to end.
func (s *service) takeTurn(ctx, asked context.Context) (*turn.Turn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(asked, cancel)()
	t, err := turn.Take(ctx, turn.Options{
		NetNS:   s.netns,
		Table:   s.table,
		Open:    s.claim,
		Unused:  s.leaveKeeper,
		Patient: s.waitForKeeper,
		StandBy: s.standBy,
		Logger:  s.log,
	})
	if t != nil && closed(s.waits) {
		s.log.Log(ctx, logging.LevelNotice, "The other agent has ended: taking over")
	}
	return t, err
}

func (s *service) tellStandBy() {
	s.log.Log(context.Background(), logging.LevelNotice, "Another agent has the tables; waiting for it to end")
	close(s.waits)
}

// closed reports whether a channel is.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// source is where objects come from. From when the configuration file is loaded
// it gives them to the programmer, until ctx is done.
type source interface {
	run(ctx context.Context) error
}

func (s *service) source() (source, error) {
	if s.manifests != "" {
		return s.newDirectory()
	}
	config, err := restConfig(s.kubeconfig)
	if err != nil {
		return nil, err
	}
	if s.links, err = podlink.New(podlink.Options{NetNS: s.netns, Logger: s.log}); err != nil {
		return nil, fmt.Errorf("the node's routes to pods: %w", err)
	}
	return s.newCluster(config), nil
}

// finder is nil unless routers inside pods are allowed.
func (s *service) finder() (node.Finder, error) {
	if !s.podNamespaces {
		return nil, nil
	}
	return podns.New(podns.Options{Endpoint: s.criEndpoint})
}

// later are routers that come with the tables. Nobody asks them before.
type later struct{ *agent.Routers }

// prepare makes what can be had before the tables.
func (s *service) prepare(finder node.Finder) {
	s.programmer = node.NewProgrammer(node.Options{
		Routers:        &s.routers,
		Finder:         finder,
		MainTable:      s.table,
		HostNamespaces: s.hostNamespaces,
		AgentVersion:   install.Version,
		Full:           s.report == report.Full,
		Complete:       s.discard,
		Reported:       agent.GiveBackAfter,
		Logger:         s.log,
	})
}

// assemble puts the other parts of a node together.
func (s *service) assemble(k kernel.Kernel, end func()) {
	s.agent = agent.New(agent.Options{
		Kernel:        k,
		ConfFile:      s.confFile,
		Socket:        s.socket,
		FlushInterval: s.flush,
		Await:         []string{translate.LayerName},
		RemoveForeign: s.removeForeign,
		MaxFlows:      s.maxFlows,
		Leave:         s.lasts,
		Version:       install.Version,
		Table:         s.table,
		NetNS:         s.netns,
		PodsBehind:    func() map[string][]string { return s.programmer.Names().Links },
		Logger:        s.log,
		OnReady:       func() { close(s.loaded) },
		OnKill:        end,
		OnChange:      s.changed,
	})
	s.routers.Routers = agent.NewRouters(agent.RoutersOptions{
		Main:      s.agent,
		MainTable: s.table,
		Open:      s.openAt,
		Leave:     s.lasts,
		Logger:    s.log,
		OnChange:  s.changed,
	})
}

func (s *service) changed() {
	s.toWatch.ring()
	s.toReport.ring()
}

// openAt opens a router beside the agent's own.
func (s *service) openAt(p mroute.Place) (kernel.Kernel, error) {
	o := linux.Options{Table: p.Table, NetNS: s.netns, Keep: s.keep(), Log: s.log}
	if p.NetNS != "" {
		o.NetNS, o.NetNSID = p.NetNS, p.ID
		o.NotNetNS = []string{"", s.netns} // a pod's is none of the node's
	}
	return s.parts.open(o)
}
