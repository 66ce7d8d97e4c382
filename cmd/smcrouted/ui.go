package main

import (
	"context"
	"io"
	"net"
	"os"
	"sync/atomic"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/doctor"
	"github.com/smcroute/kube-smcroute/agent/page"
	"github.com/smcroute/kube-smcroute/agent/view"
	"github.com/smcroute/kube-smcroute/cmd/internal/install"
)

// mainRouter is what people call the router, of which there is one.
const mainRouter = "main"

// listenUI listens for browsers, at an address as --ui has it.
func listenUI(ctx context.Context, addr string) (net.Listener, error) {
	return page.Listen(ctx, net.ListenConfig{}, addr)
}

// serveUI serves the page of a router until ctx is done.
func (s *service) serveUI(ctx context.Context, l net.Listener, r router) {
	host, _ := os.Hostname()
	var rows atomic.Int64 // of the last reading
	handler := page.New(page.Options{
		Program: "smcrouted",
		Version: install.Version,
		Host:    host,
		Routers: func(context.Context) []page.Router {
			return []page.Router{{Name: mainRouter, Survey: func(ctx context.Context, v view.Visit) (*view.State, error) {
				state, err := r.Visit(ctx, v)
				if err == nil {
					rules, flows := state.InAll()
					rows.Store(int64(rules + flows))
				}
				return state, err
			}}}
		},
		WriteState: func(ctx context.Context, router string, w io.Writer) error {
			if router != "" && router != mainRouter {
				return page.ErrNoRouter
			}
			return r.WriteState(ctx, w, view.About{})
		},
		Examine: func(ctx context.Context) (doctor.Report, error) {
			return doctor.Examine(ctx, doctor.Options{Visit: r.Visit, Socket: s.flags.socket})
		},
		Unwatched: func() { agent.GiveBackAfter(int(rows.Load())) },
	})
	s.log.Info("The web page is served", "address", "http://"+l.Addr().String())
	if err := page.Serve(ctx, l, handler); err != nil {
		s.log.Error("The web page ended", "error", err) // packets are of more concern
	}
}
