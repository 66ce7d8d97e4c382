package cluster

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/test/clusterlab"
)

// show is a stream to players on all nodes while something fails.
type show struct {
	s       *system
	players []*pod
	stream  *mcast
	flow    heard
}

// startShow starts it with 500 packets a second. The source is known, so that
// the first packets are not lost while the flow is learned.
func (s *system) startShow(name, group string) *show {
	s.t.Helper()
	s.apply(route(name, `from: {interface: eth1}, sources: [`+s.studio.source(group)+`], groups: [`+group+`], to: [{pods: {matchLabels: {app: `+name+`}}}], join: true`))
	players := s.players(name, s.Nodes, group)
	stream := s.studio.stream(500, group)
	tunes(players, stream.flows())
	s.programmed(name, int32(len(s.Nodes)))
	return &show{s, players, stream, stream.flows()[0]}
}

// goesOn waits until a player hears packets that were sent after now.
func (w *show) goesOn(p *pod) {
	w.s.t.Helper()
	// The sender's own report is up to a second old, hence the second's worth.
	number := w.stream.flows()[0].Packets + 500
	var got heard
	began := time.Now()
	w.s.await(p.name+" goes on hearing", func() bool {
		r, _ := p.report()
		got = r.of(w.flow)
		return got.Packets > 0 && got.LastNumber >= number
	})
	w.s.t.Logf("%s hears again after %v at most: %v", p.name, since(began), got)
}

// end ends the stream. All players but those who suffered have lost nothing.
func (w *show) end(suffered ...*pod) {
	w.s.t.Helper()
	others := slices.DeleteFunc(slices.Clone(w.players), func(p *pod) bool { return slices.Contains(suffered, p) })
	w.s.lostNothing(others, w.stream.stop())
}

