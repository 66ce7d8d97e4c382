package cluster

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/test/clusterlab"
)

// pod is an ordinary pod with mcast in it.
type pod struct {
	s    *system
	name string
	node *clusterlab.Node
}

// podSpec runs mcast; nothing in it is special.
func podSpec(args ...string) corev1.PodSpec {
	return corev1.PodSpec{
		TerminationGracePeriodSeconds: ptr.To[int64](1),
		AutomountServiceAccountToken:  ptr.To(false),
		// The lab's cluster gives up pods of a dead node after ten seconds.
		Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute}},
		Containers: []corev1.Container{{
			Name:            "mcast",
			Image:           "kube-smcroute:" + oldVersion,
			ImagePullPolicy: corev1.PullNever,
			Command:         append([]string{"/mcast"}, args...),
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: ptr.To(false),
				Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
		}},
	}
}

// run makes a pod on a node, which may not be Running yet.
func (s *system) run(node *clusterlab.Node, name, app string, args ...string) *pod {
	s.t.Helper()
	o := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: place, Name: name, Labels: map[string]string{"app": app}},
		Spec:       podSpec(args...),
	}
	o.Spec.NodeName = node.Name
	if err := s.Client.Create(context.Background(), o); err != nil {
		s.t.Fatal(err)
	}
	return &pod{s, name, node}
}

// players makes a pod on each of the nodes that receives the groups, and waits
// until all have joined.
func (s *system) players(app string, nodes []*clusterlab.Node, groups ...string) []*pod {
	s.t.Helper()
	var players []*pod
	for _, n := range nodes {
		players = append(players, s.run(n, app+"-"+n.Name, app, append([]string{"recv", "-o", "json"}, groups...)...))
	}
	for _, p := range players {
		p.awaitReport()
	}
	return players
}

// awaitReport waits until mcast has said something: that it has joined, or is
// sending.
func (p *pod) awaitReport() {
	p.s.t.Helper()
	p.s.await(fmt.Sprintf("pod %s runs mcast", p.name), func() bool { _, ok := p.report(); return ok })
}

// get returns the object.
func (p *pod) get() *corev1.Pod {
	p.s.t.Helper()
	o := &corev1.Pod{}
	if err := p.s.Client.Get(context.Background(), client.ObjectKey{Namespace: place, Name: p.name}, o); err != nil {
		p.s.t.Fatal(err)
	}
	return o
}

// report is what mcast said last.
func (p *pod) report() (report, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := p.s.clients.CoreV1().Pods(place).GetLogs(p.name, &corev1.PodLogOptions{TailLines: ptr.To[int64](1)}).DoRaw(ctx)
	if err != nil {
		return report{}, false
	}
	return lastReport(string(out))
}

// hears waits until the pod has heard n packets of a flow.
func (p *pod) hears(h heard, n uint64) heard {
	p.s.t.Helper()
	var got heard
	defer func() {
		if p.s.t.Failed() {
			p.s.t.Logf("pod %s: %v\n%s", p.name, got, p.s.explain(p.node))
		}
	}()
	p.s.await(fmt.Sprintf("pod %s hears %d packets of (%v, %v)", p.name, n, h.Source, h.Group), func() bool {
		r, ok := p.report()
		got = r.of(h)
		return ok && got.Packets >= n
	})
	return got
}

// tunes waits until each player hears each flow.
func tunes(players []*pod, flows []heard) {
	for _, p := range players {
		p.s.t.Helper()
		for _, h := range flows {
			p.hears(h, 1)
		}
	}
}

// explain is what a node's agent has to say, for messages.
func (s *system) explain(node *clusterlab.Node) string {
	var b strings.Builder
	name := s.agent(node).Name
	for _, args := range [][]string{
		{"exec", "-n", release, name, "-c", "agent", "--", "/smcroutectl", "-i", "smcroute-agent", "-d", "show"},
		{"exec", "-n", release, name, "-c", "agent", "--", "/smcroutectl", "-i", "smcroute-agent", "-d", "show", "pending"},
		{"logs", "-n", release, name, "-c", "agent", "--tail=20"},
	} {
		out, err := s.TryKubectl(args...)
		fmt.Fprintf(&b, "kubectl %s\n%s", strings.Join(args, " "), out)
		if err != nil {
			fmt.Fprintln(&b, err)
		}
	}
	return b.String()
}
