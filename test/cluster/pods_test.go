package cluster

import (
	"context"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// deployment makes one of receivers.
func (s *system) deployment(name, app string, replicas int32, groups ...string) {
	s.t.Helper()
	labels := map[string]string{"app": app, "deployment": name}
	spec := podSpec(append([]string{"recv", "-o", "json"}, groups...)...)
	spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.DoNotSchedule,
		LabelSelector: &metav1.LabelSelector{MatchLabels: labels},
		// A node that is drained counts no more.
		NodeTaintsPolicy: ptr.To(corev1.NodeInclusionPolicyHonor),
	}}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: place, Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec},
		},
	}
	if err := s.Client.Create(context.Background(), d); err != nil {
		s.t.Fatal(err)
	}
}

// replicas are the pods of a deployment that are not on their way out.
func (s *system) replicas(name string) (pods []*pod) {
	s.t.Helper()
	var list corev1.PodList
	if err := s.Client.List(context.Background(), &list, client.InNamespace(place), client.MatchingLabels{"deployment": name}); err != nil {
		s.t.Fatal(err)
	}
	for _, p := range list.Items {
		for _, n := range s.Nodes {
			if p.Spec.NodeName == n.Name && p.DeletionTimestamp == nil {
				pods = append(pods, &pod{s, p.Name, n})
			}
		}
	}
	return pods
}

// scale scales a deployment and waits until so many pods are there, and receive.
func (s *system) scale(name string, n int, h heard) {
	s.t.Helper()
	s.Kubectl("scale", "-n", place, "deployment/"+name, "--replicas", string(rune('0'+n)))
	var pods []*pod
	s.await("the deployment is scaled", func() bool {
		var all corev1.PodList
		if err := s.Client.List(context.Background(), &all, client.InNamespace(place), client.MatchingLabels{"deployment": name}); err != nil {
			return false
		}
		pods = s.replicas(name)
		return len(pods) == n && len(all.Items) == n
	})
	for _, p := range pods {
		p.hears(h, 1)
	}
}

// Players come and go, as a Deployment is scaled up and down twice: each gets
// the stream, and those that stay lose nothing.
func TestPodsComeAndGo(t *testing.T) {
	s := start(t)
	const group = "239.6.6.6"
	s.apply(route("players", `from: {interface: eth1}, sources: [`+s.studio.source(group)+`], groups: [`+group+`], to: [{pods: {matchLabels: {app: audience}}}], join: true`))
	steady := s.players("audience", s.Nodes, group)
	stream := s.studio.stream(500, group)
	h := stream.flows()[0]
	tunes(steady, []heard{h})

	s.deployment("crowd", "audience", 0, group)
	for range 2 {
		s.scale("crowd", 6, h)
		s.scale("crowd", 1, h)
	}
	s.scale("crowd", 0, h)
	s.programmed("players", int32(len(s.Nodes)))
	s.lostNothing(steady, stream.stop())
}

// lostNothing checks that players got all of the flows from their first packet
// to the last.
func (s *system) lostNothing(players []*pod, sent []heard) {
	s.t.Helper()
	for _, p := range players {
		for _, h := range sent {
			last := h.Packets - 1
			var got heard
			s.await(p.name+" has heard the last packet", func() bool {
				r, _ := p.report()
				got = r.of(h)
				return got.Packets > 0 && got.LastNumber == last
			})
			if got.Lost > 0 || got.Duplicates > 0 {
				s.t.Errorf("%s: of %d packets sent: %v", p.name, h.Packets, got)
			}
			s.t.Logf("%s: %v", p.name, got)
		}
	}
}