// killed kills the process of a component on a node, and returns when its
// container was started anew.
func (s *system) killed(node *clusterlab.Node, component string) (back func()) {
	s.t.Helper()
	before := s.pod(node, component)
	if err := unix.Kill(node.ContainerPID(release, before.Name, component), unix.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
	return func() {
		s.t.Helper()
		s.await("the container of the "+component+" is started anew", func() bool {
			p := s.pod(node, component)
			return ready(p) && p.Status.ContainerStatuses[0].RestartCount > before.Status.ContainerStatuses[0].RestartCount
		})
	}
}

// held waits until the agent has come to the node's keeper, which is ready before
// that.
func (s *system) held(node *clusterlab.Node) {
	s.t.Helper()
	s.await("the keeper holds what the agent has", func() bool {
		return strings.Contains(s.Kubectl("logs", "-n", release, s.pod(node, "keeper").Name), "a program has connected")
	})
}

// Pods of the DaemonSets are deleted, and processes killed: others take over, and
// no packet is lost, as long as one of agent and keeper is there. If both are
// killed, those are lost that are sent until the agent is back.
func TestAgentsAndKeepersEnd(t *testing.T) {
	s := start(t)
	b, a := s.startBroadcast("ending", 3), s.audit()
	deleted := func(component string) func(*clusterlab.Node) {
		return func(node *clusterlab.Node) {
			before := s.pod(node, component)
			s.Kubectl("delete", "pod", "-n", release, before.Name)
			s.await("the node has another "+component, func() bool {
				after := s.pod(node, component)
				return after.UID != before.UID && ready(after)
			})
		}
	}
	for _, event := range []struct {
		what string
		node *clusterlab.Node
		do   func(*clusterlab.Node)
	}{
		{"agent killed", s.Nodes[0], func(n *clusterlab.Node) { s.killed(n, "agent")() }},
		{"keeper killed", s.Nodes[1], func(n *clusterlab.Node) { s.killed(n, "keeper")(); s.held(n) }},
		{"and then the agent", s.Nodes[1], func(n *clusterlab.Node) { s.killed(n, "agent")() }},
		{"agent's pod deleted", s.Nodes[2], deleted("agent")},
		{"keeper's pod deleted", s.Nodes[2], func(n *clusterlab.Node) { deleted("keeper")(n); s.held(n) }},
		{"agent's pod deleted again", s.Nodes[2], deleted("agent")},
	} {
		began := time.Now()
		event.do(event.node)
		b.goesOn(s.Nodes...)
		s.programmed("ending-known", int32(len(s.Nodes)))
		t.Logf("%s on %s: another works after %v", event.what, event.node.Name, since(began))
	}
	b.end()

	b.begin()
	node := s.Nodes[2]
	var back []func()
	for _, component := range []string{"agent", "keeper"} {
		back = append(back, s.killed(node, component))
	}
	for _, f := range back {
		f()
	}
	b.goesOn(s.Nodes...)
	s.programmed("ending-known", int32(len(s.Nodes)))
	for sg, gaps := range b.end(node) {
		// Nobody is left who has joined: two seconds later the switch stops sending,
		// until it hears the next agent join.
		if len(gaps) > 2 {
			t.Errorf("%v: one gap until somebody has the tables, and one of the switch, but there are %v", sg, gaps)
		}
		for _, g := range gaps {
			t.Logf("agent and keeper killed: %v was not forwarded for %v", sg, time.Duration(g.Last-g.First+1)*time.Second/rate)
		}
	}
	a.countsForward()
	s.packetsOf("ending-known", b.flows[0])
}

// A node is drained: its players go elsewhere, and come back.
func TestDrain(t *testing.T) {
	s := start(t)
	w := s.startShow("drained", "239.7.3.3")
	s.deployment("movers", "drained", 3, "239.7.3.3")
	s.scale("movers", 3, w.flow)
	t.Cleanup(func() { s.Kubectl("uncordon", "n2") })
	t.Logf("%s", s.Kubectl("drain", "n2", "--ignore-daemonsets", "--force", "--delete-emptydir-data", "--timeout=90s"))
	s.scale("movers", 3, w.flow)
	for _, p := range s.replicas("movers") {
		if p.node.Name == "n2" {
			t.Errorf("%s is still on n2", p.name)
		}
	}
	s.programmed("drained", int32(len(s.Nodes))) // there is nothing to do for n2

	s.Kubectl("uncordon", "n2")
	s.scale("movers", 0, w.flow)
	s.scale("movers", 3, w.flow)
	if !slices.ContainsFunc(s.replicas("movers"), func(p *pod) bool { return p.node.Name == "n2" }) {
		t.Errorf("no player is on n2 again")
	}
	w.end(w.players[1])
}

// A node loses power: the others lose nothing, the route's status names it,
// and it forwards once it is back.
func TestNodeLost(t *testing.T) {
	s := start(t)
	w := s.startShow("lost", "239.7.4.4")
	node := s.Nodes[2]
	began := time.Now()
	node.Kill()
	// With reports every second one of another node may be late on a busy machine.
	st := s.status("lost", "n3 alone is named", func(st v1alpha1.MulticastRouteStatus) bool {
		return len(st.FailingNodes) == 1 && st.FailingNodes[0].Name == node.Name
	})
	message := meta.FindStatusCondition(st.Conditions, v1alpha1.ConditionProgrammed).Message
	t.Logf("%v after its end: %s", since(began), message)
	if f := st.FailingNodes[0]; f.Reason != v1alpha1.ReasonNodeNotReporting || !strings.Contains(message, node.Name) {
		t.Errorf("failing nodes: %+v; message: %s", st.FailingNodes, message)
	}
	w.goesOn(w.players[0])

	began = time.Now()
	node.Start()
	t.Logf("Ready again after %v", since(began))
	w.goesOn(w.players[2])
	t.Logf("forwarding again after %v", since(began))
	s.programmed("lost", int32(len(s.Nodes)))
	w.end(w.players[2])
}

// outage is how long the API server is away. A minute would show nothing else,
// and take longer: the limit in time is that of the controllers' Lease, of which
// the holder ends after 10 s without it, and the pauses between the clients' looks
// grow with the outage.
const outage = 15 * time.Second

// The API server is away for a while: forwarding goes on, also to a player that
// is started anew by its kubelet, and of an agent that is; and then the status
// catches up.
func TestAPIServerAway(t *testing.T) {
	s := start(t)
	w := s.startShow("away", "239.7.5.5")
	agent := s.Nodes[2].ContainerPID(release, s.agent(s.Nodes[2]).Name, "agent")
	player := s.Nodes[1].ContainerPID(place, w.players[1].name, "mcast")
	s.StopAPIServer()
	back := false
	defer func() {
		if !back {
			s.StartAPIServer()
		}
	}()
	began := time.Now()
	for _, pid := range []int{player, agent} {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	s.await("n3 has another agent", func() bool {
		pids := s.Nodes[2].PIDs("smcroute-agent")
		return len(pids) == 1 && pids[0] != agent
	})
	pause(time.Until(began.Add(outage)))
	s.StartAPIServer()
	back = true
	began = time.Now()
	w.goesOn(w.players[1])
	s.apply(route("later", `from: {interface: eth1}, groups: [239.7.5.6], to: [{interface: eth2}]`))
	s.programmed("later", int32(len(s.Nodes)))
	t.Logf("a new route is programmed, and its status says so, %v after the API server's return", since(began))
	sent := w.stream.stop()
	s.lostNothing([]*pod{w.players[0], w.players[2]}, sent)
	s.packets("away", s.kernelPackets(func(sg mroute.SG) bool { return sg == w.flow.sg() }))
	if n := w.players[1].get().Status.ContainerStatuses[0].RestartCount; n != 1 {
		t.Errorf("the player was started %d times", n+1)
	}
}
