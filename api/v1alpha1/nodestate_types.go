package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// MulticastNodeState is the report of a node's agent: what it has in the
// kernel, and the kernel's counters. It has the node's name, and is gone with
// the node. Only that agent writes it, and the controller sums all of them up
// into the status of routes and groups.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=mcns,categories=multicast
// +kubebuilder:printcolumn:name="Objects",type=integer,JSONPath=`.status.summary.routes`,description="Routes and groups that select the node"
// +kubebuilder:printcolumn:name="Failed",type=integer,JSONPath=`.status.summary.failed`,description="Those that are not in the kernel as asked for"
// +kubebuilder:printcolumn:name="VIFs",type=integer,JSONPath=`.status.summary.vifs`,description="Interfaces in use by the busiest kernel table, of 32"
// +kubebuilder:printcolumn:name="Flows",type=integer,JSONPath=`.status.summary.flows`,description="(S,G) in the kernel"
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.agentVersion`,priority=1,description="Version of the agent"
// +kubebuilder:printcolumn:name="Reported",type=date,JSONPath=`.status.reportTime`,description="When the agent last reported"
type MulticastNodeState struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// status is the report. It is replaced as a whole.
	// +optional
	// +structType=atomic
	Status MulticastNodeStateStatus `json:"status,omitempty"`
}

// MulticastNodeStateList is a list of reports.
//
// +kubebuilder:object:root=true
type MulticastNodeStateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []MulticastNodeState `json:"items"`
}

// MulticastNodeStateStatus is a report.
type MulticastNodeStateStatus struct {
	// reportTime is when this was written.
	// +optional
	ReportTime metav1.Time `json:"reportTime,omitempty,omitzero"`

	// nextReportTime is when the next one is due at the latest, whether or not
	// anything changes: about 2.5 times the agent's --report-interval from then,
	// which is 13 minutes unless set. A node that is late counts as not reporting.
	// +optional
	NextReportTime metav1.Time `json:"nextReportTime,omitempty,omitzero"`

	// agentVersion is the version of the agent.
	// +optional
	AgentVersion string `json:"agentVersion,omitempty"`

	// summary is what "kubectl get" shows.
	// +optional
	Summary NodeSummary `json:"summary,omitempty"`

	// routes are the MulticastRoutes that select the node, but for those of
	// programmedRoutes.
	// +optional
	// +listType=map
	// +listMapKey=namespace
	// +listMapKey=name
	Routes []ObjectState `json:"routes,omitempty"`

	// groups are the MulticastGroups that select the node, but for those of
	// programmedGroups.
	// +optional
	// +listType=map
	// +listMapKey=namespace
	// +listMapKey=name
	Groups []ObjectState `json:"groups,omitempty"`

	// programmedRoutes are the MulticastRoutes that are programmed, a line each,
	// which costs the API server much less than a structure. It is the namespace
	// and name, and then words with what the structure would have, unless it is 0:
	// "ns/name uid=UID generation=1 packets=5 bytes=500 wrongInterface=1 flows=2
	// updated=TIME flow=SOURCE,GROUP,FROM,PACKETS,TO,TO flow=...".
	// +optional
	// +listType=atomic
	ProgrammedRoutes []string `json:"programmedRoutes,omitempty"`

	// programmedGroups are the MulticastGroups that are programmed, a line each:
	// "ns/name uid=UID generation=1".
	// +optional
	// +listType=atomic
	ProgrammedGroups []string `json:"programmedGroups,omitempty"`
}

// NodeSummary is the report in a few numbers.
type NodeSummary struct {
	// routes is the number of routes and groups that select the node.
	Routes int32 `json:"routes"`
	// failed is how many of them are not in the kernel as asked for.
	Failed int32 `json:"failed"`
	// vifs is the number of interfaces in use by the busiest kernel table, of 32.
	VIFs int32 `json:"vifs"`
	// flows is the number of (S,G) in the kernel.
	Flows int64 `json:"flows"`
}

// ObjectState is what a node made of one object.
type ObjectState struct {
	// namespace of the object.
	Namespace string `json:"namespace"`
	// name of the object.
	Name string `json:"name"`
	// uid of the object, to tell it from a later one of the same name.
	// +optional
	UID string `json:"uid,omitempty"`
	// generation of the spec that this is about.
	// +optional
	Generation int64 `json:"generation,omitempty"`
	// reason is "Programmed" if all is well, or one of the other reasons of the
	// conditions.
	Reason string `json:"reason"`
	// message is a sentence that a person can act on.
	// +optional
	Message string `json:"message,omitempty"`
	// counters of a route; they never go backwards while it selects the node.
	// +optional
	Counters *Counters `json:"counters,omitempty"`
	// flows are some of the (S,G) of a route in the kernel, if the agent runs
	// with --report=Full.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Flows []Flow `json:"flows,omitempty"`
}

// Flow is an entry of the kernel's forwarding cache.
type Flow struct {
	// source address, or * for any: of a group that is forwarded natively all
	// sources are one flow.
	Source string `json:"source"`
	// group address.
	Group string `json:"group"`
	// from is the inbound interface.
	From string `json:"from"`
	// to are the outputs.
	// +optional
	// +listType=atomic
	To []string `json:"to,omitempty"`
	// packets since the entry was made.
	Packets int64 `json:"packets"`
}
