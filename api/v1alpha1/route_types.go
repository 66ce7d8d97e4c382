package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// MulticastRoute tells the selected nodes to forward multicast packets of some
// sources and groups from one interface, or from pods, to others.
//
// For example, on the nodes of site "studio", from eth0 to eth1 and to each
// player pod of the route's namespace:
//
//	apiVersion: multicast.smcroute.io/v1alpha1
//	kind: MulticastRoute
//	metadata: {name: studio-a, namespace: kube-smcroute}
//	spec:
//	  nodeSelector: {matchLabels: {site: studio}}
//	  from: {interface: eth0}
//	  sources: ["192.168.1.42"]
//	  groups: ["232.1.2.3"]
//	  to:
//	  - {interface: eth1, ttlThreshold: 4}
//	  - {pods: {matchLabels: {app: player}}}
//	  join: true
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=mcroute,categories=multicast
// +kubebuilder:printcolumn:name="Groups",type=string,JSONPath=`.spec.groups`,description="Multicast groups"
// +kubebuilder:printcolumn:name="From",type=string,JSONPath=`.status.summary.from`,description="Where packets arrive"
// +kubebuilder:printcolumn:name="To",type=string,JSONPath=`.status.summary.to`,description="Where copies leave"
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.summary.programmed`,description="Nodes that have it in the kernel, of those selected"
// +kubebuilder:printcolumn:name="Packets",type=integer,JSONPath=`.status.counters.packets`,description="Packets that matched, on all nodes"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Sources",type=string,JSONPath=`.spec.sources`,priority=1,description="Sources; none means any"
// +kubebuilder:printcolumn:name="Bytes",type=integer,JSONPath=`.status.counters.bytes`,priority=1,description="Bytes in the packets that matched"
// +kubebuilder:printcolumn:name="Wrong-If",type=integer,JSONPath=`.status.counters.wrongInterface`,priority=1,description="Packets that arrived on another interface"
// +kubebuilder:printcolumn:name="Flows",type=integer,JSONPath=`.status.counters.flows`,priority=1,description="(S,G) in the kernels"
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`,priority=1,description="Whether it is valid and permitted"
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].reason`,priority=1,description="Reason of the condition Programmed"
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].message`,priority=1,description="What a person can do about it"
type MulticastRoute struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the user wants.
	Spec MulticastRouteSpec `json:"spec"`
	// status is what the nodes made of it, written by the controller.
	// +optional
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
//
// +kubebuilder:validation:XValidation:rule="!has(self.sources) || size(self.groups) == 0 || self.sources.all(s, s.contains(':') == self.groups[0].contains(':'))",message="sources and groups must be of one family, IPv4 or IPv6: a second route serves the other one",fieldPath=".sources"
// +kubebuilder:validation:XValidation:rule="!has(self.sources) || size(self.sources) * size(self.groups) <= 1024",message="sources times groups must be at most 1024: use prefixes, or several routes",fieldPath=".groups"
// +kubebuilder:validation:XValidation:rule="!has(self.from.pods) || !has(self.sources) || size(self.sources) == 0",message="from.pods has sources of its own, the addresses of the pods: leave sources out",fieldPath=".sources",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="self.networkNamespace.type != 'Pod' || !has(self.from.pods)",message="with networkNamespace.type Pod the ends are interfaces of the pod: name one in from.interface",fieldPath=".from.pods",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="self.networkNamespace.type != 'Pod' || !has(self.to) || self.to.all(t, !has(t.pods))",message="with networkNamespace.type Pod the ends are interfaces of the pod: name them, and select no pods",fieldPath=".to",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="!has(self.from.interface) || self.from.interface.endsWith('+') || !has(self.to) || self.to.all(t, !has(t.interface) || t.interface != self.from.interface)",message="from.interface must not be in to as well: packets would leave where they arrived",fieldPath=".to"
// +kubebuilder:validation:XValidation:rule="size(self.groups) == 0 || !self.groups[0].contains(':') || !has(self.to) || self.to.all(t, !has(t.ttlThreshold) || t.ttlThreshold <= 1)",message="the kernel keeps no TTL threshold per output for IPv6: leave ttlThreshold out",fieldPath=".to"
// +kubebuilder:validation:XValidation:rule="size(self.groups) == 0 || !self.groups[0].contains(':') || self.table <= 99999999",message="IPv6 has tables up to 99999999, fewer than IPv4",fieldPath=".table"
// +kubebuilder:validation:XValidation:rule="!has(self.anySource) || !has(self.from.pods) && (!has(self.sources) || size(self.sources) == 0)",message="anySource is for routes from any source: leave sources and from.pods out, or anySource",fieldPath=".anySource",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="!has(self.anySource) || self.anySource != 'Native' || self.groups.all(g, !isCIDR(g) || cidr(g).prefixLength() == (g.contains(':') ? 128 : 32))",message="anySource Native is for single groups: the kernel has no entry for a prefix, whose flows are learned",fieldPath=".anySource"
// +kubebuilder:validation:XValidation:rule="!has(self.maxFlows) || !has(self.from.pods) && (!has(self.sources) || size(self.sources) == 0 || self.sources.exists(s, isCIDR(s) && cidr(s).prefixLength() < (s.contains(':') ? 128 : 32)) || self.groups.exists(g, isCIDR(g) && cidr(g).prefixLength() < (g.contains(':') ? 128 : 32)))",message="maxFlows is for routes that learn flows, with prefixes or any source: leave it out",fieldPath=".maxFlows",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="!has(self.join) || !self.join || (self.groups.all(g, !isCIDR(g) || cidr(g).prefixLength() >= (g.contains(':') ? 120 : 24)) && (!has(self.sources) || self.sources.all(s, !isCIDR(s) || cidr(s).prefixLength() >= (s.contains(':') ? 120 : 24))))",message="join is for addresses and for prefixes of length 24 (IPv6: 120) or more, as each address is joined: leave it out, and join what is needed with a MulticastGroup",fieldPath=".join"
// +kubebuilder:validation:XValidation:rule="!has(self.join) || !self.join || self.groups.map(g, isCIDR(g) && cidr(g).prefixLength() >= (g.contains(':') ? 120 : 24) ? [256, 128, 64, 32, 16, 8, 4, 2, 1][cidr(g).prefixLength() - (g.contains(':') ? 120 : 24)] : 1).sum() * (!has(self.sources) || size(self.sources) == 0 ? 1 : self.sources.map(s, isCIDR(s) && cidr(s).prefixLength() >= (s.contains(':') ? 120 : 24) ? [256, 128, 64, 32, 16, 8, 4, 2, 1][cidr(s).prefixLength() - (s.contains(':') ? 120 : 24)] : 1).sum()) <= 4096",message="the sources and groups to join stand for more than 4096 pairs of addresses: use longer prefixes, or several routes",fieldPath=".join"
type MulticastRouteSpec struct {
	// nodeSelector selects the nodes that get the route, by their labels:
	// {matchLabels: {site: studio}}. All nodes that have an agent if absent.
	// +optional
	NodeSelector *metav1.LabelSelector `json:"nodeSelector,omitempty"`

	// networkNamespace is where the route is programmed: in the network
	// namespace of the node itself, {type: Host}, which is the default, or
	// inside selected pods.
	// +optional
	// +kubebuilder:default={type: "Host"}
	NetworkNamespace NetworkNamespace `json:"networkNamespace,omitempty"`

	// table is the number of the kernel's multicast routing table, 0 to
	// 999999999 (IPv6: 99999999). The default, 0, is the table that the kernel
	// looks into unless an "ip mrule" says otherwise. A route of another table is
	// not Programmed, reason PacketsDiverted, while no rule leads packets there.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=999999999
	Table int32 `json:"table,omitempty"`

	// from is where packets arrive: an interface, {interface: eth0}, or pods,
	// {pods: {matchLabels: {app: camera}}}. Packets of the route that arrive
	// elsewhere are counted as wrongInterface, and dropped.
	From RouteInput `json:"from"`

	// sources are the unicast addresses or prefixes that packets come from, such
	// as "192.168.1.42", "10.0.0.0/24" or "2001:db8::/64", all of the family of
	// the groups; at most 128, and sources times groups at most 1024. Any source
	// if absent, which is (*,G). With from.pods the pods' addresses are the
	// sources.
	//
	// A route of single sources and single groups is in the kernel before the
	// first packet, and so is one of any source and single groups, unless
	// anySource says otherwise. Any other is learned, flow by flow, from the
	// packets.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:items:XValidation:rule="!(isIP(self) ? ip(self).isUnspecified() : isCIDR(self) && cidr(self).prefixLength() == 0)",message="is no address of a sender: leave sources out for any source"
	// +kubebuilder:validation:items:XValidation:rule="!(isIP(self) ? cidr('224.0.0.0/4').containsIP(self) || cidr('ff00::/8').containsIP(self) || ip(self).isLoopback() || self == '255.255.255.255' : isCIDR(self) && (cidr('224.0.0.0/4').containsCIDR(self) || cidr('ff00::/8').containsCIDR(self) || cidr('127.0.0.0/8').containsCIDR(self) || cidr('::1/128').containsCIDR(self)))",message="must be a unicast address or prefix of senders, neither multicast, broadcast nor loopback"
	Sources []Address `json:"sources,omitempty"`

	// groups are multicast addresses or prefixes, such as "225.1.2.3",
	// "232.8.0.0/16" or "ff0e::42", all of one family; at least one and at most
	// 128. Those of 224.0.0.0/24, and of IPv6 those of link-local or smaller
	// scope (ff02::1), are never forwarded and refused.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:XValidation:rule="self.all(g, g.contains(':') == self[0].contains(':'))",message="groups must be of one family, IPv4 or IPv6: a second route serves the other one"
	// +kubebuilder:validation:items:XValidation:rule="isIP(self) ? cidr('224.0.0.0/4').containsIP(self) || cidr('ff00::/8').containsIP(self) : !isCIDR(self) || cidr('224.0.0.0/4').containsCIDR(self) || cidr('ff00::/8').containsCIDR(self)",message="must be a multicast address or prefix, in 224.0.0.0/4 or ff00::/8"
	// +kubebuilder:validation:items:XValidation:rule="!(isIP(self) ? cidr('224.0.0.0/24').containsIP(self) : isCIDR(self) && cidr('224.0.0.0/24').containsCIDR(self))",message="is never forwarded: 224.0.0.0/24 is for the local network (RFC 5771)"
	// +kubebuilder:validation:items:XValidation:rule="!(self.matches('^[fF][fF][0-9a-fA-F][0-2]:') && (isIP(self) || isCIDR(self) && cidr(self).prefixLength() >= 16))",message="is never forwarded: its scope is the link or smaller (RFC 7346); those from ff03:: to ff0e:: are"
	Groups []Address `json:"groups"`

	// to is where copies of the packets leave: interfaces and pods in any mix, at
	// most 31, as a kernel table has 32 interfaces and one is where packets
	// arrive. Where several routes cover the same packets from the same input,
	// the outputs of all are united.
	//
	// A route without to drops packets. One of single sources and single groups
	// is an exception from wider routes, with prefixes or any source, and goes
	// before them; a wider one drops only what no other route forwards.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=31
	// +kubebuilder:validation:XValidation:rule="self.all(t, !has(t.interface) || self.exists_one(o, has(o.interface) && o.interface == t.interface))",message="each interface must be listed once"
	To []RouteOutput `json:"to,omitempty"`

	// join says whether the node also joins the groups on the from interface, by
	// IGMP or MLD, so that snooping switches and upstream routers send them. Each
	// address of a prefix is joined, so prefixes have a length of 24 (IPv6: 120)
	// or more. A node where to selects no pod, and has nothing else, does not
	// join. To join without forwarding there is MulticastGroup.
	// +optional
	Join bool `json:"join,omitempty"`

	// anySource says how a single group is forwarded if there are no sources.
	//
	// Native has one (*,G) entry in the kernel, which forwards the first packet
	// like all others, and takes the same room for a thousand sources as for one.
	// All sources are counted together, in one flow. It is possible if packets to
	// the group arrive on one interface of the node, if no other route makes a
	// difference between sources there, and none forwards what arrives at one of
	// the outputs; where it is not, sources are learned and the route is not
	// programmed, with the reason NotSupported.
	//
	// Learn has an (S,G) entry for each source, made from its first packets and
	// counted apart. While it is made four packets are kept; of a stream of
	// thousands of packets a second some of the first may be lost.
	//
	// If absent it is Native where that is possible, and Learn elsewhere. Of
	// several routes of a group and an interface Native goes before Learn, and
	// that before none.
	// +optional
	AnySource AnySource `json:"anySource,omitempty"`

	// maxFlows, 1 to 1000000, is how many flows, (S,G), each pair of sources and
	// groups may have learned on a node at a time, so that forged sources do not
	// fill its memory. The agent has a limit for all of them if absent.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	MaxFlows int32 `json:"maxFlows,omitempty"`
}

// AnySource is how a group is forwarded from any source: Native or Learn.
//
// +kubebuilder:validation:Enum=Native;Learn
type AnySource string

// The ways to forward from any source.
const (
	NativeAnySource AnySource = "Native"
	LearnAnySource  AnySource = "Learn"
)

// RouteInput is where packets arrive: exactly one of its fields is set.
//
// +kubebuilder:validation:XValidation:rule="has(self.interface) != has(self.pods)",message="must have exactly one of interface and pods"
type RouteInput struct {
	// interface is the name of an interface, "eth0", or a prefix, "eth+" for all
	// whose name begins with eth. It need not exist yet: it is waited for.
	// +optional
	Interface Interface `json:"interface,omitempty"`

	// pods selects pods of the route's own namespace on each node as senders, by
	// their labels: {matchLabels: {app: camera}}. There is one (S,G) for each,
	// with the pod's address as source, and the node's link to it as the inbound
	// interface.
	// +optional
	Pods *metav1.LabelSelector `json:"pods,omitempty"`
}

// RouteOutput is where copies leave: exactly one of interface and pods is set.
//
// +kubebuilder:validation:XValidation:rule="has(self.interface) != has(self.pods)",message="must have exactly one of interface and pods"
type RouteOutput struct {
	// interface is the name of an interface, "eth1", or a prefix, "eth+" for all
	// whose name begins with eth but the inbound one. It need not exist yet: it
	// is waited for. Of a prefix it is no failure if there is none.
	// +optional
	Interface Interface `json:"interface,omitempty"`

	// pods selects pods of the route's own namespace on each node as receivers,
	// by their labels: {matchLabels: {app: player}}. The node's link to each
	// becomes an output: a veth of its own, or the bridge of many.
	// +optional
	Pods *metav1.LabelSelector `json:"pods,omitempty"`

	// ttlThreshold, 1 to 255, is what the TTL of an arriving packet must exceed
	// for it to leave here: 1 if absent. IPv4 only: the kernel has none for IPv6.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=255
	TTLThreshold int32 `json:"ttlThreshold,omitempty"`
}

// MulticastRouteStatus is what the nodes made of it, summed up.
type MulticastRouteStatus struct {
	// observedGeneration is the metadata.generation of the spec that this status
	// is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are Accepted, whether the route is valid and permitted, and
	// Programmed, whether every selected node has it in its kernel.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// nodes counts the nodes that the route is for.
	// +optional
	Nodes NodeCounts `json:"nodes,omitempty"`

	// failingNodes are some of the nodes where the route is not programmed, at
	// most 5.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=5
	FailingNodes []FailingNode `json:"failingNodes,omitempty"`

	// counters are the kernel's, summed over the selected nodes. They are some
	// minutes old: "smcroutectl -d show" has live ones of one node's agent.
	// +optional
	Counters *Counters `json:"counters,omitempty"`

	// summary is what "kubectl get" shows.
	// +optional
	Summary RouteSummary `json:"summary,omitempty"`
}

// RouteSummary is the route in a few words.
type RouteSummary struct {
	// from is the inbound interface, "eth0", or the selector of the sending pods,
	// "pods app=camera".
	// +optional
	From string `json:"from,omitempty"`
	// to are the outputs: "eth1, pods app=player".
	// +optional
	To string `json:"to,omitempty"`
	// programmed is "programmed/matched" nodes: "11/12".
	// +optional
	Programmed string `json:"programmed,omitempty"`
}
