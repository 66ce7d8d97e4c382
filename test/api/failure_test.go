package api

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// An agent that was killed is missed; another one goes on where it was, and
// takes over its counters.
func TestAgentKilled(t *testing.T) {
	s := newSite(t, "killed", 2)
	sg := flow("192.0.2.10", "232.1.1.1")
	s.apply(route("r", `from: {interface: eth0}, sources: [192.0.2.10], groups: [232.1.1.1], to: [{interface: eth1}]`))
	s.awaitProgrammed("r", 2)
	for _, h := range s.hosts {
		h.exact(sg, h.atLeft, 50)
	}
	s.awaitPackets("r", 100)

	h := s.hosts[1]
	h.agent.Kill()
	// On a busy machine the other one may be late, too.
	st := s.await("r", "of the two nodes "+h.Name+" is missed", func(st v1alpha1.MulticastRouteStatus) bool {
		return st.Nodes.Programmed == 1 && st.Nodes.Failed == 1 && len(st.FailingNodes) == 1 && st.FailingNodes[0].Name == h.Name
	})
	c := meta.FindStatusCondition(st.Conditions, v1alpha1.ConditionProgrammed)
	if c == nil || c.Reason != v1alpha1.ReasonNodeNotReporting || !strings.Contains(c.Message, h.Name) {
		t.Errorf("the condition does not name the node %s: %+v", h.Name, c)
	}
	if st.Counters == nil || st.Counters.Packets != 100 {
		t.Errorf("%+v are counted while an agent is away, not 100 packets", st.Counters)
	}
	s.hosts[0].exact(sg, s.hosts[0].atLeft, 10)

	h.run()
	if st := s.awaitProgrammed("r", 2); st.Counters == nil || st.Counters.Packets < 100 {
		t.Errorf("the counters went back to %+v", st.Counters)
	}
	h.exact(sg, h.atLeft, 10)
	s.awaitPackets("r", 120)
}

// Packets flow while there is no API server, known flows and new ones; what
// changed meanwhile is caught up with.
func TestServerGone(t *testing.T) {
	s := newSite(t, "gone", 1)
	h := s.hosts[0]
	s.apply(route("exact", `from: {interface: eth0}, sources: [192.0.2.10], groups: [232.1.1.1], to: [{interface: eth1}]`) +
		route("any", `from: {interface: eth0}, groups: [239.1.0.0/16], to: [{interface: "eth+"}]`))
	s.awaitProgrammed("exact", 1)
	s.awaitProgrammed("any", 1)
	known, learned := flow("192.0.2.10", "232.1.1.1"), flow("192.0.2.11", "239.1.1.1")

	s.lab.StopServer()
	back := sync.OnceFunc(func() { s.lab.StartServer(t.Context()) })
	defer back() // for the tests that follow
	h.exact(known, h.atLeft, 100)
	h.passes(learned, h.atRight)
	// A link that comes now is in use at once.
	h.NS.Delete("eth2")
	late := netlab.New(t)
	h.NS.Veth("eth3", late, "eth0")
	atLate := late.Capture("eth0")
	h.passes(learned, atLate)
	h.exact(known, h.atLeft, 100)
	if out := h.Smcroutectl("show"); !strings.Contains(out, known.String()) {
		t.Errorf("smcroutectl show:\n%s", out)
	}

	back()
	s.awaitPackets("exact", 200)
	s.apply(route("exact", `from: {interface: eth0}, sources: [192.0.2.10], groups: [232.1.1.1], to: [{interface: eth3}]`))
	s.awaitProgrammed("exact", 1)
	h.exact(known, atLate, 10)
	if h.agent.Ended() {
		t.Errorf("the agent ended: %s", h.agent.Log.String())
	}
}

// An agent that starts without an API server routes what its conf file says,
// serves smcroutectl, and adds the objects once the server is there. All three
// sources of routes go together.
func TestConfFile(t *testing.T) {
	conf := writeConf(t, "phyint eth0 enable\nphyint eth2 enable\nmroute from eth0 source 192.0.2.10 group 232.9.9.9 to eth2\n")
	s := newSite(t, "conf", 1, "--conf-file="+conf)
	h := s.hosts[0]
	s.apply(route("r", `from: {interface: eth0}, sources: [192.0.2.10], groups: [232.1.1.1], to: [{interface: eth1}]`))
	s.awaitProgrammed("r", 1)
	h.Smcroutectl("add", "eth0", "192.0.2.10", "232.8.8.8", "eth1")
	check := func() {
		t.Helper()
		h.exact(flow("192.0.2.10", "232.1.1.1"), h.atLeft, 10)
		h.exact(flow("192.0.2.10", "232.8.8.8"), h.atLeft, 10)
		h.exact(flow("192.0.2.10", "232.9.9.9"), h.atRight, 10)
	}
	check()

	h.agent.Stop()
	s.lab.StopServer()
	back := sync.OnceFunc(func() { s.lab.StartServer(t.Context()) })
	defer back()
	h.agent = h.Launch(h.args...)
	h.passes(flow("192.0.2.10", "232.9.9.9"), h.atRight)
	h.awaitSocket()
	h.Smcroutectl("add", "eth0", "192.0.2.10", "232.8.8.8", "eth1")
	back()
	h.agent.AwaitReady()
	check()
	// The controller, too, has to find the API server again.
	s.awaitPackets("r", 20)
}

