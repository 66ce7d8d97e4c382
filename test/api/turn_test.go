package api

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// An agent is replaced as a DaemonSet with a surge does: the new one starts while
// the old one works, stands by with its caches filled, and goes on from the old
// one's counters.
func TestReplacedAgent(t *testing.T) {
	s := newSite(t, "turn", 1)
	h := s.hosts[0]
	sg := flow("192.0.2.10", "232.1.1.1")
	s.apply(route("r", `from: {interface: eth0}, sources: [192.0.2.10], groups: [232.1.1.1], to: [{interface: eth1}]`))
	s.awaitProgrammed("r", 1)
	h.exact(sg, h.atLeft, 100)

	dir := t.TempDir()
	second := h.Launch(append(h.args, "--health-probe-bind-address=unix://"+filepath.Join(dir, "health"), "--socket="+filepath.Join(dir, "sock"))...)
	netlab.Await(t, patience, func() bool { return strings.Count(second.Log.String(), "Another agent has the tables") == 1 }, "the second agent to stand by")
	h.exact(sg, h.atLeft, 100)
	// What changes meanwhile is not the second one's business yet.
	other := flow("192.0.2.10", "232.1.1.2")
	s.apply(route("other", `from: {interface: eth0}, sources: [192.0.2.10], groups: [232.1.1.2], to: [{interface: eth1}]`))
	s.awaitProgrammed("other", 1)
	h.exact(other, h.atLeft, 10)
	s.await("r", "200 packets are counted", func(st v1alpha1.MulticastRouteStatus) bool { return st.Counters.Packets == 200 })

	before := h.atLeft.Flow(netlab.In, other)
	stream := h.sender.Stream(t.Context(), "eth0", netlab.Packet{Src: other.Source, Group: other.Group}, 1000)
	h.agent.Stop()
	netlab.Await(t, patience, func() bool { return strings.Count(second.Log.String(), "msg=Programmed") == 2 }, "the second agent to have both routes")
	from := h.atLeft.Count(other)
	netlab.Await(t, patience, func() bool { return h.atLeft.Count(other) > from+100 }, "the stream to pass")
	sent, err := stream.Stop()
	if err != nil {
		t.Fatal(err)
	}
	netlab.Await(t, patience, func() bool { f := h.atLeft.Flow(netlab.In, other); return f.Has(sent - 1) }, "the last packet")
	after := h.atLeft.Flow(netlab.In, other)
	t.Logf("%d of %d packets at 1,000/s were lost while the agents changed", int(sent)-(after.Packets-before.Packets), sent)

	h.exact(sg, h.atLeft, 100)
	s.await("r", "300 packets are counted", func(st v1alpha1.MulticastRouteStatus) bool { return st.Counters.Packets == 300 })
	if n := s.get("r").Status.Nodes; n.Programmed != 1 || n.Failed != 0 {
		t.Errorf("%+v, want the node to be programmed", n)
	}
}
