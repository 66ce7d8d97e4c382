package node

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

// unless is a predicate for updates that matter: those between objects which
// are not the same in some respect.
func unless[T client.Object](same func(a, b T) bool) predicate.TypedPredicate[T] {
	return predicate.TypedFuncs[T]{
		UpdateFunc: func(e event.TypedUpdateEvent[T]) bool {
			return e.ObjectOld.GetUID() != e.ObjectNew.GetUID() || !same(e.ObjectOld, e.ObjectNew)
		},
	}
}

// sameSpec is for our own kinds: the controller writes their status often.
func sameSpec[T client.Object](a, b T) bool {
	return a.GetGeneration() == b.GetGeneration() && (a.GetDeletionTimestamp() == nil) == (b.GetDeletionTimestamp() == nil)
}

// sameNode is for the node, whose kubelet writes its status often.
func sameNode(a, b *corev1.Node) bool { return a.UID == b.UID && maps.Equal(a.Labels, b.Labels) }

// samePod compares what [LivePods] looks at.
func samePod(a, b *corev1.Pod) bool {
	return maps.Equal(a.Labels, b.Labels) &&
		(a.DeletionTimestamp == nil) == (b.DeletionTimestamp == nil) &&
		a.Spec.HostNetwork == b.Spec.HostNetwork &&
		ended(a) == ended(b) &&
		slices.Equal(addresses(a), addresses(b))
}
