package api

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/spread"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/test/kubelab"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// players is a route from eth0 to all pods with that label, of both families.
func players() string {
	return route("players", `from: {interface: eth0}, sources: [192.0.2.10], groups: [232.1.1.1], to: [{pods: {matchLabels: {app: player}}}]`) +
		route("players6", `from: {interface: eth0}, sources: ["2001:db8::10"], groups: ["ff3e::1"], to: [{pods: {matchLabels: {app: player}}}]`)
}

var (
	sg4 = flow("192.0.2.10", "232.1.1.1")
	sg6 = flow("2001:db8::10", "ff3e::1")
)

// ips are an IPv4 and an IPv6 address, the n-th of the pods' networks.
func ips(n string) []netip.Addr {
	return []netip.Addr{netip.MustParseAddr("10.88.0." + n), netip.MustParseAddr("fd00:88::" + n)}
}

// receiver is a pod with ears.
type receiver struct {
	*kubelab.Pod
	heard *netlab.Capture
}

func (s *site) pod(h *host, name, app, n, bridge, link string) receiver {
	s.t.Helper()
	p := h.Pod(kubelab.PodSpec{Namespace: s.name, Name: name, Labels: map[string]string{"app": app}, IPs: ips(n), Bridge: bridge, Link: link})
	return receiver{p, p.NS.Capture("eth0")}
}

// Pods that come and go change the outputs of a route, and the others lose
// nothing: with a link for each pod, as Calico makes them, and with a bridge.
func TestToPods(t *testing.T) {
	for _, c := range []struct{ name, bridge string }{{"veths", ""}, {"bridge", "cni0"}} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, "to-pods-"+c.name, 1)
			h := s.hosts[0]
			if c.bridge != "" {
				h.Bridge(c.bridge, netip.MustParsePrefix("10.88.0.1/24"), netip.MustParsePrefix("fd00:88::1/64"))
			}
			s.apply(players())
			if m := s.awaitReason("players", v1alpha1.ConditionProgrammed, v1alpha1.ReasonProgrammed); !strings.Contains(m, "no pod that the route selects") {
				t.Errorf("without players the route says %q", m)
			}
			first := s.pod(h, "first", "player", "11", c.bridge, "")
			for _, sg := range []mroute.SG{sg4, sg6} {
				h.passes(sg, first.heard)
			}
			s.awaitProgrammed("players", 1)
			first.heard.Reset()

			streams := []*netlab.Stream{
				h.sender.Stream(t.Context(), "eth0", packet(sg4), 500),
				h.sender.Stream(t.Context(), "eth0", packet(sg6), 500),
			}
			second := s.pod(h, "second", "player", "12", c.bridge, "vethX")
			stranger := s.pod(h, "stranger", "other", "13", c.bridge, "")
			for _, sg := range []mroute.SG{sg4, sg6} {
				second.heard.Await(sg, 100, patience)
			}
			if n := len(stranger.heard.Flows(netlab.In)); n > 0 && c.bridge == "" {
				t.Errorf("a pod that is not selected hears %v", stranger.heard)
			}

			// The pod is gone, its address goes to a pod that is not selected, and so
			// does the name of its link.
			second.Delete()
			heir := s.pod(h, "heir", "other", "12", c.bridge, "vethX")
			n := first.heard.Count(sg4)
			first.heard.Await(sg4, n+500, patience)
			if c.bridge == "" && len(heir.heard.Flows(netlab.In)) > 0 {
				t.Errorf("the link's new pod hears its old pod's packets: %v", heir.heard)
			}

			// Two more players; a label makes the stranger one of them.
			third := s.pod(h, "third", "player", "14", c.bridge, "")
			s.lab.Kubectl("label", "pod", "-n", s.name, "--overwrite", "stranger", "app=player")
			for _, sg := range []mroute.SG{sg4, sg6} {
				third.heard.Await(sg, 100, patience)
				stranger.heard.Await(sg, 100, patience)
			}

			// The first pod has lost nothing of all that, and nothing came twice.
			for i, sg := range []mroute.SG{sg4, sg6} {
				sent, err := streams[i].Stop()
				if err != nil {
					t.Fatal(err)
				}
				netlab.Poll(patience, func() bool { return first.heard.Count(sg) >= int(sent) })
				f := first.heard.Flow(netlab.In, sg)
				if gaps := f.Gaps(sent); len(gaps) > 0 || f.Duplicates > 0 {
					t.Errorf("of %d packets of %v: %d came twice, missing are %v", sent, sg, f.Duplicates, gaps)
				}
			}
			if n := first.heard.Dropped(); n > 0 {
				t.Errorf("the capture lost %d packets", n)
			}
		})
	}
}

