package cluster

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/test/clusterlab"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// A sender on the studio's LAN, its packets arrive at eth1 of each node and in
// ordinary pods there that have joined the group: of a known source, of any
// source, and IPv6; behind a bridge and behind a link each. Not one is missing,
// and kubectl shows how many there were.
func TestStudioToPods(t *testing.T) {
	s := start(t)
	v4, v6 := s.studio.source("232.1.1.1"), s.studio.source("ff3e::1:1")
	routes := []struct{ name, spec, group, prefix string }{
		{"exact", `sources: [` + v4 + `], groups: [232.1.1.1]`, "232.1.1.1", "232.1.1.1/32"},
		{"any", `groups: [239.1.1.0/29]`, "239.1.1.7", "239.1.1.0/29"},
		{"exact6", `sources: ["` + v6 + `"], groups: ["ff3e::1:1"]`, "ff3e::1:1", "ff3e::1:1/128"},
		{"any6", `groups: ["ff0e::1:0/125"]`, "ff0e::1:7", "ff0e::1:0/125"},
	}
	var groups []string
	for _, r := range routes {
		groups = append(groups, r.group)
		s.apply(route(r.name, `from: {interface: eth1}, to: [{pods: {matchLabels: {app: paths}}}], join: true, `+r.spec))
	}
	s.apply(route("tune", `from: {interface: eth1}, to: [{pods: {matchLabels: {app: paths}}}], join: true, groups: [239.1.2.1]`))
	players := s.players("paths", s.Nodes, append(groups, "239.1.2.1")...)

	// What one route sends to the pods, all do from then on.
	tune := s.studio.stream(20, "239.1.2.1")
	tunes(players, tune.flows())
	tune.stop()
	for _, r := range routes {
		s.programmed(r.name, int32(len(s.Nodes)))
	}

	// Of a flow that is to be learned the kernel keeps three packets until it is:
	// so one comes before the others.
	tunes(players, s.studio.send(1, groups...))
	const n = 1000
	for _, h := range s.studio.send(n, groups...) {
		for _, p := range players {
			got := p.hears(h, n)
			whole(t, p.name, h, got)
			if got.MinTTL != 63 || got.MaxTTL != 63 {
				t.Errorf("%s: one router on the way, but %v", p.name, got)
			}
		}
	}
	for _, r := range routes {
		want := (n + 1) * uint64(len(s.Nodes))
		if got := s.kernelPackets(func(sg mroute.SG) bool {
			return sg.Group == addr(r.group) && (sg.Source == addr(v4) || sg.Source == addr(v6))
		}); got != want {
			t.Errorf("the kernels have counted %d packets to %s, expected %d", got, r.group, want)
		}
		if prefix := netip.MustParsePrefix(r.prefix); !prefix.IsSingleIP() {
			// Reports of IGMPv2 and MLDv1, which the nodes themselves send to each group of
			// the range, are counted by their kernels as well, and go on to come.
			s.packetsAtLeast(r.name, s.kernelPackets(func(sg mroute.SG) bool { return prefix.Contains(sg.Group) }))
			continue
		}
		s.packets(r.name, want)
		if out := s.Kubectl("get", "mcroute", "-n", place, r.name); !strings.Contains(out, " 3/3 ") || !strings.Contains(out, fmt.Sprintf(" %d ", want)) {
			t.Errorf("of %d packets for %s kubectl shows\n%s", want, r.name, out)
		}
	}
	t.Logf("kubectl get mcroute -A\n%s", s.Kubectl("get", "mcroute", "-A"))
	t.Logf("kubectl get mcns\n%s", s.Kubectl("get", "mcns"))
}

// A pod on each node sends, and a machine on the studio's LAN receives.
func TestPodsToStudio(t *testing.T) {
	s := start(t)
	s.apply(route("cameras", `from: {pods: {matchLabels: {app: camera}}}, groups: [239.2.2.2], to: [{interface: eth1}]`) +
		route("cameras6", `from: {pods: {matchLabels: {app: camera}}}, groups: ["ff0e::2:2"], to: [{interface: eth1}]`))
	control := s.control.receive("239.2.2.2", "ff0e::2:2")
	var cameras []*pod
	for _, n := range s.Nodes {
		cameras = append(cameras, s.run(n, "camera-"+n.Name, "camera", "send", "-o", "json", "-r", "100", "239.2.2.2", "ff0e::2:2"))
	}
	for _, c := range cameras {
		c.awaitReport()
		sending, _ := c.report()
		for _, h := range sending.Flows {
			// Of a flow that is to be learned some packets are lost until it is.
			first := control.hears(h, 50)
			got := control.hears(h, 250)
			if got.Lost > first.Lost || got.Duplicates > 0 || got.MinTTL != 63 || got.Source != h.Source {
				t.Errorf("%s sends %v, and received is %v", c.name, h, got)
			}
		}
	}
	s.programmed("cameras", int32(len(s.Nodes)))
	s.programmed("cameras6", int32(len(s.Nodes)))
}

