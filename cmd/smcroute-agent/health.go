package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// answerTime is how long the router may take to answer a probe. Reading a large
// configuration takes a while.
const answerTime = 5 * time.Second

// listenProbes returns nil if there are to be none. An address that cannot be
// had shows at once: else another program would be probed in our place.
func (s *service) listenProbes() (net.Listener, error) {
	if s.health == "0" || s.health == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", s.health)
	if err != nil {
		return nil, fmt.Errorf("--health-probe-bind-address: %w", err)
	}
	return l, nil
}

// serveProbes serves /healthz, whether the router answers, and /readyz, whether
// what the sources ask for has been programmed once.
func (s *service) serveProbes(ctx context.Context, l net.Listener) error {
	if l == nil {
		return nil
	}
	alive := map[string]healthz.Checker{"router": s.alive}
	ready := map[string]healthz.Checker{"router": s.alive, "conf-file": s.confLoaded}
	if s.manifests != "" {
		ready["manifests"] = s.programmed
	} else {
		ready["kubernetes"] = s.programmed
	}
	mux := http.NewServeMux()
	for path, checks := range map[string]map[string]healthz.Checker{"/healthz": alive, "/readyz": ready} {
		h := http.StripPrefix(path, &healthz.Handler{Checks: checks})
		mux.Handle(path, h)
		mux.Handle(path+"/", h)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: answerTime, IdleTimeout: time.Minute, MaxHeaderBytes: 1 << 16}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(l); err != nil && ctx.Err() == nil {
		return fmt.Errorf("health probes: %w", err)
	}
	return nil
}

func (s *service) alive(r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	return s.agent.Alive(ctx)
}

func (s *service) confLoaded(*http.Request) error {
	select {
	case <-s.loaded:
		return nil
	default:
		return errors.New("the configuration file is being read")
	}
}

func (s *service) programmed(*http.Request) error {
	if !s.programmer.Ready() {
		return errors.New("no objects have been read yet")
	}
	return nil
}

// serveMetrics serves controller-runtime's metrics, and those of the collectors,
// which must be new ones.
func (s *service) serveMetrics(ctx context.Context, collectors ...prometheus.Collector) error {
	for _, c := range collectors {
		if err := metrics.Registry.Register(c); err != nil {
			return fmt.Errorf("metrics: %w", err)
		}
	}
	server, err := metricsserver.NewServer(metricsserver.Options{BindAddress: s.metrics}, nil, nil)
	if err != nil || server == nil {
		return err
	}
	if err := server.Start(ctx); err != nil {
		return fmt.Errorf("--metrics-bind-address: %w", err)
	}
	return nil
}
