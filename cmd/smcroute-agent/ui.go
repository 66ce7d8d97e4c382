package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"sync/atomic"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/doctor"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/page"
	"github.com/smcroute/kube-smcroute/agent/view"
	"github.com/smcroute/kube-smcroute/cmd/internal/install"
	"github.com/smcroute/kube-smcroute/controllers/node"
)

// serveUI serves the web page of the node's routers, if it is asked to.
func (s *service) serveUI(ctx context.Context) error {
	if s.ui == "" {
		return nil
	}
	l, err := page.Listen(ctx, net.ListenConfig{Control: reusePort}, s.ui)
	if err != nil {
		return fmt.Errorf("--ui: %w", err)
	}
	var rows atomic.Int64 // of the last reading
	err = page.Serve(ctx, l, page.New(page.Options{
		Program: "smcroute-agent",
		Version: install.Version,
		Host:    s.node,
		Routers: func(ctx context.Context) []page.Router {
			rows.Store(0)
			return s.views(ctx, func(state *view.State) {
				rules, flows := state.InAll()
				rows.Add(int64(rules + flows))
			})
		},
		WriteState: s.writeState,
		Pods: func() page.Pods {
			names := s.programmer.Names()
			return page.Pods{ByLink: names.Links, ByAddr: names.Addrs}
		},
		Examine: func(ctx context.Context) (doctor.Report, error) {
			return doctor.Examine(ctx, doctor.Options{Visit: s.agent.Visit, Socket: s.socket, NetNS: s.netns})
		},
		Unwatched: func() { agent.GiveBackAfter(int(rows.Load())) },
	}))
	if err != nil {
		return fmt.Errorf("--ui: %w", err)
	}
	return nil
}

// views are all routers, that of the node first. What they say is noted.
func (s *service) views(ctx context.Context, note func(*view.State)) []page.Router {
	names := s.programmer.Names()
	observed := s.routers.Observe(ctx)
	all := make([]page.Router, 0, len(observed))
	for _, o := range observed {
		r := page.Router{Name: routerName(o.Place, names), Survey: func(ctx context.Context, v view.Visit) (*view.State, error) {
			state, err := o.Visit(ctx, v, s.head(o.Place))
			if err == nil {
				note(state)
			}
			return state, err
		}}
		if o.Main {
			r.Name = mainRouter
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b page.Router) int {
		switch mainRouter {
		case a.Name:
			return -1
		case b.Name:
			return 1
		}
		return cmp.Compare(a.Name, b.Name)
	})
	return all
}

// writeState writes the state of one of them, "" for that of the node.
func (s *service) writeState(ctx context.Context, router string, w io.Writer) error {
	if router == "" || router == mainRouter {
		return s.agent.WriteState(ctx, w, view.About{})
	}
	names := s.programmer.Names()
	for _, o := range s.routers.Observe(ctx) {
		if !o.Main && routerName(o.Place, names) == router {
			return o.WriteState(ctx, w, s.head(o.Place))
		}
	}
	return cmp.Or(ctx.Err(), page.ErrNoRouter)
}

// head is what documents of a router begin with.
func (s *service) head(at mroute.Place) view.Head {
	return view.Head{Version: install.Version, Table: at.Table, NetNS: cmp.Or(at.NetNS, s.netns)}
}

// mainRouter is what people call the node's own router.
const mainRouter = "main"

// routerName is what they call another one.
func routerName(at mroute.Place, names node.Names) string {
	if pod := names.Routers[at]; pod != "" {
		return fmt.Sprintf("table %d of %s", at.Table, pod)
	}
	return at.String()
}
