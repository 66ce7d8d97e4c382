package fleet

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/kernel/sim"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/controllers/node"
	"github.com/smcroute/kube-smcroute/controllers/report"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// Links of each node.
const (
	input  = "eth0"
	output = "eth1"
)

// member is one agent.
type member struct {
	fleet  *Fleet
	name   string
	config *rest.Config
	host   *sim.Host
	first  chan struct{} // closed when the first round is done
}

// routers are those of a member, which tell the fleet what is in the kernel.
type routers struct {
	*agent.Routers
	member *member
}

// SetLayers implements [node.Routers].
func (r routers) SetLayers(ctx context.Context, want map[mroute.Place]mroute.Layer) {
	r.Routers.SetLayers(ctx, want)
	if ctx.Err() == nil {
		l := want[mroute.Place{}]
		r.member.fleet.programmed(r.member, &l)
	}
}

// bell tells that something happened, as in cmd/smcroute-agent.
type bell chan struct{}

func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}

// run is the agent until ctx is done.
func (m *member) run(ctx context.Context) error {
	k, err := m.host.Open(0)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	toWatch, toReport := make(bell, 1), make(bell, 1)
	changed := func() { toWatch.ring(); toReport.ring() }
	loaded := make(chan struct{})
	main := agent.New(agent.Options{
		Kernel: k, FlushInterval: time.Minute, Await: []string{translate.LayerName}, Logger: log,
		OnReady: func() { close(loaded) }, OnChange: changed, Shared: true,
	})
	all := agent.NewRouters(agent.RoutersOptions{Main: main, Logger: log, OnChange: changed})
	programmer := node.NewProgrammer(node.Options{
		Routers: routers{all, m}, HostNamespaces: []string{"*"}, AgentVersion: "fleet", Full: true, Logger: log,
	})
	client, err := node.NewClient(m.config)
	if err != nil {
		return err
	}
	first := false
	reconciler, err := node.NewReconciler(client, node.ReconcilerOptions{
		Node: m.name, Programmer: programmer, Begin: loaded, Logger: log,
		Programmed: func() {
			if !first {
				close(m.first)
			}
			first = true
			changed()
		},
	})
	if err != nil {
		return err
	}
	reports := report.New(report.Options{
		Client: client.States, Node: m.name, NodeUID: reconciler.UID,
		Mode: m.fleet.o.Report, Interval: m.fleet.o.Interval, Coalesce: m.fleet.o.Coalesce,
		Source: programmer, Changed: toReport,
		Crowd: reconciler.Crowd, Loaded: programmer.Load, Logger: log,
	})
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return main.Run(ctx) })
	group.Go(func() error { return all.Run(ctx) })
	group.Go(func() error { reconciler.Run(ctx); return nil })
	group.Go(func() error { programmer.Watch(ctx, toWatch); return nil })
	group.Go(func() error {
		select {
		case <-m.first:
			return reports.Start(ctx)
		case <-ctx.Done():
			return nil
		}
	})
	return group.Wait()
}

// Packet has a packet of a flow arrive on every node.
func (f *Fleet) Packet(source, group netip.Addr) {
	for _, m := range f.members {
		m.host.Send(input, mroute.SG{Source: source, Group: group}, 8, time.Now())
	}
}
