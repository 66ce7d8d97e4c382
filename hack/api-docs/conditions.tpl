{{- define "conditions" -}}
## Conditions

MulticastRoutes and MulticastGroups always have both conditions, with the
`observedGeneration` that they are about, and a `message` that a person can act on.

`Accepted` is True, reason `Accepted`, if the object is valid and permitted.

| reason of Accepted=False | why, and what to do |
|---|---|
| `Invalid` | The object contradicts itself in a way that the API server could not see, such as with a label selector that is none. The message names the field. |
| `Conflicted` | An older route has another input for the same (S,G), which the kernel keeps once. The message names it. |
| `HostInterfacesNotPermitted` | Objects of this namespace may not name the node's interfaces, or a table of its kernel. Add the namespace to the agent's option `--host-namespaces`, or move the object. |
| `PodNetworkNamespacesNotPermitted` | The agent runs without `--pod-network-namespaces`. |
| `LimitExceeded` | With this object those of the namespace come to more than a namespace may that is not in `--host-namespaces`: on a node 65536 pairs of source and group and 16384 joins, and in a pod 8 tables. Older objects have room first. |

It is Unknown, reason `Pending`, before any selected node reported.

`Programmed` is True, reason `Programmed`, if every selected node has the object in
its kernel. A node where it selects no pod has nothing to do, and counts as one that
has; if that is so of all of them, the message says it. An object that is not accepted is not programmed, for the same reason.

| reason of Programmed | why, and what to do |
|---|---|
| `Pending` | Unknown: work is under way. |
| `InterfaceNotFound` | An interface is missing on a node. It is waited for. |
| `NotMulticastCapable` | An interface lacks the MULTICAST flag: `ip link set dev NAME multicast on`. |
| `VIFTableFull` | More than 32 interfaces are needed in one table of the kernel: packets that arrive on one interface leave by 31 others at most. Use fewer outputs. |
| `TableInUse` | Another program, such as pimd or smcrouted, owns the table of the kernel. Stop it, or use another `table`. |
| `KernelUnsupported` | The kernel was built without multicast routing (CONFIG_IP_MROUTE, CONFIG_IPV6_MROUTE, or ..._MULTIPLE_TABLES for a `table`). |
| `MissingCapability` | The agent lacks NET_ADMIN or NET_RAW. |
| `PacketsDiverted` | A rule of the node that is not the agent's leads packets that arrive on an interface to another table than the object's, or drops them, so that they do not come: `ip -4 mrule`, `ip -6 mrule`. The message has its priority. Delete it (`ip -4 mrule del priority N`), or with a `table` add one that leads there: `ip -4 mrule add iif NAME lookup TABLE`. |
| `FlowLimitReached` | As many flows are learned as the route, or the agent's `--max-flows`, lets there be. New ones take the place of idle ones; if none is idle they are stopped. It is over a minute after the last of them. |
| `KernelError` | The kernel refused a call; the message has its error. It is tried again. |
| `PodNotReachable` | The node has no link of its own to a selected pod, as when the pod uses the node's network. |
| `NoMatchingNodes` | `nodeSelector` selects no node. |
| `NodeNotReporting` | Unknown: the agent of a selected node is late with its report, or there is none, or Kubernetes has lost sight of the node. The first is noticed some 13 minutes after the last report, or 2.5 times the agent's `--report-interval`, the last as soon as its condition `Ready` is Unknown. Packets may well flow. |

A node counts if `nodeSelector` selects it and it runs Linux. Without a `nodeSelector`
those nodes count that have an agent: a MulticastNodeState has the node's name. So
nodes from which the agent's DaemonSet is kept away do not matter, unless a
`nodeSelector` selects them. If the agent is taken off a node for good, delete what it
left: `kubectl delete mcns NODE`.
{{ end -}}
