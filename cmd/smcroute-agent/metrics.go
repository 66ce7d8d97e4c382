package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sys/unix"
	"k8s.io/client-go/tools/metrics"
)

// serveMetrics serves metrics of the process and of its requests to the API
// server, and those of other collectors, if it is asked to.
func (s *service) serveMetrics(ctx context.Context, others ...prometheus.Collector) error {
	if s.metrics == "0" || s.metrics == "" {
		return nil
	}
	all := prometheus.NewRegistry()
	own := []prometheus.Collector{
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), requests,
	}
	for _, c := range append(own, others...) {
		if err := all.Register(c); err != nil {
			return fmt.Errorf("metrics: %w", err)
		}
	}
	metrics.Register(metrics.RegisterOpts{RequestResult: counter{}})
	listen := net.ListenConfig{Control: reusePort}
	l, err := listen.Listen(ctx, "tcp", s.metrics)
	if err == nil {
		mux := http.NewServeMux()
		mux.Handle("/metrics", promhttp.HandlerFor(all, promhttp.HandlerOpts{EnableOpenMetrics: true}))
		err = serveHTTP(ctx, l, mux)
	}
	if err != nil {
		return fmt.Errorf("--metrics-bind-address: %w", err)
	}
	return nil
}

// requests has the name and the labels that programs of Kubernetes give it.
var requests = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "rest_client_requests_total",
	Help: "Number of HTTP requests, partitioned by status code, method, and host.",
}, []string{"code", "method", "host"})

// counter is a [metrics.ResultMetric].
type counter struct{}

func (counter) Increment(_ context.Context, code, method, host string) {
	requests.WithLabelValues(code, method, host).Inc()
}

// reusePort lets an agent listen while the one before it has not ended its last
// connections. The kernel gives the port to programs of one user alone.
func reusePort(_, _ string, c syscall.RawConn) (err error) {
	if cerr := c.Control(func(fd uintptr) {
		err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
	}); cerr != nil {
		return cerr
	}
	return err
}
