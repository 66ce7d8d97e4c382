package node

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// differ reports whether an update matters: it is another object, or one that is
// not the same in some respect.
func differ[T metav1.Object](a, b T, same func(a, b T) bool) bool {
	return a.GetUID() != b.GetUID() || !same(a, b)
}

// sameSpec is for our own kinds: the controller writes their status often.
func sameSpec[T metav1.Object](a, b T) bool {
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
