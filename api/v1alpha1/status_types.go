package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// NodeCounts counts nodes.
type NodeCounts struct {
	// matched is how many nodes are selected. Without a nodeSelector they are those
	// whose agent has reported once.
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
	// reason is one of those of the conditions, such as InterfaceNotFound.
	Reason string `json:"reason"`
	// message is a sentence that a person can act on.
	Message string `json:"message"`
}

// Counters are the kernel's counts of forwarding cache entries, summed. On a node
// they go on where they were when the agent is started anew. They fall only if a
// node is gone or no longer selected, but flows, which come and go.
type Counters struct {
	// packets that matched, forwarded or not.
	Packets int64 `json:"packets"`
	// bytes in these packets, IP headers included.
	Bytes int64 `json:"bytes"`
	// wrongInterface counts the packets that arrived on another interface than
	// the inbound one.
	WrongInterface int64 `json:"wrongInterface"`
	// flows is the number of (S,G) in the kernel now.
	Flows int64 `json:"flows"`
	// lastUpdateTime is when they were last changed.
	// +optional
	LastUpdateTime *metav1.Time `json:"lastUpdateTime,omitempty"`
}
