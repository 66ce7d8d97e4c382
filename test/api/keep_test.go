package api

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/test/kubelab"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Whatever becomes of the agent while its keeper lives, and of the keeper while
// the agent lives: not a packet is lost, and nothing is counted back.
func TestNoPacketIsLost(t *testing.T) {
	s := newSite(t, "lossless", 1)
	h := s.hosts[0]
	w, a := s.startShow(h), s.audit(h)
	joined, held := h.NS.Memberships("eth0"), h.keeper.Descriptors()
	kept := func() { // whatever the keeper, it has been given all again
		netlab.Await(t, patience, func() bool { return h.keeper.Descriptors() >= held }, "the keeper to hold everything")
	}
	for _, event := range []struct {
		name string
		do   func()
	}{
		{"agent stopped and started", func() {
			h.agent.Stop()
			w.goesOn()
			h.run()
		}},
		{"agent killed and started", func() {
			h.agent.Kill()
			w.goesOn()
			h.run()
		}},
		{"keeper killed and started", func() {
			h.keeper.Kill()
			w.goesOn()
			h.keeper = h.LaunchKeeper()
			h.keeper.AwaitReady()
		}},
		{"agent killed after the keeper", func() {
			kept()
			h.agent.Kill()
			w.goesOn()
			h.run()
		}},
		{"keeper replaced", func() {
			next := h.LaunchKeeper()
			next.AwaitReady()
			h.keeper.Stop()
			h.keeper = next
			w.goesOn()
		}},
		{"agent killed after that", func() {
			kept()
			h.agent.Kill()
			w.goesOn()
			h.run()
		}},
		{"a change elsewhere", func() {
			s.apply(route("other", `from: {interface: eth2}, groups: [239.7.0.0/16], to: [{interface: eth1}]`))
			s.awaitProgrammed("other", 1)
			s.lab.Kubectl("delete", "mcroute", "-n", s.name, "other")
		}},
	} {
		began := time.Now()
		event.do()
		w.goesOn()
		s.awaitProgrammed("known", 1)
		if got := h.NS.Memberships("eth0"); !slices.Equal(got, joined) {
			t.Errorf("%s: %v are joined, and were %v", event.name, got, joined)
		}
		t.Logf("%s: %v", event.name, time.Since(began).Round(time.Millisecond))
	}
	w.lostNothing()
	a.countsForward()
	if n := strings.Count(h.agent.Log.String(), "level=WARN"); n > 0 {
		t.Errorf("%d warnings:\n%s", n, h.agent.Log.String())
	}
}

// Both are killed: what is lost is lost until the agent is back, and what comes
// then is not programmed anew.
func TestAgentAndKeeperKilled(t *testing.T) {
	s := newSite(t, "both", 1)
	h := s.hosts[0]
	w, a := s.startShow(h), s.audit(h)
	h.agent.Kill()
	h.keeper.Kill()
	h.keeper = h.LaunchKeeper()
	h.run()
	w.goesOn()
	back := make([]uint64, len(w.streams))
	for i, stream := range w.streams {
		back[i] = stream.Sent()
	}
	s.awaitProgrammed("known", 1)
	for _, m := range w.end() {
		t.Logf("%s", m)
	}
	for i, sg := range w.flows {
		f := w.at.Flow(netlab.In, sg)
		sent, _ := w.streams[i].Stop()
		if gaps := f.Gaps(sent); len(gaps) > 1 || len(gaps) == 1 && gaps[0].Last >= back[i] {
			t.Errorf("%v: missing are %v, expected one gap before %d", sg, gaps, back[i])
		}
		// The kernel counts on where it was: its entries are the same.
		if name := map[int]string{0: "known", 2: "known6"}[i]; name != "" {
			w.counted(name, w.before[i]+f.Packets)
		}
	}
	a.countsForward()
}

