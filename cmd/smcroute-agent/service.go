package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/podlink"
	"github.com/smcroute/kube-smcroute/cmd/internal/install"
	"github.com/smcroute/kube-smcroute/cmd/internal/logging"
	"github.com/smcroute/kube-smcroute/controllers/node"
	"github.com/smcroute/kube-smcroute/controllers/podns"
	"github.com/smcroute/kube-smcroute/controllers/report"
)

// service is one run of the agent.
type service struct {
	options
	parts
	log *slog.Logger

	agent      *agent.Agent
	routers    *agent.Routers
	programmer *node.Programmer
	links      *podlink.Lookup // nil without Kubernetes

	loaded chan struct{} // closed when the configuration file is in the kernel

	// Both ring when the state of a router may have changed.
	toWatch, toReport bell
}

// sourceEnd is how long what objects come from may take to end, while routers
// still work: for a last report of what they counted.
const sourceEnd = report.LastReport + time.Second

// serve works until a signal or a client ends it. The kernel's tables are empty
// then.
func (s *service) serve() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	asked, end := context.WithCancel(ctx) // to end
	defer end()
	ctx, done := context.WithCancel(context.WithoutCancel(asked))
	defer done()
	context.AfterFunc(asked, func() { time.AfterFunc(sourceEnd, done) })
	s.loaded, s.toWatch, s.toReport = make(chan struct{}), newBell(), newBell()
	s.log.Log(ctx, logging.LevelNotice, versionLine(), "node", s.node)

	// What is wrong with the configuration shows before anything is touched.
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
	k, err := s.open(linux.Options{Table: s.table, NetNS: s.netns, Log: s.log})
	if err != nil {
		return err
	}
	agent.TellFamilies(s.log, k)
	s.assemble(k, finder, end)

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.agent.Run(ctx) })
	group.Go(func() error { return s.routers.Run(ctx) })
	group.Go(func() error { s.reloadOnHangup(ctx); return nil })
	group.Go(func() error { return s.serveProbes(ctx, probes) })
	group.Go(func() error { return s.serveMetrics(ctx) })
	group.Go(func() error { s.programmer.Watch(ctx, s.toWatch); return nil })
	group.Go(func() error {
		defer done() // it ends first
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(asked, cancel)()
		select {
		case <-s.loaded:
			return source(ctx)
		case <-ctx.Done():
			return nil
		}
	})
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	s.log.Log(context.Background(), logging.LevelNotice, "Exiting")
	return nil
}

// source is where objects come from: it runs until its context is done.
func (s *service) source() (func(context.Context) error, error) {
	if s.manifests != "" {
		return s.runManifests, nil
	}
	config, err := restConfig(s.kubeconfig)
	if err != nil {
		return nil, err
	}
	if s.links, err = podlink.New(podlink.Options{NetNS: s.netns, Logger: s.log}); err != nil {
		return nil, fmt.Errorf("the node's routes to pods: %w", err)
	}
	return func(ctx context.Context) error { return s.runKubernetes(ctx, config) }, nil
}

// finder is nil unless routers inside pods are allowed.
func (s *service) finder() (node.Finder, error) {
	if !s.podNamespaces {
		return nil, nil
	}
	return podns.New(podns.Options{Endpoint: s.criEndpoint})
}

// assemble puts the parts of a node together.
func (s *service) assemble(k kernel.Kernel, finder node.Finder, end func()) {
	s.agent = agent.New(agent.Options{
		Kernel:        k,
		ConfFile:      s.confFile,
		Socket:        s.socket,
		FlushInterval: s.flush,
		NetNS:         s.netns,
		Logger:        s.log,
		OnReady:       func() { close(s.loaded) },
		OnKill:        end,
		OnChange:      s.changed,
	})
	s.routers = agent.NewRouters(agent.RoutersOptions{
		Main:      s.agent,
		MainTable: s.table,
		Open:      s.openAt,
		Logger:    s.log,
		OnChange:  s.changed,
	})
	s.programmer = node.NewProgrammer(node.Options{
		Routers:        s.routers,
		Finder:         finder,
		MainTable:      s.table,
		HostNamespaces: s.hostNamespaces,
		AgentVersion:   install.Version,
		Full:           s.report == report.Full,
		Logger:         s.log,
	})
}

func (s *service) changed() {
	s.toWatch.ring()
	s.toReport.ring()
}

// openAt opens a router beside the agent's own.
func (s *service) openAt(p mroute.Place) (kernel.Kernel, error) {
	o := linux.Options{Table: p.Table, NetNS: s.netns, Log: s.log}
	if p.NetNS != "" {
		o.NetNS, o.NetNSID = p.NetNS, p.ID
		o.NotNetNS = []string{"", s.netns} // a pod's is none of the node's
	}
	return s.parts.open(o)
}

// reloadOnHangup reads the configuration file again on each SIGHUP.
func (s *service) reloadOnHangup(ctx context.Context) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-hangup:
			_ = s.agent.Reload(ctx) // an error is in the log
		case <-ctx.Done():
			return
		}
	}
}
