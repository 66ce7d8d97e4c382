package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/doctor"
	"github.com/smcroute/kube-smcroute/agent/page"
	"github.com/smcroute/kube-smcroute/agent/view"
	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
	"github.com/smcroute/kube-smcroute/cmd/internal/install"
)

// mainRouter is what people call the router, of which there is one.
const mainRouter = "main"

// ui is the web page of --ui.
type ui struct {
	l net.Listener // nil: there is none
}

// listenUI takes the address of --ui, while there are all privileges. An address
// that cannot be had shows before anything is touched.
func (s *service) listenUI(ctx context.Context) (ui, error) {
	if s.flags.ui == "" {
		return ui{}, nil
	}
	l, err := page.Listen(ctx, net.ListenConfig{}, s.flags.ui)
	if err != nil {
		return ui{}, &exitError{exitcode.Unavailable, fmt.Errorf("--ui: %w", err)}
	}
	return ui{l}, nil
}

// serve serves the page of a router until ctx is done.
func (u ui) serve(ctx context.Context, s *service, r router) {
	if u.l == nil {
		return
	}
	host, _ := os.Hostname()
	var rows atomic.Int64 // of the last reading
	handler := page.New(page.Options{
		Program: "smcrouted",
		Version: install.Version,
		Host:    host,
		Routers: func(ctx context.Context) []page.Router {
			state, err := r.State(ctx)
			if state != nil {
				rows.Store(int64(len(state.Rules) + len(state.Flows)))
			}
			return []page.Router{{Name: mainRouter, State: state, Err: err}}
		},
		WriteState: func(ctx context.Context, router string, w io.Writer) error {
			if router != "" && router != mainRouter {
				return page.ErrNoRouter
			}
			return r.WriteState(ctx, w, view.About{})
		},
		Examine: func(ctx context.Context) (doctor.Report, error) {
			return doctor.Examine(ctx, doctor.Options{State: r.State, Socket: s.flags.socket})
		},
		Unwatched: func() { agent.GiveBackAfter(int(rows.Load())) },
	})
	s.log.Info("The web page is served", "address", "http://"+u.l.Addr().String())
	if err := page.Serve(ctx, u.l, handler); err != nil {
		s.log.Error("The web page ended", "error", err) // packets are of more concern
	}
}

func (u ui) close() {
	if u.l != nil {
		_ = u.l.Close()
	}
}
