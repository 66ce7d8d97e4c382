package main

import (
	"context"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/meter"
	"github.com/smcroute/kube-smcroute/agent/metrics"
	"github.com/smcroute/kube-smcroute/cmd/internal/install"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// routerMetrics are those that smcrouted has, of all routers of the node.
func (s *service) routerMetrics() prometheus.Collector {
	c := routerCollector{
		source: metrics.New(metrics.Options{
			Routers: func(ctx context.Context) []metrics.Router {
				var all []metrics.Router
				names := s.programmer.Names()
				for _, o := range s.routers.Observe(ctx) {
					name := mainRouter
					if !o.Main {
						name = routerName(o.Place, names)
					}
					all = append(all, metrics.Router{Name: name, Meter: o.Meter, Survey: o.Survey})
				}
				return all
			},
			Ref:     func(ref string) string { return strings.TrimPrefix(ref, string(translate.RouteKind)+" ") },
			Read:    s.agent.LastRead,
			Made:    agent.GiveBackAfter,
			Flows:   s.metricFlows,
			Version: install.Version,
		}),
		descs: map[string]*prometheus.Desc{},
	}
	for _, d := range metrics.All() {
		c.descs[d.Name] = prometheus.NewDesc(d.Name, d.Help, d.Labels, nil)
	}
	return c
}

// routerCollector gives them to a registry.
type routerCollector struct {
	source *metrics.Collector
	descs  map[string]*prometheus.Desc
}

// Describe implements [prometheus.Collector].
func (c routerCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		to <- d
	}
}

// Collect implements [prometheus.Collector].
func (c routerCollector) Collect(to chan<- prometheus.Metric) {
	for _, f := range c.source.Families(context.Background()) {
		d := c.descs[f.Name]
		for i := range f.Samples {
			to <- constMetric(d, f.Kind, &f.Samples[i])
		}
	}
}

// constMetric is a sample as the library has it. One with labels that are no UTF-8
// becomes an error of the whole answer: there are none.
func constMetric(d *prometheus.Desc, kind metrics.Kind, s *metrics.Sample) prometheus.Metric {
	var m prometheus.Metric
	var err error
	switch {
	case s.Buckets != nil:
		upTo := make(map[float64]uint64, len(meter.Bounds))
		for i, b := range meter.Bounds {
			upTo[b.Seconds()] = s.Buckets.UpTo[i]
		}
		m, err = prometheus.NewConstHistogram(d, s.Buckets.Count, s.Buckets.Sum.Seconds(), upTo, s.Labels...)
	case kind == metrics.Counter:
		m, err = prometheus.NewConstMetric(d, prometheus.CounterValue, s.Value, s.Labels...)
	default:
		m, err = prometheus.NewConstMetric(d, prometheus.GaugeValue, s.Value, s.Labels...)
	}
	if err != nil {
		return prometheus.NewInvalidMetric(d, err)
	}
	return m
}
