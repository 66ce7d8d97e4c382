package main

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/agent/metrics"
	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
	"github.com/smcroute/kube-smcroute/cmd/internal/install"
)

// unixScheme begins the address of a unix socket.
const unixScheme = "unix://"

// checkMetrics says what is wrong with the address of --metrics, if anything is.
func checkMetrics(addr string) error {
	if path, unix := strings.CutPrefix(addr, unixScheme); unix {
		if !filepath.IsAbs(path) {
			return fmt.Errorf("%q has no absolute path: expected %s/FILE", addr, unixScheme)
		}
		return nil
	}
	if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
		return fmt.Errorf("%q is not an address: expected HOST:PORT, as 127.0.0.1:8472, or %s/FILE", addr, unixScheme)
	}
	return nil
}

// scrapes is what serves --metrics.
type scrapes struct {
	l net.Listener // nil: nothing is
}

// listenMetrics takes the address of --metrics, while there are all privileges. An
// address that cannot be had shows before anything is touched.
func (s *service) listenMetrics(ctx context.Context) (scrapes, error) {
	var l net.Listener
	var err error
	path, unix := strings.CutPrefix(s.flags.metrics, unixScheme)
	switch {
	case s.flags.metrics == "":
		return scrapes{}, nil
	case unix:
		l, err = ipc.ListenSocket(path, 0o600)
	default:
		l, err = new(net.ListenConfig).Listen(ctx, "tcp", s.flags.metrics)
	}
	if err != nil {
		return scrapes{}, &exitError{exitcode.Unavailable, fmt.Errorf("--metrics: %w", err)}
	}
	return scrapes{l}, nil
}

// serve serves metrics of a router until ctx is done.
func (x scrapes) serve(ctx context.Context, s *service, r router) {
	if x.l == nil {
		return
	}
	c := metrics.New(metrics.Options{
		Routers: func(context.Context) []metrics.Router {
			o := r.Observe()
			return []metrics.Router{{Name: mainRouter, Meter: o.Meter, Survey: o.Survey}}
		},
		Read:    r.LastRead,
		Made:    agent.GiveBackAfter,
		Flows:   s.flags.metricFlows,
		Version: install.Version,
	})
	s.log.Info("Metrics are served", "address", s.flags.metrics)
	if err := metrics.Serve(ctx, x.l, c); err != nil {
		s.log.Error("Metrics are not served any more", "error", err) // packets are of more concern
	}
}

func (x scrapes) close() {
	if x.l != nil {
		_ = x.l.Close()
	}
}
