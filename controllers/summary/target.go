package summary

import (
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/status"
)

// target is an object whose status is made anew.
type target interface {
	meta() *metav1.ObjectMeta
	// summarise makes the new status, and returns when it may become another.
	summarise([]status.Node, *status.Index, time.Time) time.Time
	// change is what the new status says that the old one does not; 0: nothing.
	change() status.Change
	// updated is the object with its new status.
	updated() client.Object
	conditions() (old, now []metav1.Condition)
}

type routeTarget struct {
	old *v1alpha1.MulticastRoute
	now v1alpha1.MulticastRouteStatus
}

func (t *routeTarget) meta() *metav1.ObjectMeta { return &t.old.ObjectMeta }

func (t *routeTarget) summarise(nodes []status.Node, reports *status.Index, now time.Time) (again time.Time) {
	t.now, again = status.SummariseRoute(t.old, nodes, reports, now)
	return again
}

func (t *routeTarget) change() status.Change {
	if apiequality.Semantic.DeepEqual(t.old.Status, t.now) {
		return 0
	}
	same := t.now
	same.Counters = t.old.Status.Counters
	if apiequality.Semantic.DeepEqual(t.old.Status, same) {
		return status.CountersChanged
	}
	return status.StateChanged
}

func (t *routeTarget) updated() client.Object {
	o := t.old.DeepCopy()
	t.now.DeepCopyInto(&o.Status)
	return o
}

func (t *routeTarget) conditions() (old, now []metav1.Condition) {
	return t.old.Status.Conditions, t.now.Conditions
}

type groupTarget struct {
	old *v1alpha1.MulticastGroup
	now v1alpha1.MulticastGroupStatus
}

func (t *groupTarget) meta() *metav1.ObjectMeta { return &t.old.ObjectMeta }

func (t *groupTarget) summarise(nodes []status.Node, reports *status.Index, now time.Time) (again time.Time) {
	t.now, again = status.SummariseGroup(t.old, nodes, reports, now)
	return again
}

func (t *groupTarget) change() status.Change {
	if apiequality.Semantic.DeepEqual(t.old.Status, t.now) {
		return 0
	}
	return status.StateChanged
}

func (t *groupTarget) updated() client.Object {
	o := t.old.DeepCopy()
	t.now.DeepCopyInto(&o.Status)
	return o
}

func (t *groupTarget) conditions() (old, now []metav1.Condition) {
	return t.old.Status.Conditions, t.now.Conditions
}
