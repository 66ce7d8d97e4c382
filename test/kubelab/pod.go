package kubelab

import (
	"context"
	"net/netip"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Pod is an object, and what a kubelet and a network plug-in make of it: a
// network namespace with eth0.
type Pod struct {
	NS     *netlab.NS
	Object *corev1.Pod
	Link   string // the node's, towards eth0
	Bridge string // what Link is a port of, or ""
	IPs    []netip.Addr

	node *Node
}

// PodSpec says what pod to make.
type PodSpec struct {
	Namespace, Name string
	Labels          map[string]string
	IPs             []netip.Addr
	// Link is the name of the node's link to it; one is made up if it is "".
	Link string
	// Bridge, if not "", is a bridge of the node that Link becomes a port of, as
	// with the bridge plug-in. Else the node gets a host route for each address,
	// as with Calico's.
	Bridge string
}

// Bridge makes a bridge with addresses on the node, for pods.
func (n *Node) Bridge(name string, addresses ...netip.Prefix) {
	n.tb.Helper()
	n.NS.Bridge(name)
	for _, a := range addresses {
		n.NS.AddAddr(name, a)
	}
}

// Pod makes a pod that runs.
func (n *Node) Pod(spec PodSpec) *Pod {
	n.tb.Helper()
	p := n.Wire(spec)
	p.Object = n.PodObject(spec)
	return p
}

// Wire makes the network of a pod, without an object.
func (n *Node) Wire(spec PodSpec) *Pod {
	n.tb.Helper()
	n.pods++
	p := &Pod{NS: netlab.New(n.tb), Link: spec.Link, Bridge: spec.Bridge, IPs: spec.IPs, node: n}
	if p.Link == "" {
		p.Link = "cali" + strconv.Itoa(n.pods)
	}
	n.NS.Veth(p.Link, p.NS, "eth0")
	if p.Bridge != "" {
		n.NS.AddPort(p.Bridge, p.Link)
		n.NS.AwaitReady(p.Bridge)
	}
	for _, ip := range p.IPs {
		host := netip.PrefixFrom(ip, ip.BitLen())
		p.NS.AddAddr("eth0", host)
		if p.Bridge == "" {
			n.NS.AddRoute(host, p.Link, netip.Addr{})
		}
	}
	return p
}

// PodObject makes the object of a pod that runs, without a network.
func (n *Node) PodObject(spec PodSpec) *corev1.Pod {
	n.tb.Helper()
	o := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: spec.Namespace, Name: spec.Name, Labels: spec.Labels},
		Spec: corev1.PodSpec{
			NodeName:   n.Name,
			Containers: []corev1.Container{{Name: "c", Image: "none.test"}},
		},
	}
	n.lab.Create(n.tb, o)
	o.Status.Phase = corev1.PodRunning
	for _, ip := range spec.IPs {
		o.Status.PodIPs = append(o.Status.PodIPs, corev1.PodIP{IP: ip.String()})
	}
	if len(spec.IPs) > 0 {
		o.Status.PodIP = spec.IPs[0].String()
	}
	if err := n.lab.Client.Status().Update(context.Background(), o); err != nil {
		n.tb.Fatalf("status of pod %s: %v", spec.Name, err)
	}
	return o
}

// Delete deletes the object and the network, as when a pod is deleted.
func (p *Pod) Delete() {
	p.node.tb.Helper()
	p.DeleteObject()
	p.Unwire()
}

// DeleteObject deletes the object alone.
func (p *Pod) DeleteObject() {
	p.node.tb.Helper()
	if err := p.node.lab.Client.Delete(context.Background(), p.Object, client.GracePeriodSeconds(0)); err != nil {
		p.node.tb.Fatalf("deleting pod %s: %v", p.Object.Name, err)
	}
}

// Rewire makes the network of a pod anew, as when its sandbox is restarted: a
// namespace and a link, with the old names and addresses.
func (n *Node) Rewire(p *Pod) *Pod {
	n.tb.Helper()
	again := n.Wire(PodSpec{IPs: p.IPs, Link: p.Link, Bridge: p.Bridge})
	again.Object = p.Object
	return again
}

// Unwire deletes the link, and with it the routes.
func (p *Pod) Unwire() { p.node.NS.Delete(p.Link) }
