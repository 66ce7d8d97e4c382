package node

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// World is all that counts for a node, at one moment. It is only read.
type World struct {
	Node   *corev1.Node
	Routes []v1alpha1.MulticastRoute
	Groups []v1alpha1.MulticastGroup
	Pods   []translate.Pod // of this node, see [LivePods]
}
