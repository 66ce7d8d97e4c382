package cluster

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// A pod is a router between two networks of its own, as with Multus: the agent
// finds its network namespace through the container runtime, and routes there.
//
//	left eth0 ─── net1 the pod net2 ─── eth0 right
func TestRouterPod(t *testing.T) {
	s := start(t)
	s.upgrade("--set", "agent.podNetworkNamespaces.enabled=true")
	node := s.Nodes[1]
	privilegesOf(t, node, release, s.agent(node).Name, "agent").are(t, netAdmin|netRaw|sysAdmin, "0")

	router := s.run(node, "router", "router", "recv", "-o", "json", "239.255.255.255")
	router.awaitReport()
	inside := netlab.At(t, fmt.Sprintf("/proc/%d/ns/net", node.ContainerPID(place, router.name, "mcast")))
	left, right := netlab.New(t), netlab.New(t)
	left.Veth("eth0", inside, "net1")
	inside.Veth("net2", right, "eth0")
	inside.AddAddr("net1", netip.MustParsePrefix("192.0.2.1/24"))

	s.apply(route("inside", `networkNamespace: {type: Pod, podSelector: {matchLabels: {app: router}}}, from: {interface: net1}, sources: [192.0.2.10], groups: [232.9.9.9], to: [{interface: net2}]`) +
		route("inside6", `networkNamespace: {type: Pod, podSelector: {matchLabels: {app: router}}}, from: {interface: net1}, groups: ["ff0e::9:9"], to: [{interface: net2}]`))
	s.programmed("inside", int32(len(s.Nodes))) // there is nothing to do on the others
	s.programmed("inside6", int32(len(s.Nodes)))
	capture := right.Capture("eth0")
	for _, sg := range []mroute.SG{
		{Source: addr("192.0.2.10"), Group: addr("232.9.9.9")},
		{Source: addr("2001:db8::10"), Group: addr("ff0e::9:9")},
	} {
		packet := netlab.Packet{Src: sg.Source, Group: sg.Group}
		s.await(fmt.Sprintf("a packet of %v passes the pod", sg), func() bool {
			left.Send("eth0", packet)
			return capture.Count(sg) > 0
		})
		before := capture.Count(sg)
		left.SendBurst("eth0", packet, 0, 100)
		capture.Await(sg, before+100, patience)
	}
	if out := s.smcroutectl(node, "show"); strings.Contains(out, "232.9.9.9") {
		t.Errorf("the node itself has the route:\n%s", out)
	}
	t.Logf("%s", s.Kubectl("get", "mcroute", "-n", place))
}