// From one interface of each node to another.
func TestInterfaceToInterface(t *testing.T) {
	s := start(t)
	v4, v6 := s.studio.source("239.3.3.3"), s.studio.source("ff0e::3:3")
	s.apply(route("stage", `from: {interface: eth1}, sources: [`+v4+`], groups: [239.3.3.3], to: [{interface: eth2, ttlThreshold: 10}], join: true`) +
		route("stage6", `from: {interface: eth1}, sources: ["`+v6+`"], groups: ["ff0e::3:3"], to: [{interface: eth2}], join: true`))
	s.programmed("stage", int32(len(s.Nodes)))
	s.programmed("stage6", int32(len(s.Nodes)))
	var captures []*netlab.Capture
	for _, n := range s.Nodes {
		captures = append(captures, n.NS.Capture("eth2"))
	}
	for _, h := range s.studio.send(300, "239.3.3.3", "ff0e::3:3") {
		for i, n := range s.Nodes {
			s.leaves(n, captures[i], h.sg(), 300)
		}
	}
	s.packets("stage", 900)
	s.packets("stage6", 900)

	// Below the threshold nothing leaves; after it, packets of another flow do.
	low := s.studio.mcast("send", "-t", "10", "-n", "20", "-r", "500", "239.3.3.3").wait()[0]
	s.packets("stage", 960)
	for i, n := range s.Nodes {
		if got := captures[i].Flow(netlab.Out, low.sg()).Packets; got != 300 {
			t.Errorf("%s: %d packets left with a TTL at the threshold", n.Name, got-300)
		}
	}
}

// leaves waits until n numbered packets of a flow have left a node, and checks
// that these are all.
func (s *system) leaves(node *clusterlab.Node, capture *netlab.Capture, sg mroute.SG, n int) {
	s.t.Helper()
	s.await(node.Name+" has sent the packets on", func() bool { return capture.Flow(netlab.Out, sg).Packets >= n })
	if f := capture.Flow(netlab.Out, sg); f.Packets != n || f.Distinct() != n || f.TTLs[63] != n {
		s.t.Errorf("%s: of %d packets of %v left %d, %d of them different, with TTL %v", node.Name, n, sg, f.Packets, f.Distinct(), f.TTLs)
	}
}

// Two routers in a row: a pod on the first node sends to the studio's LAN, and
// from there the other nodes get it to their pods.
func TestAcrossNodes(t *testing.T) {
	s := start(t)
	const group, group6 = "239.4.4.4", "ff0e::4:4"
	from := `nodeSelector: {matchLabels: {kubernetes.io/hostname: n1}}, from: {pods: {matchLabels: {app: caster}}}, to: [{interface: eth1}], `
	to := `nodeSelector: {matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [n2, n3]}]}, from: {interface: eth1}, to: [{pods: {matchLabels: {app: listener}}}], join: true, `
	s.apply(route("out", from+`groups: [`+group+`]`) + route("in", to+`groups: [`+group+`]`) +
		route("out6", from+`groups: ["`+group6+`"]`) + route("in6", to+`groups: ["`+group6+`"]`))
	players := s.players("listener", s.Nodes[1:], group, group6)
	caster := s.run(s.Nodes[0], "caster", "caster", "send", "-o", "json", "-r", "100", group, group6)
	caster.awaitReport()
	sending, _ := caster.report()
	for _, p := range players {
		for _, h := range sending.Flows {
			first := p.hears(h, 50) // what was lost by then waited until the flow was learned
			got := p.hears(h, 250)
			if got.Lost > first.Lost || got.Duplicates > 0 || got.MinTTL != 62 {
				t.Errorf("%s: two routers on the way, but %v", p.name, got)
			}
		}
	}
	for name, n := range map[string]int32{"out": 1, "in": 2, "out6": 1, "in6": 2} {
		s.programmed(name, n)
	}
}

// A route that names interfaces counts in certain namespaces alone; pods of its
// own namespace it may name anywhere.
func TestHostNamespaces(t *testing.T) {
	s := start(t)
	s.Kubectl("create", "namespace", "elsewhere")
	t.Cleanup(func() { s.Kubectl("delete", "namespace", "elsewhere", "--wait=false") })
	r := &v1alpha1.MulticastRoute{}
	r.Namespace, r.Name = "elsewhere", "sneaky"
	r.Spec.From.Interface = "eth1"
	r.Spec.Groups = []v1alpha1.Address{"239.5.5.5"}
	r.Spec.To = []v1alpha1.RouteOutput{{Interface: "eth2"}}
	if err := s.Client.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	s.Kubectl("wait", "-n", "elsewhere", "mcroute/sneaky", "--timeout=60s",
		`--for=jsonpath={.status.conditions[?(@.type=="Accepted")].reason}=HostInterfacesNotPermitted`)
	out := s.Kubectl("get", "-n", "elsewhere", "mcroute/sneaky", "-o", "yaml")
	t.Logf("%s", out)
	for _, n := range s.Nodes {
		if out := s.smcroutectl(n, "show"); strings.Contains(out, "239.5.5.5") {
			t.Errorf("%s routes it nevertheless:\n%s", n.Name, out)
		}
	}
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }
