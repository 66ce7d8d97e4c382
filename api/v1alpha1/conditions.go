package v1alpha1

// Condition types of MulticastRoute and MulticastGroup. Both are always there.
const (
	// ConditionAccepted is True if the object is valid and permitted.
	//
	// Reasons for True: Accepted. For False: Invalid, Conflicted,
	// HostInterfacesNotPermitted, PodNetworkNamespacesNotPermitted, LimitExceeded.
	// For Unknown: Pending, before any selected node reported.
	ConditionAccepted = "Accepted"

	// ConditionProgrammed is True if every selected node has it in its kernel.
	//
	// Reasons for True: Programmed. For False: any of the rest. For Unknown:
	// Pending, NodeNotReporting.
	ConditionProgrammed = "Programmed"
)

// Reasons of conditions and of a node's report.
const (
	ReasonAccepted   = "Accepted"
	ReasonProgrammed = "Programmed"

	// Why an object is not accepted.

	// ReasonInvalid: the object contradicts itself in a way that the API server
	// could not see.
	ReasonInvalid = "Invalid"
	// ReasonConflicted: an older route has another input for the same (S,G).
	ReasonConflicted = "Conflicted"
	// ReasonHostInterfacesNotPermitted: objects of this namespace may not name
	// the node's interfaces and tables; see the agent's option --host-namespaces.
	ReasonHostInterfacesNotPermitted = "HostInterfacesNotPermitted"
	// ReasonPodNetworkNamespacesNotPermitted: the agent runs without
	// --pod-network-namespaces.
	ReasonPodNetworkNamespacesNotPermitted = "PodNetworkNamespacesNotPermitted"
	// ReasonLimitExceeded: the objects of this namespace come to more than those of
	// a namespace may that is not in --host-namespaces.
	ReasonLimitExceeded = "LimitExceeded"

	// Why an accepted object is not programmed.

	// ReasonPending: work is under way. Where a selector matches no pod there is
	// none, and what there is none of is programmed.
	ReasonPending = "Pending"
	// ReasonInterfaceNotFound: an interface is missing. It is waited for.
	ReasonInterfaceNotFound = "InterfaceNotFound"
	// ReasonNotMulticastCapable: an interface lacks the MULTICAST flag.
	ReasonNotMulticastCapable = "NotMulticastCapable"
	// ReasonVIFTableFull: more than 32 interfaces are needed in one table: packets
	// that arrive on one interface leave by 31 others at most.
	ReasonVIFTableFull = "VIFTableFull"
	// ReasonTableInUse: another program owns the kernel's table.
	ReasonTableInUse = "TableInUse"
	// ReasonKernelUnsupported: the kernel was built without multicast routing.
	ReasonKernelUnsupported = "KernelUnsupported"
	// ReasonMissingCapability: NET_ADMIN or NET_RAW is missing.
	ReasonMissingCapability = "MissingCapability"
	// ReasonPacketsDiverted: a rule of the node that is not the agent's ("ip mrule") leads
	// packets that arrive on an interface to another table, or drops them.
	ReasonPacketsDiverted = "PacketsDiverted"
	// ReasonFlowLimitReached: as many flows are learned as may be; new ones take the
	// place of idle ones, or are stopped.
	ReasonFlowLimitReached = "FlowLimitReached"
	// ReasonKernelError: the kernel refused a call; the message has its error.
	ReasonKernelError = "KernelError"
	// ReasonPodNotReachable: the node has no link of its own to a selected pod, as
	// when the pod uses the host's network.
	ReasonPodNotReachable = "PodNotReachable"
	// ReasonNoMatchingNodes: the nodeSelector selects no node.
	ReasonNoMatchingNodes = "NoMatchingNodes"
	// ReasonNodeNotReporting: a selected node's agent is silent, or there is none.
	// Without a nodeSelector a node that never had one is not selected.
	ReasonNodeNotReporting = "NodeNotReporting"
)
