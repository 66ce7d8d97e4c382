package cluster

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/test/clusterlab"
)

const (
	release = "kube-smcroute" // of Helm, and its namespace
	chart   = "../../charts/kube-smcroute"
	place   = "studio" // namespace of the tests' objects
	// An API server that returns is looked for by its clients with growing pauses,
	// of a minute in the end.
	patience = 2 * time.Minute
)

// system is the operator in its cluster, as a test sees it.
type system struct {
	*clusterlab.Cluster
	t               *testing.T
	studio, control machine // outside of the cluster, on the studio's LAN
	clients         kubernetes.Interface
}

// installed is whether the release is there, as it is at first.
var installed bool

// cluster returns the cluster, whatever is installed in it.
func cluster(t *testing.T) *system {
	t.Helper()
	s := &system{t: t, Cluster: clusterlab.Shared(t, clusterlab.Options{Nodes: 3, Images: images()})}
	t.Cleanup(s.diagnose)
	s.studio, s.control = machine{s.Outside("studio"), t}, machine{s.Outside("control"), t}
	config := rest.CopyConfig(s.Config)
	config.QPS = -1 // no limit
	var err error
	if s.clients, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	return s
}

// start returns the cluster with the operator in it. What a test makes in the
// namespace place is removed at its end.
func start(t *testing.T) *system {
	t.Helper()
	s := cluster(t)
	s.install()
	t.Cleanup(s.clear)
	return s
}

// install installs the operator, if it is not there.
func (s *system) install() {
	s.t.Helper()
	if installed {
		return
	}
	began := time.Now()
	s.helm("upgrade", "--install", release, chart, "--namespace", release, "--create-namespace",
		"--values", "testdata/values.yaml", "--set", "image.tag="+oldVersion, "--wait", "--timeout", "120s")
	s.t.Logf("helm install --wait took %v", since(began))
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: place}}
	if err := s.Client.Create(context.Background(), ns); client.IgnoreAlreadyExists(err) != nil {
		s.t.Fatal(err)
	}
	installed = true
}

// helm runs helm and shows what it prints.
func (s *system) helm(args ...string) {
	s.t.Helper()
	s.t.Logf("helm %s\n%s", strings.Join(args, " "), s.Helm(args...))
}

// upgrade upgrades the release, and rolls it back at the end of the test.
func (s *system) upgrade(set ...string) {
	s.t.Helper()
	revision := s.revision()
	s.t.Cleanup(func() {
		if s.revision() != revision {
			s.rollback(revision)
		}
	})
	began := time.Now()
	s.helm(append([]string{"upgrade", release, chart, "--namespace", release, "--reuse-values", "--wait", "--timeout", "180s"}, set...)...)
	s.t.Logf("helm upgrade --wait took %v", since(began))
}

func (s *system) rollback(revision string) {
	s.t.Helper()
	began := time.Now()
	s.helm("rollback", release, revision, "--namespace", release, "--wait", "--timeout", "180s")
	s.t.Logf("helm rollback --wait took %v", since(began))
}

// revision is that of the release now.
func (s *system) revision() string {
	s.t.Helper()
	var history []struct{ Revision json.Number }
	if err := json.Unmarshal([]byte(s.Helm("history", release, "--namespace", release, "--output", "json")), &history); err != nil {
		s.t.Fatal(err)
	}
	return history[len(history)-1].Revision.String()
}

// diagnose shows how pods are, and what the operator's log, if the test failed.
func (s *system) diagnose() {
	if !s.t.Failed() {
		return
	}
	for _, args := range []string{
		"get pods -A -o wide",
		"get mcroute -A",
		"logs -n kube-smcroute -l app.kubernetes.io/name=kube-smcroute --prefix --tail=15",
		"logs -n kube-smcroute -l app.kubernetes.io/name=kube-smcroute --prefix --tail=15 --previous --ignore-errors",
		"get events -A --field-selector=type=Warning",
	} {
		out, err := s.TryKubectl(strings.Fields(args)...)
		if err != nil {
			out += err.Error()
		}
		s.t.Logf("kubectl %s\n%s", args, out)
	}
}

// clear removes what a test has left.
func (s *system) clear() {
	for _, o := range []client.Object{
		&v1alpha1.MulticastRoute{}, &v1alpha1.MulticastGroup{}, &appsv1.Deployment{}, &corev1.Pod{},
	} {
		if err := s.Client.DeleteAllOf(context.Background(), o, client.InNamespace(place), client.GracePeriodSeconds(0)); err != nil {
			s.t.Error(err)
		}
	}
	s.await("pods of the test are gone", func() bool {
		var pods corev1.PodList
		return s.Client.List(context.Background(), &pods, client.InNamespace(place)) == nil && len(pods.Items) == 0
	})
}

// await waits until cond holds, or ends the test. It does not look as often as
// [netlab.Await]: an API server has more to do than a kernel.
func (s *system) await(what string, cond func() bool) {
	s.t.Helper()
	err := wait.PollUntilContextTimeout(context.Background(), 100*time.Millisecond, patience, true,
		func(context.Context) (bool, error) { return cond(), nil })
	if err != nil {
		s.t.Fatalf("timed out after %v waiting until %s", patience, what)
	}
}

// agent is the pod of a node's agent.
func (s *system) agent(node *clusterlab.Node) *corev1.Pod { return s.pod(node, "agent") }

// pod is a node's pod of a component: of several, which there are during a
// rollout, the newest that is not being deleted.
func (s *system) pod(node *clusterlab.Node, component string) *corev1.Pod {
	s.t.Helper()
	var newest *corev1.Pod
	s.await("there is a pod of the "+component+" on "+node.Name, func() bool {
		var pods corev1.PodList
		if err := s.Client.List(context.Background(), &pods, client.InNamespace(release),
			client.MatchingLabels{"app.kubernetes.io/component": component}); err != nil {
			return false
		}
		for i := range pods.Items {
			p := &pods.Items[i]
			if p.Spec.NodeName == node.Name && p.DeletionTimestamp == nil &&
				(newest == nil || newest.CreationTimestamp.Before(&p.CreationTimestamp)) {
				newest = p
			}
		}
		return newest != nil
	})
	return newest
}

// smcroutectl asks a node's agent, as users do.
func (s *system) smcroutectl(node *clusterlab.Node, args ...string) string {
	s.t.Helper()
	return s.Kubectl(append([]string{"exec", "-n", release, s.agent(node).Name, "-c", "agent", "--", "/smcroutectl", "-i", "smcroute-agent"}, args...)...)
}

// ready reports whether a pod is Ready, and not on its way out.
func ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue && p.DeletionTimestamp == nil
		}
	}
	return false
}

// since is the time since then, in tenths of a second.
func since(t time.Time) time.Duration { return time.Since(t).Round(100 * time.Millisecond) }
