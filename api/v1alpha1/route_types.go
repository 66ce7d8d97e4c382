package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// MulticastRoute tells the selected nodes to forward multicast packets of some
// sources and groups from one interface, or from pods, to others.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=mcroute,categories=multicast
// +kubebuilder:printcolumn:name="Groups",type=string,JSONPath=`.spec.groups`
// +kubebuilder:printcolumn:name="From",type=string,JSONPath=`.status.summary.from`
// +kubebuilder:printcolumn:name="To",type=string,JSONPath=`.status.summary.to`
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.summary.programmed`
// +kubebuilder:printcolumn:name="Packets",type=integer,JSONPath=`.status.counters.packets`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type MulticastRoute struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   MulticastRouteSpec   `json:"spec"`
	Status MulticastRouteStatus `json:"status,omitempty"`
}

// MulticastRouteList is a list of routes.
//
// +kubebuilder:object:root=true
type MulticastRouteList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []MulticastRoute `json:"items"`
}

// MulticastRouteSpec is what the user wants.
type MulticastRouteSpec struct {
	// nodeSelector selects the nodes that get the route, by their labels. All
	// nodes if absent.
	// +optional
	NodeSelector *metav1.LabelSelector `json:"nodeSelector,omitempty"`

	// networkNamespace is where the route is programmed: in the network
	// namespace of the node itself, or inside selected pods.
	// +optional
	// +kubebuilder:default={type: "Host"}
	NetworkNamespace NetworkNamespace `json:"networkNamespace,omitempty"`

	// table is the kernel's multicast routing table, 0 for the default one. The
	// kernel looks into another one only where an "ip mrule" says so.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=999999999
	Table int32 `json:"table,omitempty"`

	// from is where packets arrive.
	From RouteInput `json:"from"`

	// sources are unicast addresses or prefixes, "192.168.1.42" or
	// "10.0.0.0/24", that packets must come from. Any source if absent, which
	// is (*,G). A route of single sources and single groups is in the kernel
	// before the first packet; any other is learned from the packets.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=128
	Sources []Address `json:"sources,omitempty"`

	// groups are multicast addresses or prefixes, "225.1.2.3", "232.8.0.0/16" or
	// "ff0e::42", all of one family.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=128
	Groups []Address `json:"groups"`

	// to is where copies of the packets leave. Packets of a route without to
	// are dropped.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=31
	To []RouteOutput `json:"to,omitempty"`

	// join says whether the node also joins the groups on the from interface, by
	// IGMP or MLD, so that snooping switches and upstream routers send them.
	// +optional
	Join bool `json:"join,omitempty"`
}

// Address is an IP address or a prefix.
// +kubebuilder:validation:MinLength=2
// +kubebuilder:validation:MaxLength=49
type Address string

// Interface names a network interface, or with one trailing "+" all whose name
// begins so: "eth0", "eth+".
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=15
// +kubebuilder:validation:Pattern=`^[^\s/:+]*[+]?$`
type Interface string

// NetworkNamespaceType is where something is programmed.
// +kubebuilder:validation:Enum=Host;Pod
type NetworkNamespaceType string

// The types of network namespaces.
const (
	// HostNamespace is the node's own.
	HostNamespace NetworkNamespaceType = "Host"
	// PodNamespace is that of each selected pod.
	PodNamespace NetworkNamespaceType = "Pod"
)

// NetworkNamespace is where something is programmed.
type NetworkNamespace struct {
	// type is Host for the node's own network namespace, or Pod for those of
	// the pods that podSelector selects. Pod has to be allowed by the agent's
	// option --pod-network-namespaces.
	// +kubebuilder:default=Host
	// +optional
	Type NetworkNamespaceType `json:"type,omitempty"`

	// podSelector selects pods of the object's namespace on each node.
	// +optional
	PodSelector *metav1.LabelSelector `json:"podSelector,omitempty"`
}

// RouteInput is where packets arrive: exactly one of its fields is set.
type RouteInput struct {
	// interface is the name of an interface, "eth0", or a prefix, "eth+".
	// +optional
	Interface Interface `json:"interface,omitempty"`

	// pods selects pods of the route's namespace on each node as senders: one
	// (S,G) for each, with the pod's address as S and the node's link to it as
	// inbound interface.
	// +optional
	Pods *metav1.LabelSelector `json:"pods,omitempty"`
}

// RouteOutput is where copies leave: exactly one of interface and pods is set.
type RouteOutput struct {
	// interface is the name of an interface, "eth1", or a prefix, "eth+".
	// +optional
	Interface Interface `json:"interface,omitempty"`

	// pods selects pods of the route's namespace on each node as receivers: the
	// node's link to each becomes an output.
	// +optional
	Pods *metav1.LabelSelector `json:"pods,omitempty"`

	// ttlThreshold is what a packet's TTL must exceed to leave here: 1 if
	// absent. IPv4 only: the kernel has none for IPv6.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=255
	TTLThreshold int32 `json:"ttlThreshold,omitempty"`
}

// MulticastRouteStatus is what the nodes made of it, summed up.
type MulticastRouteStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are Accepted and Programmed.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// nodes counts the nodes that the route is for.
	// +optional
	Nodes NodeCounts `json:"nodes,omitempty"`

	// failingNodes are some of the nodes where the route is not programmed.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=5
	FailingNodes []FailingNode `json:"failingNodes,omitempty"`

	// counters are the kernel's, summed over all nodes.
	// +optional
	Counters *Counters `json:"counters,omitempty"`

	// summary is what "kubectl get" shows.
	// +optional
	Summary RouteSummary `json:"summary,omitempty"`
}

// RouteSummary is the route in a few words.
type RouteSummary struct {
	// from is the inbound interface or the selector of the sending pods.
	// +optional
	From string `json:"from,omitempty"`
	// to are the outputs.
	// +optional
	To string `json:"to,omitempty"`
	// programmed is "programmed/matched" nodes.
	// +optional
	Programmed string `json:"programmed,omitempty"`
}

// NodeCounts counts nodes.
type NodeCounts struct {
	// matched is how many nodes are selected.
	Matched int32 `json:"matched"`
	// programmed is how many of them have it in the kernel as it is now.
	Programmed int32 `json:"programmed"`
	// failed is how many of them reported that they can't, or don't report.
	Failed int32 `json:"failed"`
}

// FailingNode is a node where something could not be programmed.
type FailingNode struct {
	// name of the node.
	Name string `json:"name"`
	// reason is one of those of the conditions.
	Reason string `json:"reason"`
	// message is a sentence that a person can act on.
	Message string `json:"message"`
}

// Counters are the kernel's counts of forwarding cache entries, summed.
type Counters struct {
	// packets that matched, forwarded or not.
	Packets int64 `json:"packets"`
	// bytes in these packets.
	Bytes int64 `json:"bytes"`
	// wrongInterface counts those packets that arrived on another interface.
	WrongInterface int64 `json:"wrongInterface"`
	// flows is the number of (S,G) in the kernel.
	Flows int64 `json:"flows"`
	// lastUpdateTime is when they were last changed.
	// +optional
	LastUpdateTime *metav1.Time `json:"lastUpdateTime,omitempty"`
}
