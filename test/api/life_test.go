package api

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// A route's life on three nodes: it is applied, packets flow and are counted, it
// is changed, loses a node to a label, and is deleted.
func TestLife(t *testing.T) {
	s := newSite(t, "life", 3)
	sg := flow("192.0.2.10", "232.1.1.1")
	sg6 := flow("2001:db8::10", "ff3e::1")
	s.apply(route("exact", `from: {interface: eth0}, sources: [192.0.2.10], groups: [232.1.1.1], to: [{interface: eth1}]`) +
		route("exact6", `from: {interface: eth0}, sources: ["2001:db8::10"], groups: ["ff3e::1"], to: [{interface: eth1}]`) +
		route("range", `from: {interface: eth0}, groups: [239.1.0.0/16], to: [{interface: "eth+", ttlThreshold: 4}], join: false`))
	for _, name := range []string{"exact", "exact6", "range"} {
		s.awaitProgrammed(name, 3)
	}
	for _, h := range s.hosts {
		h.exact(sg, h.atLeft, 10)
		h.exact(sg6, h.atLeft, 10)
		h.passes(flow("192.0.2.77", "239.1.2.3"), h.atLeft)
		h.passes(flow("192.0.2.77", "239.1.2.3"), h.atRight)
		if n := h.atRight.Count(sg) + h.atRight.Count(sg6); n > 0 {
			t.Errorf("%v: %d packets at the wrong receiver", h, n)
		}
	}

	// The counters of all nodes are summed up, and shown.
	if st := s.awaitPackets("exact", 30); st.Counters.Flows != 3 {
		t.Errorf("%d flows, want one on each node", st.Counters.Flows)
	}
	out := s.lab.Kubectl("get", "mcroute", "-n", s.name, "exact", "-o", "wide")
	for _, want := range []string{"NAME", "GROUPS", "FROM", "TO", "PROGRAMMED", "PACKETS", "AGE", "232.1.1.1", "eth0", "eth1", "3/3", " 30 "} {
		if !strings.Contains(out, want) {
			t.Errorf("kubectl get mcroute -o wide does not show %q:\n%s", want, out)
		}
	}
	t.Logf("kubectl get mcroute -o wide:\n%s", out)
	t.Logf("kubectl get mcns:\n%s", s.lab.Kubectl("get", "mcns"))
	if out := s.hosts[0].Smcroutectl("show"); !strings.Contains(out, "(192.0.2.10, 232.1.1.1)") {
		t.Errorf("smcroutectl show:\n%s", out)
	}

	// Another output: the packets change over, and the counters go on.
	s.apply(route("exact", `from: {interface: eth0}, sources: [192.0.2.10], groups: [232.1.1.1], to: [{interface: eth2}]`))
	s.awaitProgrammed("exact", 3)
	for _, h := range s.hosts {
		left := h.atLeft.Count(sg)
		h.exact(sg, h.atRight, 10)
		if n := h.atLeft.Count(sg) - left; n > 0 {
			t.Errorf("%v: %d packets went where they used to go", h, n)
		}
	}
	s.awaitPackets("exact", 60)

	// The third node is another site's now.
	s.hosts[2].SetLabel("site", "elsewhere")
	s.awaitProgrammed("exact", 2)
	s.hosts[2].awaitGone(sg)
	s.hosts[2].SetLabel("site", s.name)
	s.awaitProgrammed("exact", 3)
	for _, h := range s.hosts {
		h.exact(sg, h.atRight, 10)
	}
	// What it counted went with it.
	s.awaitPackets("exact", 70)

	s.lab.Kubectl("delete", "mcroute", "-n", s.name, "--all", "--timeout=2m")
	for _, h := range s.hosts {
		h.awaitGone(sg)
		h.awaitGone(sg6)
		before := h.atRight.Count(sg)
		h.sender.SendBurst("eth0", packet(sg), 0, 10)
		netlab.Flush(t, 2, patience)
		if n := h.atRight.Count(sg) - before; n > 0 {
			t.Errorf("%v: %d packets of a deleted route", h, n)
		}
		h.agent.Stop()
	}
}

// awaitGone waits until the kernel has no entry of a flow.
func (h *host) awaitGone(sg mroute.SG) {
	if !netlab.Poll(patience, func() bool { return !strings.Contains(h.Smcroutectl("show"), sg.String()) }) {
		h.Fatalf("%v is still there on %v:\n%s", sg, h, h.Smcroutectl("-d", "show"))
	}
}

// A group is joined on every node, and a route with join joins its own.
func TestGroups(t *testing.T) {
	s := newSite(t, "groups", 2)
	s.apply(`
apiVersion: multicast.smcroute.io/v1alpha1
kind: MulticastGroup
metadata: {name: news}
spec: {nodeSelector: NODES, interface: eth2, sources: [192.0.2.10], groups: [232.2.2.2]}
` + route("joined", `from: {interface: eth0}, groups: [225.2.2.2], to: [{interface: eth1}], join: true`))
	for _, h := range s.hosts {
		h.awaitJoined("eth0", mroute.SG{Group: netip.MustParseAddr("225.2.2.2")})
		h.awaitJoined("eth2", flow("192.0.2.10", "232.2.2.2"))
	}
	s.lab.Kubectl("wait", "-n", s.name, "--for=condition=Programmed", "--timeout=2m", "mcgroup/news", "mcroute/joined")
	out := s.lab.Kubectl("get", "mcgroup", "-n", s.name)
	if !strings.Contains(out, "2/2") || !strings.Contains(out, "232.2.2.2") {
		t.Errorf("kubectl get mcgroup:\n%s", out)
	}
	s.lab.Kubectl("delete", "-n", s.name, "mcgroup/news", "mcroute/joined", "--timeout=2m")
	for _, h := range s.hosts {
		h.awaitJoined("eth0")
		h.awaitJoined("eth2")
	}
}

// awaitJoined waits until these groups and no others are joined on a link.
func (h *host) awaitJoined(link string, want ...mroute.SG) {
	if !netlab.Poll(patience, func() bool { return slices.Equal(h.NS.Memberships(link), want) }) {
		h.Fatalf("%v has joined %v on %s, not %v", h, h.NS.Memberships(link), link, want)
	}
}
