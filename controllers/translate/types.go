// Package translate turns Kubernetes objects into what the routers of one node
// should do. It is pure: the same objects give the same layers.
package translate

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// LayerName is the name of the layers.
const LayerName = "kubernetes"

// Input is all that counts for a node.
type Input struct {
	Node   *corev1.Node // its name and labels
	Routes []v1alpha1.MulticastRoute
	Groups []v1alpha1.MulticastGroup
	Pods   []Pod // of this node

	// MainTable is the kernel's multicast routing table of the agent itself. The
	// joins of MulticastGroups on the node are made by its router.
	MainTable uint32
	// HostNamespaces are those whose objects may name the node's interfaces. "*"
	// stands for all.
	HostNamespaces []string
	// PodNetworkNamespaces says whether routers inside pods are allowed.
	PodNetworkNamespaces bool
}

// Pod is a pod of the node, and what the node knows of it.
type Pod struct {
	Namespace, Name, UID string
	Labels               map[string]string
	HostNetwork          bool
	IPs                  []netip.Addr

	// Links are the node's links towards the addresses, as a route look-up gives
	// them. An address without a link of its own is not in it.
	Links map[netip.Addr]Link
	// Why tells why an address has no link, as a sentence, if it has none.
	Why string
}

// Link is a link by name and index: the name may be another link's tomorrow.
type Link struct {
	Name  string
	Index int
}

// Router is where a layer belongs: the node's own network namespace, or a
// pod's.
type Router struct {
	PodUID string // "": the node's own
	Table  uint32
}

// Result is what the objects come to.
type Result struct {
	Layers  map[Router]mroute.Layer
	Objects []Object // those that select the node, by kind, namespace, name
}

// Kind is that of an object.
type Kind string

// The kinds.
const (
	RouteKind Kind = "MulticastRoute"
	GroupKind Kind = "MulticastGroup"
)

// Object is what came of one object on this node.
type Object struct {
	Kind            Kind
	Namespace, Name string
	UID             string
	Generation      int64

	// Rejection says why the object is not in any layer, if so.
	Rejection *Rejection
	// Problems say what is missing although the object is accepted, as a pod
	// without a link. The first one is the most important.
	Problems []Rejection
	// Routers are where the object is, in order.
	Routers []Router
}

// Ref is the Ref of the [mroute.Origin] of all that stems from the object:
// "MulticastRoute namespace/name".
func (o Object) Ref() string { return string(o.Kind) + " " + o.Namespace + "/" + o.Name }

// Rejection is a reason of package v1alpha1, and a sentence that a person can
// act on.
type Rejection struct {
	Reason  string
	Message string
}
