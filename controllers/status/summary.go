package status

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// maxColumn is the width of what "kubectl get" shows of inputs and outputs.
const maxColumn = 40

// SummariseRoute returns what the status of a route should be at the time now,
// and when it may be something else without a change of anything: when a report
// that counts will be late. That is the zero time if there is none.
//
// A node counts if the route's nodeSelector selects it and it runs Linux. Without
// a nodeSelector it is all nodes that have an agent, which are those that have
// reported ever since their Node was made: agents may be kept off some nodes, as
// off those of a control plane. A report counts if it is about this very
// route and generation; otherwise the node is pending. What a node said last of
// whether the route is acceptable holds while it is silent.
// Counters are those that the selected nodes reported last: they fall only if a
// node is gone or no longer selected.
func SummariseRoute(r *v1alpha1.MulticastRoute, nodes []Node, reports *Index, now time.Time) (v1alpha1.MulticastRouteStatus, time.Time) {
	v := judge(Object{translate.RouteKind, r.Namespace, r.Name}, &r.ObjectMeta, r.Spec.NodeSelector, nodes, reports, now)
	return v1alpha1.MulticastRouteStatus{
		ObservedGeneration: r.Generation,
		Conditions:         v.conditions(r.Status.Conditions, r.Generation, now),
		Nodes:              v.counts(),
		FailingNodes:       v.failing(),
		Counters:           v.counters,
		Summary: v1alpha1.RouteSummary{
			From:       end(r.Spec.From.Interface, r.Spec.From.Pods),
			To:         outputs(r.Spec.To),
			Programmed: v.summary(),
		},
	}, v.again
}

// SummariseGroup is [SummariseRoute] for groups, which have no counters.
func SummariseGroup(g *v1alpha1.MulticastGroup, nodes []Node, reports *Index, now time.Time) (v1alpha1.MulticastGroupStatus, time.Time) {
	v := judge(Object{translate.GroupKind, g.Namespace, g.Name}, &g.ObjectMeta, g.Spec.NodeSelector, nodes, reports, now)
	return v1alpha1.MulticastGroupStatus{
		ObservedGeneration: g.Generation,
		Conditions:         v.conditions(g.Status.Conditions, g.Generation, now),
		Nodes:              v.counts(),
		FailingNodes:       v.failing(),
		Summary:            v1alpha1.GroupSummary{Programmed: v.summary()},
	}, v.again
}

// end is where packets arrive or leave: "eth0", or "pods app=player".
func end(i v1alpha1.Interface, pods *metav1.LabelSelector) string {
	if pods == nil {
		return string(i)
	}
	if selectsAll(pods) {
		return "all pods"
	}
	return shorten("pods "+metav1.FormatLabelSelector(pods), maxColumn)
}

// outputs are the ends that fit into a column, and how many do not.
func outputs(to []v1alpha1.RouteOutput) string {
	var ends []string
	width := 0
	for i := range to {
		e := end(to[i].Interface, to[i].Pods)
		if width += len(e) + len(", "); i > 0 && width > maxColumn {
			return fmt.Sprintf("%s +%d", strings.Join(ends, ", "), len(to)-i)
		}
		ends = append(ends, e)
	}
	return strings.Join(ends, ", ")
}
