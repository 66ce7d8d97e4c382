package node

import (
	"reflect"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// What is written often must not wake every agent.
func TestUpdatesThatWake(t *testing.T) {
	base := pod("a", 0, "10.0.0.7")
	for name, tt := range map[string]struct {
		change func(*corev1.Pod)
		want   bool
	}{
		"status of containers": {func(p *corev1.Pod) { p.Status.ContainerStatuses = []corev1.ContainerStatus{{RestartCount: 3}} }, false},
		"annotations":          {func(p *corev1.Pod) { p.Annotations = map[string]string{"a": "b"} }, false},
		"from init to running": {phase(corev1.PodPending), false},
		"labels":               {func(p *corev1.Pod) { p.Labels = map[string]string{"app": "b"} }, true},
		"address":              {func(p *corev1.Pod) { p.Status.PodIPs[0].IP = "10.0.0.8"; p.Status.PodIP = "10.0.0.8" }, true},
		"end":                  {phase(corev1.PodSucceeded), true},
		"deletion":             {deleted, true},
		"another of its name":  {func(p *corev1.Pod) { p.UID = "other" }, true},
	} {
		to := *base.DeepCopy()
		tt.change(&to)
		if got := differ(&base, &to, samePod); got != tt.want {
			t.Errorf("pod, %s: %v", name, got)
		}
	}

	r := route("studio", "r", nil)
	for name, tt := range map[string]struct {
		change func(*v1alpha1.MulticastRoute)
		want   bool
	}{
		"status":     {func(r *v1alpha1.MulticastRoute) { r.Status.ObservedGeneration = 1; r.ResourceVersion = "2" }, false},
		"labels":     {func(r *v1alpha1.MulticastRoute) { r.Labels = map[string]string{"a": "b"} }, false},
		"generation": {func(r *v1alpha1.MulticastRoute) { r.Generation++ }, true},
		"deletion":   {func(r *v1alpha1.MulticastRoute) { r.DeletionTimestamp = ptrTime(epoch) }, true},
		"made anew":  {func(r *v1alpha1.MulticastRoute) { r.UID = "other" }, true},
	} {
		to := r.DeepCopy()
		tt.change(to)
		if got := differ(&r, to, sameSpec[*v1alpha1.MulticastRoute]); got != tt.want {
			t.Errorf("route, %s: %v", name, got)
		}
	}

	var n, status, labels, another corev1.Node
	status.Status.Phase = "x"
	labels.Labels = map[string]string{"site": "studio"}
	another.UID = "another"
	if differ(&n, &status, sameNode) || !differ(&n, &labels, sameNode) || !differ(&n, &another, sameNode) {
		t.Error("node: not labels and the UID alone")
	}
}

func TestSlimKeepsWhatMatters(t *testing.T) {
	p := pod("a", 0, "10.0.0.7", "fd00::7")
	p.Spec.HostNetwork, p.Spec.NodeName = true, "n1"
	p.Spec.Containers = make([]corev1.Container, 5)
	p.Annotations = map[string]string{"a": "b"}
	slimmed := p.DeepCopy()
	Slim(slimmed)
	if !samePod(&p, slimmed) || slimmed.UID != p.UID || slimmed.Namespace != p.Namespace || !slimmed.CreationTimestamp.Equal(&p.CreationTimestamp) || slimmed.Spec.NodeName != "n1" {
		t.Errorf("%+v", slimmed)
	}
	if slimmed.Annotations != nil || slimmed.Spec.Containers != nil {
		t.Error("not slim")
	}
	r := route("studio", "r", nil)
	r.Status.ObservedGeneration, r.Status.Nodes = 7, v1alpha1.NodeCounts{Matched: 40, Programmed: 30}
	s := r.DeepCopy()
	Slim(s)
	if !sameSpec(s, &r) || s.UID != r.UID || len(s.Spec.Groups) != 1 || !reflect.DeepEqual(s.Status, v1alpha1.MulticastRouteStatus{Nodes: v1alpha1.NodeCounts{Matched: 40}}) {
		t.Errorf("%+v", s)
	}
	n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"a": "b"}, ManagedFields: make([]metav1.ManagedFieldsEntry, 3)}}
	n.Spec.PodCIDR, n.Status.Phase = "10.0.0.0/24", "x"
	want := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", Labels: map[string]string{"a": "b"}}}
	if Slim(&n); !reflect.DeepEqual(n, want) {
		t.Errorf("%+v", n)
	}
}

// TestSlimIsShared has agents share an object that is slim: nothing may be written to
// it, which the race detector would tell.
func TestSlimIsShared(t *testing.T) {
	r := route("studio", "r", nil)
	g := &v1alpha1.MulticastGroup{Spec: v1alpha1.MulticastGroupSpec{Interface: "eth0"}}
	r.Status.Nodes.Matched, g.Status.Nodes.Matched = 3, 4
	Slim(&r)
	Slim(g)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { Slim(&r); Slim(g) })
	}
	wg.Wait()
}
