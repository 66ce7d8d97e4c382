package translate

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// LayerName is the name of the layers.
const LayerName = "kubernetes"

// Limits that keep one object from asking for very much.
const (
	// MaxRules is how many pairs of source and group one object may have in one
	// router.
	MaxRules = 1 << 16
	// MaxJoins is how many single joins, sources times groups, one object may
	// have on one interface.
	MaxJoins = 1 << 12
	// maxProblems is how many problems of an object are told one by one.
	maxProblems = 5
)

// Input is all that counts for a node. It is only read.
type Input struct {
	Node   *corev1.Node // its labels; nil: it has none
	Routes []v1alpha1.MulticastRoute
	Groups []v1alpha1.MulticastGroup
	Pods   []Pod // those of this node that live, each address with one pod

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
	Leaving              bool // it is being deleted: that it has no link is no problem
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
	// Layers are the routers that have something to do, and the agent's own. A
	// layer's routes and joins are in order of their object's age.
	Layers map[Router]mroute.Layer
	// Objects are those that select the node and are not being deleted, by kind,
	// namespace and name.
	Objects []Object
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
	// Routers are those in whose layers the object is, in order. There is none if
	// it has nothing to do on this node, as when no pod is selected.
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
