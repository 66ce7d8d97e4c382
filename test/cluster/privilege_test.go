package cluster

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/test/clusterlab"
)

// Bits of capability sets, see linux/capability.h.
const (
	netAdmin = 1 << 12
	netRaw   = 1 << 13
	sysAdmin = 1 << 21
)

// privileges are those of a process, as the kernel of its node has them.
type privileges struct {
	status map[string]string // /proc/PID/status
	root   string            // options of its root's mount
}

func privilegesOf(t *testing.T, node *clusterlab.Node, namespace, pod, container string) privileges {
	t.Helper()
	pid := node.ContainerPID(namespace, pod, container)
	p := privileges{status: map[string]string{}}
	read := func(name string) string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for line := range strings.Lines(read("status")) {
		key, value, _ := strings.Cut(line, ":")
		p.status[key] = strings.TrimSpace(value)
	}
	for line := range strings.Lines(read("mountinfo")) {
		if f := strings.Fields(line); f[4] == "/" {
			p.root = f[5]
		}
	}
	return p
}

// are checks them: a set of capabilities and a user ID.
func (p privileges) are(t *testing.T, capabilities uint64, uid string) {
	t.Helper()
	set := fmt.Sprintf("%016x", capabilities)
	for key, want := range map[string]string{
		"CapEff": set, "CapPrm": set, "CapBnd": set, "CapAmb": strings.Repeat("0", 16),
		"NoNewPrivs": "1", "Seccomp": "2",
		"Uid": strings.Join(slices.Repeat([]string{uid}, 4), "\t"),
	} {
		if p.status[key] != want {
			t.Errorf("%s is %q, expected %q", key, p.status[key], want)
		}
	}
	if !slices.Contains(strings.Split(p.root, ","), "ro") {
		t.Errorf("the root file system is mounted %q, expected ro", p.root)
	}
}

// The agents have the capabilities that they need and no other, the keepers and
// controllers none; neither can get more, nor write to its root file system.
func TestPrivileges(t *testing.T) {
	s := start(t)
	for _, n := range s.Nodes {
		privilegesOf(t, n, release, s.agent(n).Name, "agent").are(t, netAdmin|netRaw, "0")
		privilegesOf(t, n, release, s.pod(n, "keeper").Name, "keeper").are(t, 0, "0")
	}
	var controllers corev1.PodList
	if err := s.Client.List(t.Context(), &controllers, client.InNamespace(release),
		client.MatchingLabels{"app.kubernetes.io/component": "controller"}); err != nil {
		t.Fatal(err)
	}
	for _, p := range controllers.Items {
		for _, n := range s.Nodes {
			if n.Name == p.Spec.NodeName {
				privilegesOf(t, n, release, p.Name, "controller").are(t, 0, "65532")
			}
		}
	}
}

// template returns a pod like those of the DaemonSet, of its own and for one
// node.
func (s *system) template(name string, node *clusterlab.Node) *corev1.Pod {
	s.t.Helper()
	ds := &appsv1.DaemonSet{}
	if err := s.Client.Get(context.Background(), client.ObjectKey{Namespace: release, Name: "kube-smcroute-agent"}, ds); err != nil {
		s.t.Fatal(err)
	}
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: release, Name: name}, Spec: ds.Spec.Template.Spec}
	p.Spec.NodeName = node.Name
	p.Spec.RestartPolicy = corev1.RestartPolicyNever
	return p
}

// With one capability fewer the agent refuses to run, and says which one.
func TestOneCapabilityFewer(t *testing.T) {
	s := start(t)
	for _, tt := range []struct{ name, keep, missing string }{
		{"without-net-admin", "NET_RAW", "NET_ADMIN"},
		{"without-net-raw", "NET_ADMIN", "NET_RAW"},
	} {
		p := s.template(tt.name, s.Nodes[0])
		p.Spec.Containers[0].SecurityContext.Capabilities.Add = []corev1.Capability{corev1.Capability(tt.keep)}
		if err := s.Client.Create(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Kubectl("delete", "pod", "-n", release, tt.name, "--grace-period=0", "--force") })
		var end *corev1.ContainerStateTerminated
		s.await("the agent "+tt.name+" ends", func() bool {
			if err := s.Client.Get(t.Context(), client.ObjectKeyFromObject(p), p); err != nil || len(p.Status.ContainerStatuses) == 0 {
				return false
			}
			end = p.Status.ContainerStatuses[0].State.Terminated
			return end != nil
		})
		out := s.Kubectl("logs", "-n", release, tt.name)
		if end.ExitCode != 77 || !strings.Contains(out, "CAP_"+tt.missing+" is missing") || strings.Contains(out, "CAP_"+tt.keep+" is missing") {
			t.Errorf("%s: exit code %d, expected 77, and a sentence about %s:\n%s", tt.name, end.ExitCode, tt.missing, out)
		}
		t.Logf("%s: %s", tt.name, out)
	}
}

// With the token that its kubelet gave it, an agent can write the report of its
// own node alone.
func TestOtherNodesReport(t *testing.T) {
	s := start(t)
	pid := s.Nodes[0].ContainerPID(release, s.agent(s.Nodes[0]).Name, "agent")
	token, err := os.ReadFile(fmt.Sprintf("/proc/%d/root/var/run/secrets/kubernetes.io/serviceaccount/token", pid))
	if err != nil {
		t.Fatal(err)
	}
	config := rest.AnonymousClientConfig(s.Config)
	config.BearerToken = string(token)
	agent, err := client.New(config, client.Options{Scheme: s.Client.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string) error {
		state := &v1alpha1.MulticastNodeState{}
		if err := s.Client.Get(t.Context(), client.ObjectKey{Name: name}, state); err != nil {
			t.Fatal(err)
		}
		return agent.Update(t.Context(), state, client.DryRunAll)
	}
	if err := write("n1"); err != nil && !apierrors.IsConflict(err) {
		t.Errorf("its own node's: %v", err)
	}
	err = write("n2")
	if !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) || err == nil || !strings.Contains(err.Error(), "n2") {
		t.Errorf("another node's: %v; expected that it is forbidden", err)
	}
	t.Logf("%v", err)
}