// What is missing on a node is told with its name, and waited for.
func TestPending(t *testing.T) {
	s := newSite(t, "pending", 2)
	s.apply(route("r", `from: {interface: eth0}, sources: [192.0.2.10], groups: [232.1.1.1], to: [{interface: eth1}, {interface: eth9}]`) +
		route("nowhere", `from: {interface: eth0}, sources: [192.0.2.10], groups: [232.1.1.2], to: [{interface: eth1}]`))
	s.lab.Kubectl("patch", "mcroute", "-n", s.name, "nowhere", "--type=merge", "-p", `{"spec":{"nodeSelector":{"matchLabels":{"site":"no-such-site"}}}}`)
	message := s.awaitReason("r", v1alpha1.ConditionProgrammed, v1alpha1.ReasonInterfaceNotFound)
	s.await("r", "both nodes lack an interface, and have programmed the rest", func(st v1alpha1.MulticastRouteStatus) bool {
		return len(st.FailingNodes) == 2 && !slices.ContainsFunc(st.FailingNodes, func(n v1alpha1.FailingNode) bool { return n.Reason != v1alpha1.ReasonInterfaceNotFound })
	})
	if !strings.Contains(message, "eth9") {
		t.Errorf("the message does not name eth9: %s", message)
	}
	s.awaitReason("nowhere", v1alpha1.ConditionProgrammed, v1alpha1.ReasonNoMatchingNodes)
	for i, h := range s.hosts {
		h.exact(flow("192.0.2.10", "232.1.1.1"), h.atLeft, 10)
		h.NS.Veth("eth9", netlab.New(t), "eth0")
		if i == 0 {
			s.await("r", "one node is missing", func(st v1alpha1.MulticastRouteStatus) bool {
				return st.Nodes.Programmed == 1 && len(st.FailingNodes) == 1 && st.FailingNodes[0].Name == s.hosts[1].Name
			})
		}
	}
	s.awaitProgrammed("r", 2)
}

// The state of a node goes with the node.
func TestNodeGone(t *testing.T) {
	s := newSite(t, "node-gone", 2)
	collector := s.lab.LaunchGarbageCollector(t)
	s.apply(route("r", `from: {interface: eth0}, sources: [192.0.2.10], groups: [232.1.1.1], to: [{interface: eth1}]`))
	s.awaitProgrammed("r", 2)
	h := s.hosts[1]
	h.agent.Stop()
	ctx := context.Background()
	if err := s.lab.Client.Delete(ctx, h.Object); err != nil {
		t.Fatal(err)
	}
	s.awaitProgrammed("r", 1)
	state := &v1alpha1.MulticastNodeState{}
	if !netlab.Poll(2*patience, func() bool { // the collector has to look at everything first
		return errors.IsNotFound(s.lab.Client.Get(ctx, client.ObjectKey{Name: h.Name}, state))
	}) {
		t.Errorf("the state of %v is still there:\n%+v\n%s", h, state, collector.Log.String())
	}
}

// Of two controllers one writes, and the other takes over.
func TestControllers(t *testing.T) {
	s := newSite(t, "controllers", 1)
	shared.control.Stop()
	defer shared.startController()
	leader := s.lab.LaunchController(t)
	leader.AwaitReady()
	s.apply(route("r1", `from: {interface: eth0}, sources: [192.0.2.10], groups: [232.1.1.1], to: [{interface: eth1}]`))
	s.awaitProgrammed("r1", 1)
	s.lab.LaunchController(t, "--health-probe-bind-address=127.0.0.1:18083")
	leader.Stop()
	s.apply(route("r2", `from: {interface: eth0}, sources: [192.0.2.10], groups: [232.1.1.2], to: [{interface: eth1}]`))
	s.awaitProgrammed("r2", 1)
}
