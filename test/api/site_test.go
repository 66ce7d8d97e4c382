package api

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/test/kubelab"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// patience is how long anything may take that should happen soon.
const patience = 30 * time.Second

// site is a namespace of objects, and nodes that only its objects select.
type site struct {
	t     *testing.T
	lab   *kubelab.Lab
	name  string // of the namespace, and the value of the nodes' label site
	hosts []*host
}

// host is a node between a sender and two receivers:
//
//	sender eth0 ─── eth0 node eth1 ─── eth0 left
//	                          eth2 ─── eth0 right
type host struct {
	*kubelab.Node
	t               *testing.T
	agent, keeper   *kubelab.Process
	args            []string // of the agent
	sender          *netlab.NS
	atLeft, atRight *netlab.Capture
}

// newSite makes a site with n nodes, and an agent and a keeper on each.
func newSite(t *testing.T, name string, n int, args ...string) *site {
	t.Helper()
	lab := start(t)
	shared.startController()
	s := &site{t: t, lab: lab, name: name}
	lab.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	t.Cleanup(func() {
		for _, o := range []client.Object{&v1alpha1.MulticastRoute{}, &v1alpha1.MulticastGroup{}} {
			if err := lab.Client.DeleteAllOf(context.Background(), o, client.InNamespace(name)); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range n {
		h := s.addHost(fmt.Sprintf("%s-%d", name, i+1), args...)
		h.agent = h.Launch(h.args...)
	}
	for _, h := range s.hosts {
		h.agent.AwaitReady()
	}
	return s
}

// addHost makes a node with a keeper, and without an agent.
func (s *site) addHost(name string, args ...string) *host {
	s.t.Helper()
	h := &host{
		t:      s.t,
		Node:   s.lab.Node(s.t, name, map[string]string{"site": s.name}),
		args:   append([]string{"--host-namespaces=" + s.name}, args...),
		sender: netlab.New(s.t),
	}
	left, right := netlab.New(s.t), netlab.New(s.t)
	h.sender.Veth("eth0", h.NS, "eth0")
	h.NS.Veth("eth1", left, "eth0")
	h.NS.Veth("eth2", right, "eth0")
	h.atLeft, h.atRight = left.Capture("eth0"), right.Capture("eth0")
	h.keeper = h.LaunchKeeper()
	s.hosts = append(s.hosts, h)
	return h
}

// run starts the agent, for the first time or after it ended.
func (h *host) run() {
	h.agent = h.Launch(h.args...)
	h.agent.AwaitReady()
}

// apply applies objects of the site's namespace. NODES in the text stands for a
// selector of the site's nodes.
func (s *site) apply(text string) string {
	s.t.Helper()
	out, err := s.tryApply(text)
	if err != nil {
		s.t.Fatalf("%v", err)
	}
	return out
}

func (s *site) tryApply(text string) (string, error) {
	text = strings.ReplaceAll(text, "NODES", "{matchLabels: {site: "+s.name+"}}")
	file := filepath.Join(s.t.TempDir(), "objects.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return s.lab.TryKubectl("apply", "-n", s.name, "-f", file)
}

// route is the text of a route in one line of flow style.
func route(name, spec string) string {
	return fmt.Sprintf("---\napiVersion: multicast.smcroute.io/v1alpha1\nkind: MulticastRoute\nmetadata: {name: %s}\nspec: {nodeSelector: NODES, %s}\n", name, spec)
}

// get returns a route as it is now.
func (s *site) get(name string) *v1alpha1.MulticastRoute {
	s.t.Helper()
	r := &v1alpha1.MulticastRoute{}
	if err := s.lab.Client.Get(context.Background(), client.ObjectKey{Namespace: s.name, Name: name}, r); err != nil {
		s.t.Fatalf("%v", err)
	}
	return r
}

// await waits until the status of a route is about its generation and cond
// holds.
func (s *site) await(name, what string, cond func(v1alpha1.MulticastRouteStatus) bool) v1alpha1.MulticastRouteStatus {
	s.t.Helper()
	var last *v1alpha1.MulticastRoute
	if !netlab.Poll(patience, func() bool {
		last = s.get(name)
		return last.Status.ObservedGeneration == last.Generation && cond(last.Status)
	}) {
		s.t.Fatalf("timed out after %v waiting for route %s: %s; its status at generation %d is\n%s\nand the nodes say\n%s",
			patience, name, what, last.Generation, s.lab.Kubectl("get", "mcroute", "-n", s.name, name, "-o", "yaml"), s.lab.Kubectl("get", "mcns", "-o", "yaml"))
	}
	return last.Status
}

// awaitProgrammed waits until n nodes, all that are selected, have the route in
// the kernel.
func (s *site) awaitProgrammed(name string, n int32) v1alpha1.MulticastRouteStatus {
	s.t.Helper()
	return s.await(name, fmt.Sprintf("%d nodes have programmed it", n), func(st v1alpha1.MulticastRouteStatus) bool {
		return st.Nodes.Programmed == n && st.Nodes.Matched == n && meta.IsStatusConditionTrue(st.Conditions, v1alpha1.ConditionProgrammed)
	})
}

// awaitReason waits for the reason of a condition, and returns its message.
func (s *site) awaitReason(name, condition, reason string) string {
	s.t.Helper()
	st := s.await(name, condition+" has the reason "+reason, func(st v1alpha1.MulticastRouteStatus) bool {
		c := meta.FindStatusCondition(st.Conditions, condition)
		return c != nil && c.Reason == reason && c.ObservedGeneration == st.ObservedGeneration
	})
	return meta.FindStatusCondition(st.Conditions, condition).Message
}

// awaitPackets waits until exactly n packets of a route are counted in its status.
func (s *site) awaitPackets(name string, n int) v1alpha1.MulticastRouteStatus {
	s.t.Helper()
	return s.await(name, fmt.Sprintf("%d packets are counted", n), func(st v1alpha1.MulticastRouteStatus) bool {
		return st.Counters != nil && st.Counters.Packets == int64(n)
	})
}

// awaitSocket waits until the agent can be asked.
func (h *host) awaitSocket() {
	netlab.Await(h.t, patience, func() bool {
		conn, err := net.Dial("unix", h.Socket)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, "the agent's socket")
}

func flow(source, group string) mroute.SG {
	return mroute.SG{Source: netip.MustParseAddr(source), Group: netip.MustParseAddr(group)}
}

// packet is one of a flow.
func packet(sg mroute.SG) netlab.Packet {
	return netlab.Packet{Src: sg.Source, Group: sg.Group, TTL: 9}
}

// passes sends packets of a flow until one arrives at a receiver, as it must, and waits
// until none of them is still on its way.
func (h *host) passes(sg mroute.SG, at *netlab.Capture) { h.passesFrom(h.sender, sg, at) }

// passesFrom is passes for another sender, with an eth0.
func (h *host) passesFrom(ns *netlab.NS, sg mroute.SG, at *netlab.Capture) {
	if !netlab.Poll(patience, func() bool {
		ns.Send("eth0", packet(sg))
		return at.Count(sg) > 0
	}) {
		h.Fatalf("%v does not arrive on %v: %v\n%s", sg, h, at, h.Smcroutectl("-d", "show"))
	}
	netlab.Flush(h.t, 2, patience)
}

// exact sends n packets of a flow, all of which arrive.
func (h *host) exact(sg mroute.SG, at *netlab.Capture, n int) {
	before := at.Count(sg)
	h.sender.SendBurst("eth0", packet(sg), 0, n)
	at.Await(sg, before+n, patience)
	if got := at.Count(sg); got != before+n {
		h.Fatalf("%d packets of %v arrived on %v, not %d", got-before, sg, h, n)
	}
}
