package engine_test

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/engine"
	"github.com/smcroute/kube-smcroute/agent/kernel/sim"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// rig is an engine that runs on a simulated kernel until the test ends.
type rig struct {
	*engine.Engine
	t      *testing.T
	host   *sim.Host
	log    *programs.Output
	cancel context.CancelFunc
	ended  chan error
}

// start runs an engine with links. Of o, Kernel and Logger are filled in.
func start(t *testing.T, o engine.Options, links ...string) *rig {
	t.Helper()
	r := &rig{t: t, host: sim.New(), log: &programs.Output{}, ended: make(chan error, 1)}
	for _, l := range links {
		r.host.AddLink(l)
	}
	if o.Kernel == nil {
		k, err := r.host.Open(0)
		if err != nil {
			t.Fatal(err)
		}
		o.Kernel = k
	}
	o.Logger = slog.New(slog.NewTextHandler(r.log, nil))
	r.Engine = engine.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() { r.ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

// stop ends Run and returns its error.
func (r *rig) stop() error {
	r.cancel()
	err := <-r.ended
	r.ended <- err
	return err
}

func (r *rig) set(routes ...mroute.Route) {
	r.t.Helper()
	for i := range routes {
		routes[i].Origin.Seq = i + 1
	}
	if err := r.SetLayer(context.Background(), mroute.Layer{Name: "file", FirstMatch: true, Routes: routes}, true); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) snapshot() *mroute.Snapshot {
	r.t.Helper()
	s, err := r.Snapshot(context.Background(), true)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// send has packets arrive, at the test's time.
func (r *rig) send(link string, sg mroute.SG) { r.host.Send(link, sg, 64, time.Now()) }

func sg(source, group string) mroute.SG {
	g := mroute.SG{Group: netip.MustParseAddr(group)}
	if source != "*" {
		g.Source = netip.MustParseAddr(source)
	}
	return g
}

func route(from, source, group string, to ...mroute.IfPattern) mroute.Route {
	r := mroute.Route{From: mroute.IfPattern(from), Match: mroute.MatchSG(sg(source, group))}
	for _, o := range to {
		r.To = append(r.To, mroute.Output{If: o})
	}
	return r
}