// The name of a pod's link goes to another pod while the API server still has
// the old one, whose address is not there any more.
func TestLinkNameReused(t *testing.T) {
	s := newSite(t, "reused", 1)
	h := s.hosts[0]
	s.apply(players())
	old := s.pod(h, "old", "player", "21", "", "vethX")
	for _, sg := range []mroute.SG{sg4, sg6} {
		h.passes(sg, old.heard)
	}
	streams := []*netlab.Stream{
		h.sender.Stream(t.Context(), "eth0", packet(sg4), 1000),
		h.sender.Stream(t.Context(), "eth0", packet(sg6), 1000),
	}
	witness := s.pod(h, "witness", "player", "22", "", "")
	witness.heard.Await(sg4, 10, patience)
	for range 5 {
		old.Unwire()
		heir := h.Wire(kubelab.PodSpec{IPs: ips("23"), Link: "vethX"})
		heard := heir.NS.Capture("eth0")
		n := witness.heard.Count(sg4)
		witness.heard.Await(sg4, n+200, patience)
		if len(heard.Flows(netlab.In)) > 0 {
			t.Fatalf("the link's new pod hears its old pod's packets: %v", heard)
		}
		// The old pod comes back to a link of that name; it hears again.
		heir.Unwire()
		old.Pod = h.Rewire(old.Pod)
		heard = old.Pod.NS.Capture("eth0")
		heard.Await(sg4, 10, patience)
		heard.Await(sg6, 10, patience)
	}
	for _, stream := range streams {
		if _, err := stream.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// A pod moves to another node, and takes its address along.
func TestPodMoves(t *testing.T) {
	s := newSite(t, "moves", 2)
	s.apply(players())
	spec := "31"
	here := s.pod(s.hosts[0], "mover", "player", spec, "", "")
	s.hosts[0].passes(sg4, here.heard)
	here.Delete()
	there := s.pod(s.hosts[1], "mover", "player", spec, "", "")
	s.hosts[1].passes(sg4, there.heard)
	s.awaitProgrammed("players", 2)
	links := func() string { return s.hosts[0].Smcroutectl("show", "interfaces") }
	if !netlab.Poll(patience, func() bool { return !strings.Contains(links(), here.Link) }) {
		t.Errorf("the first node still has the pod's link:\n%s", links())
	}
}

// Pods as senders: what a pod sends from its own address passes, what it sends
// from another's does not.
func TestFromPods(t *testing.T) {
	s := newSite(t, "from-pods", 1)
	h := s.hosts[0]
	s.apply(route("cameras", `from: {pods: {matchLabels: {app: camera}}}, groups: [239.5.5.5], to: [{interface: eth1}]`) +
		route("cameras6", `from: {pods: {matchLabels: {app: camera}}}, groups: ["ff1e::5"], to: [{interface: eth1}]`))
	one, two := s.pod(h, "one", "camera", "41", "", ""), s.pod(h, "two", "camera", "42", "", "")
	other := s.pod(h, "other", "other", "43", "", "")
	group4, group6 := netip.MustParseAddr("239.5.5.5"), netip.MustParseAddr("ff1e::5")
	for _, p := range []receiver{one, two} {
		for _, sg := range []mroute.SG{{Source: p.IPs[0], Group: group4}, {Source: p.IPs[1], Group: group6}} {
			h.passesFrom(p.NS, sg, h.atLeft)
		}
	}
	s.awaitProgrammed("cameras", 1)
	own := mroute.SG{Source: other.IPs[0], Group: group4}
	stolen := mroute.SG{Source: one.IPs[0], Group: group4}
	before := h.atLeft.Count(stolen)
	other.NS.SendBurst("eth0", packet(own), 0, 10)
	other.NS.SendBurst("eth0", packet(stolen), 0, 10)
	mark := mroute.SG{Source: two.IPs[0], Group: group4}
	n := h.atLeft.Count(mark)
	two.NS.SendBurst("eth0", packet(mark), 0, 10)
	h.atLeft.Await(mark, n+10, patience)
	netlab.Flush(t, 2, patience)
	if h.atLeft.Count(own) > 0 || h.atLeft.Count(stolen) > before {
		t.Errorf("what a pod sends that is not selected passes: %v", h.atLeft)
	}
	s.await("cameras", "packets are counted", func(st v1alpha1.MulticastRouteStatus) bool {
		return st.Counters != nil && st.Counters.Packets >= int64(n+10) && st.Counters.Flows == 2
	})
}

// A pod in the node's own network has no link of its own, and that is said.
func TestHostNetworkPod(t *testing.T) {
	s := newSite(t, "host-network", 1)
	s.apply(players())
	s.lab.Create(t, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "daemon", Labels: map[string]string{"app": "player"}},
		Spec: corev1.PodSpec{
			NodeName: s.hosts[0].Name, HostNetwork: true,
			Containers: []corev1.Container{{Name: "c", Image: "none.test"}},
		},
	})
	s.lab.Kubectl("patch", "pod", "-n", s.name, "daemon", "--subresource=status", "-p", `{"status":{"phase":"Running","podIP":"10.201.200.2","podIPs":[{"ip":"10.201.200.2"}]}}`)
	message := s.awaitReason("players", v1alpha1.ConditionProgrammed, v1alpha1.ReasonPodNotReachable)
	if !strings.Contains(message, "daemon") {
		t.Errorf("the message does not name the pod: %s", message)
	}
}

