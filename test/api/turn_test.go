package api

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/test/kubelab"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// beside starts another agent on the host, and waits until it stands by.
func (h *host) beside() *kubelab.Process {
	dir := h.t.TempDir()
	second := h.Launch(append(slices.Clone(h.args), "--health-probe-bind-address=unix://"+filepath.Join(dir, "health"), "--socket="+filepath.Join(dir, "sock"))...)
	netlab.Await(h.t, patience, func() bool { return strings.Contains(second.Log.String(), "Another agent has the tables") }, "the second agent to stand by")
	return second
}

// An agent is replaced as a DaemonSet with a surge does: the new one starts while
// the old one works, stands by with its caches filled, gets the tables from the
// keeper, and goes on from the old one's counters.
func TestReplacedAgent(t *testing.T) {
	s := newSite(t, "turn", 1)
	h := s.hosts[0]
	sg := flow("192.0.2.10", "232.1.1.5")
	s.apply(route("r", `from: {interface: eth0}, sources: [192.0.2.10], groups: [232.1.1.5], to: [{interface: eth1}]`))
	s.awaitProgrammed("r", 1)
	h.exact(sg, h.atLeft, 100)
	w, a := s.startShow(h), s.audit(h)
	h.exact(sg, h.atLeft, 100)

	for _, end := range []func(*kubelab.Process){(*kubelab.Process).Stop, (*kubelab.Process).Kill} {
		second := h.beside()
		h.exact(sg, h.atLeft, 50)
		// What changes meanwhile is not the second one's business yet.
		s.apply(route("other", `from: {interface: eth0}, sources: [192.0.2.10], groups: [232.1.1.6], to: [{interface: eth1}]`))
		s.awaitProgrammed("other", 1)
		h.exact(flow("192.0.2.10", "232.1.1.6"), h.atLeft, 10)
		end(h.agent)
		h.agent = second
		netlab.Await(t, patience, func() bool { return strings.Count(second.Log.String(), "msg=Programmed") >= 5 }, "the second agent to have all routes")
		h.exact(sg, h.atLeft, 50)
		w.goesOn()
		s.lab.Kubectl("delete", "mcroute", "-n", s.name, "other")
	}
	s.awaitPackets("r", 400)
	s.awaitProgrammed("r", 1)
	w.lostNothing()
	a.countsForward()
}