// A route is deleted, another one changed and a third one made while there is no
// agent. Soon after the next one's first look at the objects that is so, and the flows
// of other routes lose nothing. How long it takes is told, not judged.
func TestChangedWhileAway(t *testing.T) {
	s := newSite(t, "changed", 1)
	h := s.hosts[0]
	gone, moved, made := flow("192.0.2.11", "232.1.1.2"), flow("192.0.2.11", "232.1.1.3"), flow("192.0.2.11", "232.1.1.4")
	of := func(name, group, to string) string {
		return route(name, `from: {interface: eth0}, sources: [192.0.2.11], groups: [`+group+`], to: [{interface: `+to+`}], join: true`)
	}
	s.apply(of("gone", "232.1.1.2", "eth1") + of("moved", "232.1.1.3", "eth1"))
	s.awaitProgrammed("gone", 1)
	s.awaitProgrammed("moved", 1)
	w, a := s.startShow(h), s.audit(h)
	w.free = []mroute.SG{gone}
	h.exact(gone, h.atLeft, 10)

	h.agent.Kill()
	s.lab.Kubectl("delete", "mcroute", "-n", s.name, "gone")
	s.apply(of("moved", "232.1.1.3", "eth2") + of("made", "232.1.1.4", "eth1"))
	h.exact(gone, h.atLeft, 10) // nobody has told the kernel

	h.agent = h.Launch(h.args...)
	h.agent.AwaitReady()
	synced := time.Now()
	if !netlab.Poll(patience, func() bool { return !slices.Contains(h.NS.Memberships("eth0"), gone) }) {
		t.Errorf("%v is still joined", gone)
	}
	h.awaitGone(gone)
	t.Logf("the deleted route was there for %v", time.Since(synced))
	s.awaitProgrammed("made", 1)
	s.awaitProgrammed("moved", 1)
	h.exact(made, h.atLeft, 10)
	h.exact(moved, h.atRight, 10)
	w.lostNothing()
	a.countsForward()
}

// The agent is started while the API server is away: all is forwarded, and
// nothing removed, until the server has said what is wanted.
func TestStartWithoutServer(t *testing.T) {
	s := newSite(t, "away", 1)
	h := s.hosts[0]
	w := s.startShow(h)
	joined := h.NS.Memberships("eth0")
	s.lab.StopServer()
	back := sync.OnceFunc(func() { s.lab.StartServer(t.Context()) })
	defer back() // for the tests that follow
	for _, end := range []func(*kubelab.Process){(*kubelab.Process).Stop, (*kubelab.Process).Kill} {
		end(h.agent)
		h.agent = h.Launch(h.args...)
		netlab.Await(t, patience, func() bool { return strings.Contains(h.agent.Log.String(), "The API server does not answer") }, "the agent to miss the API server")
		h.awaitSocket()
		w.goesOn()
		for _, sg := range w.flows {
			if !netlab.Poll(patience, func() bool { return strings.Contains(h.Smcroutectl("show"), sg.String()) }) {
				t.Errorf("%v is not shown:\n%s", sg, h.Smcroutectl("show"))
			}
		}
		if got := h.NS.Memberships("eth0"); !slices.Equal(got, joined) {
			t.Errorf("%v are joined, and were %v", got, joined)
		}
	}
	back()
	h.agent.AwaitReady()
	s.awaitProgrammed("known", 1)
	w.lostNothing()
}

// What the keeper holds of tables where nothing is wanted any more goes when the
// agent has seen all objects.
func TestOtherTableIsDiscarded(t *testing.T) {
	s := newSite(t, "discarded", 1)
	h := s.hosts[0]
	s.apply(route("seven", `table: 7, from: {interface: eth0}, sources: [192.0.2.10], groups: [232.7.7.7], to: [{interface: eth1}], join: true`))
	s.awaitReason("seven", v1alpha1.ConditionProgrammed, v1alpha1.ReasonPacketsDiverted) // no rule leads there
	w := s.startShow(h)
	seven := flow("192.0.2.10", "232.7.7.7")
	w.free = []mroute.SG{seven}
	h.agent.Kill()
	s.lab.Kubectl("delete", "mcroute", "-n", s.name, "seven")
	if !slices.Contains(h.NS.Memberships("eth0"), seven) {
		t.Errorf("%v is not joined: nothing is left that could go", seven)
	}
	h.run()
	netlab.Await(t, patience, func() bool { return !slices.Contains(h.NS.Memberships("eth0"), seven) }, "the membership of table 7 to go")
	k, err := linux.Open(linux.Options{NetNS: h.NS.ProcPath(), Table: 7})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if held := k.Held(mroute.IPv4); !held.Empty() {
		t.Errorf("table 7 has %+v", held)
	}
	w.lostNothing()
}

// Metrics are served on a port of the node, which the next agent has at once.
func TestMetricsGoOn(t *testing.T) {
	s := newSite(t, "metrics", 0)
	h := s.addHost("metrics-1")
	h.args = append(h.args, "--metrics-bind-address=127.0.0.1:8472")
	h.run()
	served := func() bool { return h.Get("http://127.0.0.1:8472/metrics") == http.StatusOK }
	netlab.Await(t, patience, served, "metrics")
	second := h.beside()
	h.agent.Stop()
	netlab.Await(t, patience, served, "metrics of the next agent")
	second.Stop()
}
