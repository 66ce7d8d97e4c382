package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// NetworkNamespaceType is where something is programmed: Host or Pod.
// +kubebuilder:validation:Enum=Host;Pod
type NetworkNamespaceType string

// The types of network namespaces.
const (
	// HostNamespace is the node's own.
	HostNamespace NetworkNamespaceType = "Host"
	// PodNamespace is that of each selected pod.
	PodNamespace NetworkNamespaceType = "Pod"
)

// NetworkNamespace is where something is programmed: on the node itself, or
// inside selected pods.
//
// +kubebuilder:validation:XValidation:rule="self.type != 'Pod' || has(self.podSelector)",message="type Pod needs a podSelector that says which pods; {} selects all of the namespace",fieldPath=".podSelector",reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule="self.type != 'Host' || !has(self.podSelector)",message="podSelector needs type Pod: with type Host, the default, the node itself is the router",fieldPath=".podSelector",reason=FieldValueForbidden
type NetworkNamespace struct {
	// type is Host for the network namespace of the node itself, which is the
	// default, or Pod for those of the pods that podSelector selects, as of a
	// router in a pod with several networks.
	//
	// With Host, objects that name interfaces, or a table, are accepted from the
	// namespaces alone that the agent's option --host-namespaces lists. Pod has
	// to be allowed by the agent's option --pod-network-namespaces.
	// +kubebuilder:default=Host
	// +optional
	Type NetworkNamespaceType `json:"type,omitempty"`

	// podSelector selects pods of the object's own namespace on each node, by
	// their labels: {matchLabels: {app: router}}. Needed with type Pod, and only
	// there.
	// +optional
	PodSelector *metav1.LabelSelector `json:"podSelector,omitempty"`
}
