package summary

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// lister is the cache of a cluster.
type lister struct{ *cluster }

func (l lister) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.routes {
		to := list.(*v1alpha1.MulticastRouteList)
		to.Items = append(to.Items, *r.DeepCopy())
	}
	return nil
}

// scraped is what a collector tells, as text, without what is said of it.
func scraped(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v %v", problems, err)
	}
	var text bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	return regexp.MustCompile("(?m)^#.*\n").ReplaceAllString(text.String(), "")
}

func TestMetrics(t *testing.T) {
	simulate(t, func(t *testing.T, c *cluster) {
		m := &collector{c.book, lister{c}}
		if got := scraped(t, m); got != "" {
			t.Errorf("nothing is known, as while another controller works: %s", got)
		}
		nodes := func(what string, reporting, silent int) {
			t.Helper()
			want := fmt.Sprintf("smcroute_controller_nodes{state=\"reporting\"} %d\nsmcroute_controller_nodes{state=\"silent\"} %d\n", reporting, silent)
			if got := scraped(t, m); !strings.HasPrefix(got, want) {
				t.Errorf("%s:\n%s", what, cmp.Diff(want, got))
			}
		}
		c.setNode("n1", corev1.ConditionTrue, nil)
		c.setNode("n2", corev1.ConditionTrue, nil)
		c.setNode("none", corev1.ConditionTrue, nil) // has no agent
		c.setRoute(newRoute("a", nil))
		c.report("n1", v1alpha1.ReasonProgrammed, 1)
		c.report("n2", v1alpha1.ReasonProgrammed, 1)
		time.Sleep(time.Minute)
		nodes("both report", 2, 0)
		c.setNode("n2", corev1.ConditionUnknown, nil)
		nodes("a node is down", 1, 1)
		c.setNode("n2", corev1.ConditionTrue, nil)
		time.Sleep(time.Hour)
		nodes("reports are overdue", 0, 2)
		want := `smcroute_controller_routes{condition="Accepted",status="False"} 0
smcroute_controller_routes{condition="Accepted",status="True"} 1
smcroute_controller_routes{condition="Accepted",status="Unknown"} 0
smcroute_controller_routes{condition="Programmed",status="False"} 0
smcroute_controller_routes{condition="Programmed",status="True"} 0
smcroute_controller_routes{condition="Programmed",status="Unknown"} 1
`
		if got := scraped(t, m); !strings.HasSuffix(got, want) {
			t.Error(cmp.Diff(want, got))
		}
	})
}
