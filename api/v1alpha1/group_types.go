package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// MulticastGroup makes the selected nodes members of groups, by IGMP or MLD, so
// that snooping switches and upstream routers send the traffic.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=mcgroup,categories=multicast
// +kubebuilder:printcolumn:name="Groups",type=string,JSONPath=`.spec.groups`
// +kubebuilder:printcolumn:name="Interface",type=string,JSONPath=`.spec.interface`
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.summary.programmed`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type MulticastGroup struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   MulticastGroupSpec   `json:"spec"`
	Status MulticastGroupStatus `json:"status,omitempty"`
}

// MulticastGroupList is a list of groups.
//
// +kubebuilder:object:root=true
type MulticastGroupList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []MulticastGroup `json:"items"`
}

// MulticastGroupSpec is what the user wants.
type MulticastGroupSpec struct {
	// nodeSelector selects the nodes that join, by their labels. All nodes if
	// absent.
	// +optional
	NodeSelector *metav1.LabelSelector `json:"nodeSelector,omitempty"`

	// networkNamespace is where they join: on the node itself, or inside
	// selected pods.
	// +optional
	// +kubebuilder:default={type: "Host"}
	NetworkNamespace NetworkNamespace `json:"networkNamespace,omitempty"`

	// interface is the name of an interface, "eth0", or a prefix, "eth+".
	Interface Interface `json:"interface"`

	// sources are the addresses to hear: a source-specific join (IGMPv3, MLDv2)
	// for each. Any source if absent.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=128
	Sources []Address `json:"sources,omitempty"`

	// groups are the multicast addresses, or prefixes of a /24 (IPv6: /120) or
	// longer that stand for each of their addresses, all of one family.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=128
	Groups []Address `json:"groups"`
}

// MulticastGroupStatus is what the nodes made of it, summed up.
type MulticastGroupStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are Accepted and Programmed.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// nodes counts the nodes that the group is for.
	// +optional
	Nodes NodeCounts `json:"nodes,omitempty"`

	// failingNodes are some of the nodes that could not join.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=5
	FailingNodes []FailingNode `json:"failingNodes,omitempty"`

	// summary is what "kubectl get" shows.
	// +optional
	Summary GroupSummary `json:"summary,omitempty"`
}

// GroupSummary is the group in a few words.
type GroupSummary struct {
	// programmed is "joined/matched" nodes.
	// +optional
	Programmed string `json:"programmed,omitempty"`
}
