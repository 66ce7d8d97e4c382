package api

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

func writeConf(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "smcroute.conf")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// Of two routes with different inputs for one (S,G) the older one counts, until
// it is gone. Two with the same input are united.
func TestConflict(t *testing.T) {
	s := newSite(t, "conflict", 1)
	h := s.hosts[0]
	sg := flow("192.0.2.10", "232.1.1.1")
	const spec = `sources: [192.0.2.10], groups: [232.1.1.1], `
	s.apply(route("first", spec+`from: {interface: eth0}, to: [{interface: eth1}]`))
	s.awaitProgrammed("first", 1)
	// Ages are in whole seconds, and the name decides between equals: "first"
	// comes before "second" either way.
	s.apply(route("second", spec+`from: {interface: eth2}, to: [{interface: eth1}]`))
	message := s.awaitReason("second", v1alpha1.ConditionAccepted, v1alpha1.ReasonConflicted)
	if !strings.Contains(message, "conflict/first") || !strings.Contains(message, sg.String()) {
		t.Errorf("the message names not the route and the flow: %s", message)
	}
	s.apply(route("third", spec+`from: {interface: eth0}, to: [{interface: eth2}]`))
	s.awaitProgrammed("third", 1)
	h.exact(sg, h.atLeft, 10)
	h.atRight.Await(sg, 10, patience)
	if n := h.atRight.Count(sg); n != 10 {
		t.Errorf("%d packets at the second output, not 10", n)
	}
	s.lab.Kubectl("delete", "mcroute", "-n", s.name, "first")
	// "second" is the older one now, if by its name only.
	s.awaitProgrammed("second", 1)
	s.awaitReason("third", v1alpha1.ConditionAccepted, v1alpha1.ReasonConflicted)
	h.sender.SendBurst("eth0", packet(sg), 0, 10)
	netlab.Flush(t, 2, patience)
	if n := h.atLeft.Count(sg) + h.atRight.Count(sg); n != 20 {
		t.Errorf("%d packets of the deleted route and of the loser", n-20)
	}
	s.lab.Kubectl("delete", "mcroute", "-n", s.name, "second")
	s.awaitProgrammed("third", 1)
	h.exact(sg, h.atRight, 10)
}

// Only namespaces that the agent is told about name the node's interfaces.
func TestHostNamespaces(t *testing.T) {
	s := newSite(t, "mine", 1)
	other := &site{t: t, lab: s.lab, name: "other", hosts: s.hosts}
	s.lab.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "other"}})
	text := strings.ReplaceAll(route("r", `from: {interface: eth0}, sources: [192.0.2.10], groups: [232.1.1.1], to: [{interface: eth1}]`), "NODES", "{matchLabels: {site: mine}}")
	other.apply(text)
	message := other.awaitReason("r", v1alpha1.ConditionAccepted, v1alpha1.ReasonHostInterfacesNotPermitted)
	if !strings.Contains(message, "--host-namespaces") || !strings.Contains(message, `"other"`) {
		t.Errorf("the message does not say what to set: %s", message)
	}
	if st := other.get("r").Status; meta.IsStatusConditionTrue(st.Conditions, v1alpha1.ConditionProgrammed) || st.Nodes.Programmed != 0 {
		t.Errorf("the status is %+v", st)
	}
	s.apply(text)
	s.awaitProgrammed("r", 1)
	s.hosts[0].exact(flow("192.0.2.10", "232.1.1.1"), s.hosts[0].atLeft, 10)
	s.lab.Kubectl("delete", "mcroute", "-n", "other", "r")
}

// A thousand routes on two nodes. How long it takes is told, not judged.
func TestThousand(t *testing.T) {
	s := newSite(t, "thousand", 2, "--report-coalesce=1s", "--report-interval=10s")
	const n = 1000
	began := time.Now()
	var creators sync.WaitGroup
	for first := range 8 {
		creators.Go(func() {
			for i := first; i < n; i += 8 {
				r := &v1alpha1.MulticastRoute{
					ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: fmt.Sprintf("r%d", i)},
					Spec: v1alpha1.MulticastRouteSpec{
						NodeSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"site": s.name}},
						From:         v1alpha1.RouteInput{Interface: "eth0"},
						Sources:      []v1alpha1.Address{"192.0.2.10"},
						Groups:       []v1alpha1.Address{v1alpha1.Address(fmt.Sprintf("232.77.%d.%d", i/250, 1+i%250))},
						To:           []v1alpha1.RouteOutput{{Interface: "eth1"}},
					},
				}
				if err := s.lab.Client.Create(t.Context(), r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	creators.Wait()
	created := time.Since(began)
	last := flow("192.0.2.10", fmt.Sprintf("232.77.%d.%d", (n-1)/250, 1+(n-1)%250))
	for _, h := range s.hosts {
		// Each is listed twice: as it is wanted, and as the kernel has it.
		count := func() int { return strings.Count(h.Smcroutectl("show"), "(192.0.2.10, 232.77.") }
		if !netlab.Poll(4*patience, func() bool { return count() == 2*n }) {
			t.Fatalf("of %d routes %v has %d", n, h, count()/2)
		}
		h.exact(last, h.atLeft, 10)
	}
	programmed := time.Since(began)
	if !netlab.Poll(4*patience, func() bool {
		return s.get(fmt.Sprintf("r%d", n-1)).Status.Nodes.Programmed == 2 && s.get("r0").Status.Nodes.Programmed == 2
	}) {
		t.Errorf("not all is programmed after %v: %+v\n%+v\n%s", time.Since(began), s.get("r0").Status, s.get(fmt.Sprintf("r%d", n-1)).Status, s.lab.Kubectl("get", "mcns"))
	}
	t.Logf("%d routes: created after %v, the last one in both kernels after %v, its status written after %v", n, created, programmed, time.Since(began))

	began = time.Now()
	if err := s.lab.Client.DeleteAllOf(t.Context(), &v1alpha1.MulticastRoute{}, client.InNamespace(s.name)); err != nil {
		t.Fatal(err)
	}
	for _, h := range s.hosts {
		h.awaitGone(last)
	}
	t.Logf("deleted after %v", time.Since(began))
}
