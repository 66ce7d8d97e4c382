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

// listenMetrics listens for who reads metrics, at an address as --metrics has it.
func listenMetrics(ctx context.Context, addr string) (net.Listener, error) {
	if path, unix := strings.CutPrefix(addr, unixScheme); unix {
		return ipc.ListenSocket(path, 0o600)
	}
	return new(net.ListenConfig).Listen(ctx, "tcp", addr)
}

// serveMetrics serves metrics of a router until ctx is done.
func (s *service) serveMetrics(ctx context.Context, l net.Listener, r router) {
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
	if err := metrics.Serve(ctx, l, c); err != nil {
		s.log.Error("Metrics are not served any more", "error", err) // packets are of more concern
	}
}
