package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// MulticastGroup makes the selected nodes members of groups on an interface, by
// IGMP or MLD, so that snooping switches and upstream routers send the traffic.
// It forwards nothing: that is what a MulticastRoute is for, which can join by
// itself.
//
// For example, on every node:
//
//	apiVersion: multicast.smcroute.io/v1alpha1
//	kind: MulticastGroup
//	metadata: {name: news, namespace: kube-smcroute}
//	spec:
//	  interface: eth0
//	  sources: ["192.168.1.42"]
//	  groups: ["232.1.2.3"]
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=mcgroup,categories=multicast
// +kubebuilder:printcolumn:name="Groups",type=string,JSONPath=`.spec.groups`,description="Multicast groups"
// +kubebuilder:printcolumn:name="Interface",type=string,JSONPath=`.spec.interface`,description="Where they are joined"
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.summary.programmed`,description="Nodes that have joined, of those selected"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Sources",type=string,JSONPath=`.spec.sources`,priority=1,description="Sources; none means any"
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`,priority=1,description="Whether it is valid and permitted"
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].reason`,priority=1,description="Reason of the condition Programmed"
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].message`,priority=1,description="What a person can do about it"
type MulticastGroup struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the user wants.
	Spec MulticastGroupSpec `json:"spec"`
	// status is what the nodes made of it, written by the controller.
	// +optional
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
//
// +kubebuilder:validation:XValidation:rule="!has(self.sources) || size(self.groups) == 0 || self.sources.all(s, s.contains(':') == self.groups[0].contains(':'))",message="sources and groups must be of one family, IPv4 or IPv6: a second MulticastGroup serves the other one",fieldPath=".sources"
// +kubebuilder:validation:XValidation:rule="self.groups.map(g, isCIDR(g) && cidr(g).prefixLength() >= (g.contains(':') ? 120 : 24) ? [256, 128, 64, 32, 16, 8, 4, 2, 1][cidr(g).prefixLength() - (g.contains(':') ? 120 : 24)] : 1).sum() * (!has(self.sources) || size(self.sources) == 0 ? 1 : self.sources.map(s, isCIDR(s) && cidr(s).prefixLength() >= (s.contains(':') ? 120 : 24) ? [256, 128, 64, 32, 16, 8, 4, 2, 1][cidr(s).prefixLength() - (s.contains(':') ? 120 : 24)] : 1).sum()) <= 4096",message="the sources and groups to join stand for more than 4096 pairs of addresses: use longer prefixes, or several MulticastGroups",fieldPath=".groups"
type MulticastGroupSpec struct {
	// nodeSelector selects the nodes that join, by their labels:
	// {matchLabels: {site: studio}}. All nodes that have an agent if absent.
	// +optional
	NodeSelector *metav1.LabelSelector `json:"nodeSelector,omitempty"`

	// networkNamespace is where they join: on the node itself, {type: Host},
	// which is the default, or inside selected pods.
	// +optional
	// +kubebuilder:default={type: "Host"}
	NetworkNamespace NetworkNamespace `json:"networkNamespace,omitempty"`

	// interface is the name of an interface, "eth0", or a prefix, "eth+" for all
	// whose name begins with eth. It need not exist yet: it is waited for.
	Interface Interface `json:"interface"`

	// sources are the unicast addresses to hear, such as "192.168.1.42", all of
	// the family of the groups, or prefixes of length 24 (IPv6: 120) or more that
	// stand for each of their addresses; at most 128. Each is a source-specific
	// join (IGMPv3, MLDv2) of each group. Any source if absent.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:items:XValidation:rule="!(isIP(self) ? ip(self).isUnspecified() : isCIDR(self) && cidr(self).prefixLength() == 0)",message="is no address of a sender: leave sources out for any source"
	// +kubebuilder:validation:items:XValidation:rule="!(isIP(self) ? cidr('224.0.0.0/4').containsIP(self) || cidr('ff00::/8').containsIP(self) || ip(self).isLoopback() || self == '255.255.255.255' : isCIDR(self) && (cidr('224.0.0.0/4').containsCIDR(self) || cidr('ff00::/8').containsCIDR(self) || cidr('127.0.0.0/8').containsCIDR(self) || cidr('::1/128').containsCIDR(self)))",message="must be a unicast address or prefix of senders, neither multicast, broadcast nor loopback"
	// +kubebuilder:validation:items:XValidation:rule="!isCIDR(self) || cidr(self).prefixLength() == 0 || cidr(self).prefixLength() >= (self.contains(':') ? 120 : 24)",message="must be an address, or a prefix of length 24 (IPv6: 120) or more, as each address is joined"
	Sources []Address `json:"sources,omitempty"`

	// groups are multicast addresses, such as "225.1.2.3" or "ff0e::42", or
	// prefixes of length 24 (IPv6: 120) or more that stand for each of their
	// addresses, all of one family; at least one and at most 128. They stand for
	// at most 4096 pairs of source and group.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:XValidation:rule="self.all(g, g.contains(':') == self[0].contains(':'))",message="groups must be of one family, IPv4 or IPv6: a second MulticastGroup serves the other one"
	// +kubebuilder:validation:items:XValidation:rule="isIP(self) ? cidr('224.0.0.0/4').containsIP(self) || cidr('ff00::/8').containsIP(self) : !isCIDR(self) || cidr('224.0.0.0/4').containsCIDR(self) || cidr('ff00::/8').containsCIDR(self)",message="must be a multicast address or prefix, in 224.0.0.0/4 or ff00::/8"
	// +kubebuilder:validation:items:XValidation:rule="!isCIDR(self) || cidr(self).prefixLength() >= (self.contains(':') ? 120 : 24)",message="must be an address, or a prefix of length 24 (IPv6: 120) or more, as each address is joined"
	// +kubebuilder:validation:items:XValidation:rule="!self.matches('^[fF][fF][0-9a-fA-F][01]:')",message="is never received from others: its scope is the node (RFC 7346)"
	Groups []Address `json:"groups"`
}

// MulticastGroupStatus is what the nodes made of it, summed up.
type MulticastGroupStatus struct {
	// observedGeneration is the metadata.generation of the spec that this status
	// is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are Accepted, whether the group is valid and permitted, and
	// Programmed, whether every selected node has joined.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// nodes counts the nodes that the group is for.
	// +optional
	Nodes NodeCounts `json:"nodes,omitempty"`

	// failingNodes are some of the nodes that could not join, at most 5.
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
	// programmed is "joined/matched" nodes: "11/12".
	// +optional
	Programmed string `json:"programmed,omitempty"`
}
