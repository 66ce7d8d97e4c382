package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/exec"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// camera is a route to pods that all nodes have.
func camera() *v1alpha1.MulticastRoute {
	return &v1alpha1.MulticastRoute{
		ObjectMeta: metav1.ObjectMeta{Namespace: "studio", Name: "camera-1"},
		Spec: v1alpha1.MulticastRouteSpec{
			NodeSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"site": "studio"}},
			From:         v1alpha1.RouteInput{Interface: "eth0"}, Sources: []v1alpha1.Address{"192.0.2.1"}, Groups: []v1alpha1.Address{"239.1.1.1"},
			To: []v1alpha1.RouteOutput{{Pods: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "player"}}}},
		},
		Status: v1alpha1.MulticastRouteStatus{Conditions: []metav1.Condition{
			{Type: "Accepted", Status: metav1.ConditionTrue}, {Type: "Programmed", Status: metav1.ConditionTrue},
		}},
	}
}

// studio is a cluster of one node with an agent, and a pod that the route selects.
func studio() []client.Object {
	return []client.Object{
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", Labels: map[string]string{"site": "studio"}}},
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n2"}},
		&corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "kube-smcroute", Name: "agent-n1", Labels: map[string]string{nameLabel: nameValue, componentLabel: componentValue}},
			Spec:       corev1.PodSpec{NodeName: "n1"}, Status: corev1.PodStatus{Phase: corev1.PodRunning},
		},
		&corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "studio", Name: "player-0", Labels: map[string]string{"app": "player"}},
			Status:     corev1.PodStatus{Phase: corev1.PodRunning},
		},
	}
}

