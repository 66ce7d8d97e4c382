package summary

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// Metrics of the controller that works; one that waits for the Lease has none.
var (
	nodesDesc = prometheus.NewDesc("smcroute_controller_nodes",
		"Nodes whose agent has reported: reporting, or silent if its next report is overdue or the node itself is gone from sight", []string{"state"}, nil)
	routesDesc = prometheus.NewDesc("smcroute_controller_routes",
		"MulticastRoutes whose status has this condition with this status", []string{"condition", "status"}, nil)
)

// collector makes them when somebody asks.
type collector struct {
	book *book
	read client.Reader
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	to <- nodesDesc
	to <- routesDesc
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(to chan<- prometheus.Metric) {
	reporting, silent, ok := c.book.reporting(time.Now())
	if !ok {
		return
	}
	tell := func(d *prometheus.Desc, n int, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
	}
	tell(nodesDesc, reporting, "reporting")
	tell(nodesDesc, silent, "silent")
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var routes v1alpha1.MulticastRouteList
	if err := c.read.List(ctx, &routes); err != nil { // of a cache: it is not filled yet
		return
	}
	type state struct {
		condition string
		status    metav1.ConditionStatus
	}
	n := map[state]int{}
	for i := range routes.Items {
		for _, condition := range routes.Items[i].Status.Conditions {
			n[state{condition.Type, condition.Status}]++
		}
	}
	for _, condition := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionProgrammed} {
		for _, status := range []metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown} {
			tell(routesDesc, n[state{condition, status}], condition, string(status))
		}
	}
}

// reporting counts nodes with an agent that reports, and with one that does not any
// more. ok is false as long as no node is known.
func (b *book) reporting(now time.Time) (reporting, silent int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.nodes {
		switch {
		case !b.reports.Has(n.Name):
		case n.Silent || b.reports.Late(n.Name, now):
			silent++
		default:
			reporting++
		}
	}
	return reporting, silent, len(b.nodes) > 0
}
