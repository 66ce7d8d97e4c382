package node

import (
	"reflect"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// Slim drops from an object what an agent does not keep of it. It writes nothing to
// one that was slim before, so that who decodes for many agents can share it among them.
func Slim(o runtime.Object) {
	switch o := o.(type) {
	case *corev1.Node:
		slimNode(o)
	case *corev1.Pod:
		slimPod(o)
	case *v1alpha1.MulticastRoute:
		slimRoute(o)
	case *v1alpha1.MulticastGroup:
		slimGroup(o)
	}
}

// slim leaves what tells an object from others, and its labels.
func slim(m *metav1.ObjectMeta) {
	drop(&m.GenerateName)
	drop(&m.DeletionGracePeriodSeconds)
	drop(&m.Annotations)
	drop(&m.OwnerReferences)
	drop(&m.Finalizers)
	drop(&m.ManagedFields)
}

// drop makes a field zero, if it is not.
func drop[T any](field *T) {
	if v := reflect.ValueOf(field).Elem(); !v.IsZero() {
		v.SetZero()
	}
}

func slimNode(n *corev1.Node) {
	slim(&n.ObjectMeta)
	drop(&n.Spec)
	drop(&n.Status)
}

func slimPod(p *corev1.Pod) {
	slim(&p.ObjectMeta)
	p.Spec = corev1.PodSpec{NodeName: p.Spec.NodeName, HostNetwork: p.Spec.HostNetwork}
	p.Status = corev1.PodStatus{Phase: p.Status.Phase, PodIP: p.Status.PodIP, PodIPs: p.Status.PodIPs}
}

func slimRoute(r *v1alpha1.MulticastRoute) {
	slim(&r.ObjectMeta)
	keep(&r.Status, v1alpha1.MulticastRouteStatus{Nodes: v1alpha1.NodeCounts{Matched: r.Status.Nodes.Matched}})
}

func slimGroup(g *v1alpha1.MulticastGroup) {
	slim(&g.ObjectMeta)
	keep(&g.Status, v1alpha1.MulticastGroupStatus{Nodes: v1alpha1.NodeCounts{Matched: g.Status.Nodes.Matched}})
}

// keep makes a field what is kept of it, if it is more.
func keep[T any](field *T, kept T) {
	if !reflect.DeepEqual(*field, kept) {
		*field = kept
	}
}