// TestDoctor: what is found of the object and its pods, and what the nodes say.
func TestDoctor(t *testing.T) {
	lost := `{"group":"239.1.1.1","findings":[{"id":"ttl_too_low","severity":"broken","group":"239.1.1.1","text":"TTL","evidence":[],"fix":[]}]}`
	for _, tt := range []struct {
		name   string
		change func(*v1alpha1.MulticastRoute)
		more   []client.Object
		says   string // smcroutectl on the node
		err    error
		want   []string // findings, those of the node last
		broken bool
	}{
		{"healthy", nil, nil, `{"findings":[]}`, nil, nil, false},
		{"node", nil, nil, lost, exec.CodeExitError{Err: errors.New("exit 1"), Code: 1}, []string{"ttl_too_low"}, true},
		{"a node without a pod", nil, nil, `{"group":"239.1.1.1","findings":[{"id":"no_rule","severity":"broken","group":"239.1.1.1","text":"none","evidence":[],"fix":[]}]}`,
			exec.CodeExitError{Err: errors.New("exit 1"), Code: 1}, []string{noRule}, false},
		{"a node without a rule", func(r *v1alpha1.MulticastRoute) { r.Spec.To = []v1alpha1.RouteOutput{{Interface: "eth1"}} }, nil,
			`{"group":"239.1.1.1","findings":[{"id":"no_rule","severity":"broken","group":"239.1.1.1","text":"none","evidence":[],"fix":[]}]}`,
			exec.CodeExitError{Err: errors.New("exit 1"), Code: 1}, []string{noRule}, true},
		{"another route's", func(r *v1alpha1.MulticastRoute) { r.Spec.Groups = []v1alpha1.Address{"239.2.0.0/16"} }, nil, lost, nil, nil, false},
		{"no status", func(r *v1alpha1.MulticastRoute) { r.Status.Conditions = nil }, nil, `{"findings":[]}`, nil, []string{notAccepted}, false},
		{"refused", func(r *v1alpha1.MulticastRoute) { r.Status.Conditions[0].Status = metav1.ConditionFalse }, nil, `{"findings":[]}`, nil, []string{notAccepted}, true},
		{"failing", func(r *v1alpha1.MulticastRoute) {
			r.Status.Conditions[1].Status = metav1.ConditionFalse
			r.Status.FailingNodes = []v1alpha1.FailingNode{{Name: "n1", Reason: "VIFTableFull", Message: "full"}}
		}, nil, `{"findings":[]}`, nil, []string{notProgrammed}, true},
		{"no node", func(r *v1alpha1.MulticastRoute) { r.Spec.NodeSelector.MatchLabels["site"] = "elsewhere" }, nil, "", nil, []string{noNodeSelected}, true},
		{"no pod", func(r *v1alpha1.MulticastRoute) { r.Spec.To[0].Pods.MatchLabels["app"] = "playr" }, nil, `{"findings":[]}`, nil, []string{noPodSelected}, true},
		{"policy", nil, []client.Object{&networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "studio", Name: "deny"}}},
			`{"findings":[]}`, nil, []string{isolated}, false},
		{"an agent that cannot be asked", nil, nil, "", errors.New("no"), []string{"problem"}, false},
		{"an agent that says something else", nil, nil, "?", nil, []string{"problem"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			route := camera()
			if tt.change != nil {
				tt.change(route)
			}
			scheme := runtime.NewScheme()
			if err := errors.Join(corev1.AddToScheme(scheme), networkingv1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
				t.Fatal(err)
			}
			c := &cluster{agentNamespace: "kube-smcroute", Client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(append(append(studio(), tt.more...), route)...).
				WithIndex(&corev1.Pod{}, "spec.nodeName", func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }).Build()}
			run := func(_ context.Context, a agentPod, command []string) ([]byte, error) {
				if a.name != "agent-n1" || !slices.Contains(command, "doctor") {
					t.Errorf("%s gets to do %q", a.name, command)
				}
				return []byte(tt.says), tt.err
			}
			r, err := c.diagnose(t.Context(), client.ObjectKeyFromObject(route), &examiner{during: time.Second, timeout: time.Minute}, run)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range r.Findings {
				got = append(got, string(f.ID))
			}
			for _, n := range r.Nodes {
				if n.Problem != "" {
					got = append(got, "problem")
					continue
				}
				for _, f := range n.Report.Findings {
					got = append(got, string(f.ID))
				}
			}
			if !slices.Equal(got, tt.want) || r.broken() != tt.broken {
				t.Errorf("found %q, broken: %v; want %q, %v", got, r.broken(), tt.want, tt.broken)
			}
			if blind := slices.Contains(tt.want, "problem"); tt.want == nil && r.blind() || blind && !r.blind() {
				t.Errorf("blind: %v", r.blind())
			}
			if len(r.Unseen) > 0 {
				t.Errorf("not looked at: %v", r.Unseen)
			}
			for _, format := range []string{"", "wide", "json", "yaml"} {
				var out bytes.Buffer
				if err := r.print(&out, format); err != nil {
					t.Fatal(err)
				}
				for _, id := range tt.want {
					if id != "problem" && !strings.Contains(out.String(), id) {
						t.Errorf("%q prints no %s:\n%s", format, id, &out)
					}
				}
				if format == "json" && !json.Valid(out.Bytes()) {
					t.Errorf("no JSON:\n%s", &out)
				}
			}
		})
	}
}

// A node that does not answer is given up.
func TestDoctorTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &examiner{during: 2 * time.Second, timeout: 30 * time.Second}
		n := e.node(t.Context(), agentPod{node: "n1", name: "agent-n1"}, camera(), func(ctx context.Context, _ agentPod, _ []string) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		if want := "the agent agent-n1 has not answered for 32s"; n.Problem != want {
			t.Errorf("problem %q, want %q", n.Problem, want)
		}
	})
}

// docs/doctor.md has the findings about objects.
func TestDoctorDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{notAccepted, notProgrammed, noNodeSelected, noPodSelected, isolated} {
		if !regexp.MustCompile("(?m)^\\| <a id=\"" + id + "\"></a>`" + id + "` \\|").Match(text) {
			t.Errorf("docs/doctor.md has no row of %s", id)
		}
	}
}