// Routes inside of pods: two router pods on a node, one of which is started
// again, and one that goes. They have more links than a table of the kernel, so that
// rules lead packets of some to a second one, which go with it.
func TestPodNetworkNamespaces(t *testing.T) {
	s := newSite(t, "router-pods", 0)
	h := s.addHost("router-pods-1")
	runtime := h.Runtime()
	h.args = append(h.args, "--pod-network-namespaces", "--cri-endpoint="+runtime.Endpoint)
	h.run()
	s.apply(route("inside", `networkNamespace: {type: Pod, podSelector: {matchLabels: {app: router}}}, from: {interface: net1}, sources: [192.0.2.10], groups: [232.1.1.1], to: [{interface: net2}], join: true`) +
		route("crowd", `networkNamespace: {type: Pod, podSelector: {matchLabels: {app: router}}}, from: {interface: more+}, sources: [192.0.2.10], groups: [232.1.1.2], to: [{interface: net2}]`))
	aside := flow("192.0.2.10", "232.1.1.2")
	const more = 36

	// Each router pod has links in and a link out beside eth0.
	type router struct {
		receiver
		in  *netlab.NS
		out *netlab.Capture
	}
	connect := func(p receiver) router {
		in, out := netlab.New(t), netlab.New(t)
		in.Veth("eth0", p.NS, "net1")
		p.NS.Veth("net2", out, "eth0")
		for i := range more {
			in.Veth(fmt.Sprint("more", i), p.NS, fmt.Sprint("more", i))
		}
		return router{p, in, out.Capture("eth0")}
	}
	awaitRouting := func(r router) {
		t.Helper()
		if !netlab.Poll(patience, func() bool {
			r.in.Send("eth0", packet(sg4))
			r.in.Send(fmt.Sprint("more", more-1), packet(aside))
			return r.out.Count(sg4) > 0 && r.out.Count(aside) > 0
		}) {
			t.Fatalf("the router pod does not route: %v\n%s\n%s", r.out, s.lab.Kubectl("get", "mcroute", "-n", s.name, "inside", "-o", "yaml"), h.agent.Log.String())
		}
	}
	a, b := connect(s.pod(h, "a", "router", "51", "", "")), connect(s.pod(h, "b", "router", "52", "", ""))
	runtime.Set(string(a.Object.UID), a.NS)
	runtime.Set(string(b.Object.UID), b.NS)
	awaitRouting(a)
	awaitRouting(b)
	s.awaitProgrammed("inside", 1)
	s.awaitProgrammed("crowd", 1)
	if in, host := led(t, a.NS), led(t, h.NS); !slices.Contains(in, fmt.Sprint("more", more-1)) || len(host) > 0 {
		t.Errorf("rules lead packets of %v in the router pod elsewhere, and of %v on the node", in, host)
	}
	if !netlab.Poll(patience, func() bool { return slices.Equal(a.NS.Memberships("net1"), []mroute.SG{sg4}) }) {
		t.Errorf("the router pod has joined %v", a.NS.Memberships("net1"))
	}

	// The sandbox of a is made anew: another namespace, with the same pod.
	runtime.Set(string(a.Object.UID), nil)
	a.Unwire()
	a2 := connect(receiver{Pod: h.Rewire(a.Pod)})
	runtime.Set(string(a.Object.UID), a2.NS)
	awaitRouting(a2)
	b.out.Reset()
	awaitRouting(b)

	// b is gone: its tables are, too, while its namespace is still there.
	b.DeleteObject()
	if !netlab.Poll(patience, func() bool {
		return len(b.NS.Memberships("net1")) == 0
	}) {
		t.Errorf("the deleted router pod has still joined %v", b.NS.Memberships("net1"))
	}
	if !netlab.Poll(patience, func() bool { return len(led(t, b.NS)) == 0 }) {
		t.Errorf("rules still lead packets of %v in the deleted router pod elsewhere", led(t, b.NS))
	}
	s.awaitProgrammed("inside", 1)

	// Agents go on inside of a pod where those before them were.
	h.agent.Kill()
	if got := a2.NS.Memberships("net1"); len(got) != 1 {
		t.Errorf("without an agent the router pod has joined %v", got)
	}
	rules := led(t, a2.NS)
	a2.out.Reset()
	awaitRouting(a2)
	h.run()
	s.awaitProgrammed("inside", 1)
	awaitRouting(a2)
	if !netlab.Poll(patience, func() bool { return slices.Equal(led(t, a2.NS), rules) }) || len(rules) == 0 {
		t.Errorf("rules lead packets of %v elsewhere, before it were %v", led(t, a2.NS), rules)
	}

	// An agent that is not allowed to says so, and what is inside goes.
	h.agent.Stop()
	h.args = h.args[:1]
	h.run()
	if !netlab.Poll(patience, func() bool { return len(a2.NS.Memberships("net1")) == 0 }) {
		t.Errorf("the router pod has still joined %v", a2.NS.Memberships("net1"))
	}
	if !netlab.Poll(patience, func() bool { return len(led(t, a2.NS)) == 0 }) {
		t.Errorf("rules still lead packets of %v elsewhere", led(t, a2.NS))
	}
	message := s.awaitReason("inside", v1alpha1.ConditionAccepted, v1alpha1.ReasonPodNetworkNamespacesNotPermitted)
	if !strings.Contains(message, "--pod-network-namespaces") {
		t.Errorf("the message does not say what to set: %s", message)
	}
}

// led are the links whose packets rules lead to tables beside a router's own, sorted.
func led(t *testing.T, ns *netlab.NS) (links []string) {
	t.Helper()
	err := ns.Do(func() error {
		for _, family := range []int{uapi.FamilyIPMR, uapi.FamilyIP6MR} {
			rules, err := netlink.RuleList(family)
			if err != nil {
				return err
			}
			for _, r := range rules {
				if r.IifName != "" && r.Table > spread.FirstTable {
					links = append(links, r.IifName)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(links)
	return links
}
