package cluster

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/test/clusterlab"
)

// Helm upgrades the operator and rolls it back under a stream: on each node the
// new agent stands by until the old one has gone. Objects stay as they are.
func TestUpgrade(t *testing.T) {
	s := start(t)
	w := s.startShow("upgraded", "239.8.1.1")
	w.stream.stop()
	objects := s.Kubectl("get", "mcroute", "-n", place, "-o", "jsonpath={.items[*].metadata.uid}")
	revision := s.revision()
	for _, step := range []struct {
		name, version string
		do            func()
	}{
		{"upgrade", newVersion, func() { s.upgrade("--set", "image.tag="+newVersion) }},
		{"rollback", oldVersion, func() { s.rollback(revision) }},
	} {
		w.stream = s.studio.stream(500, "239.8.1.1")
		w.flow = w.stream.flows()[0]
		tunes(w.players, []heard{w.flow})
		began := time.Now()
		step.do()
		s.rolledOut(step.version)
		t.Logf("%s: all nodes have %s after %v", step.name, step.version, since(began))
		for _, p := range w.players {
			w.goesOn(p)
		}
		sent := w.stream.stop()[0]
		for _, p := range w.players {
			got := p.hears(sent, 1)
			s.await(p.name+" hears the last packet", func() bool {
				r, _ := p.report()
				got = r.of(sent)
				return got.LastNumber == sent.Packets-1
			})
			if got.Duplicates > 0 {
				t.Errorf("%s: %v", p.name, got)
			}
			t.Logf("%s: %s lost %d packets of %d, at 500/s: a gap of %v", step.name, p.node.Name, got.Lost, sent.Packets, time.Duration(got.Lost)*2*time.Millisecond)
		}
		s.programmed("upgraded", int32(len(s.Nodes)))
	}
	if after := s.Kubectl("get", "mcroute", "-n", place, "-o", "jsonpath={.items[*].metadata.uid}"); after != objects {
		t.Errorf("objects were %s and are %s", objects, after)
	}
}

// rolledOut waits until each node has one agent, of that version.
func (s *system) rolledOut(version string) {
	s.t.Helper()
	s.Kubectl("rollout", "status", "-n", release, "daemonset/kube-smcroute-agent", "--timeout=120s")
	s.await("old agents are gone", func() bool {
		ds := &appsv1.DaemonSet{}
		err := s.Client.Get(s.t.Context(), client.ObjectKey{Namespace: release, Name: "kube-smcroute-agent"}, ds)
		want := int32(len(s.Nodes))
		return err == nil && ds.Status.ObservedGeneration == ds.Generation &&
			ds.Status.NumberAvailable == want && ds.Status.UpdatedNumberScheduled == want && ds.Status.CurrentNumberScheduled == want
	})
	for _, n := range s.Nodes {
		s.await(n.Name+" has one agent", func() bool { return len(n.PIDs("smcroute-agent")) == 1 })
		out := s.Kubectl("exec", "-n", release, s.agent(n).Name, "-c", "agent", "--", "/smcroute-agent", "--version")
		if !strings.Contains(out, version) {
			s.t.Errorf("%s has %s, expected %s", n.Name, out, version)
		}
	}
}

// Uninstalled, the operator leaves nothing in the kernel of any node, and all
// CustomResourceDefinitions and objects. In a namespace that PodSecurity
// restricts its pods are refused, until the namespace has the label that the
// documentation tells. Then the objects are in effect again.
func TestUninstallAndReturn(t *testing.T) {
	s := start(t)
	w := s.startShow("left", "239.8.2.2")
	for _, n := range s.Nodes {
		if k := kernelState(t, n); k.vifs == 0 || k.entries == 0 || len(k.groups) == 0 {
			t.Fatalf("%s has %+v", n.Name, k)
		}
	}
	s.helm("uninstall", release, "--namespace", release, "--wait", "--timeout", "120s")
	installed = false
	for _, n := range s.Nodes {
		s.await("the kernel of "+n.Name+" is clean", func() bool {
			k := kernelState(t, n)
			return k.vifs == 0 && k.entries == 0 && len(k.groups) == 0
		})
	}
	crds := s.Kubectl("get", "crd", "-o", "name")
	for _, name := range []string{"multicastroutes", "multicastgroups", "multicastnodestates"} {
		if !strings.Contains(crds, name+".multicast.smcroute.io") {
			t.Errorf("%s is gone; left are\n%s", name, crds)
		}
	}
	s.Kubectl("get", "mcroute", "-n", place, "left")
	if rest := s.Kubectl("get", "all", "-n", release, "-o", "name"); rest != "" {
		t.Logf("still ending: %s", rest)
	}

	const label = "pod-security.kubernetes.io/enforce"
	s.Kubectl("label", "namespace", release, label+"=restricted")
	s.helm("install", release, chart, "--namespace", release, "--values", "testdata/values.yaml", "--set", "image.tag="+oldVersion)
	installed = true
	s.await("the agents' pods are refused", func() bool {
		out, _ := s.TryKubectl("get", "events", "-n", release, "--field-selector=reason=FailedCreate,involvedObject.kind=DaemonSet")
		return strings.Contains(out, `violates PodSecurity "restricted`)
	})
	s.Kubectl("label", "namespace", release, "--overwrite", label+"=privileged")
	s.rolledOut(oldVersion)
	for _, p := range w.players {
		w.goesOn(p)
	}
	s.programmed("left", int32(len(s.Nodes)))
}

// kernel is the multicast routing state of a node.
type kernel struct {
	vifs, entries int      // IPv4 and IPv6
	groups        []string // joined on eth1
}

var allRoutersOfSite = addr("ff05::2")

func kernelState(t *testing.T, node *clusterlab.Node) (k kernel) {
	t.Helper()
	count := func(name string) (n int, err error) {
		text, err := os.ReadFile("/proc/thread-self/net/" + name)
		return max(0, strings.Count(string(text), "\n")-1), err // without the heading
	}
	err := node.NS.Do(func() error {
		for name, sum := range map[string]*int{"ip_mr_vif": &k.vifs, "ip6_mr_vif": &k.vifs, "ip_mr_cache": &k.entries, "ip6_mr_cache": &k.entries} {
			n, err := count(name)
			if err != nil {
				return err
			}
			*sum += n
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, sg := range node.NS.Memberships("eth1") {
		// The kernel of a node that forwards joins some for all routers, IPv6.
		if !sg.Group.IsLinkLocalMulticast() && !sg.Group.IsInterfaceLocalMulticast() && sg.Group != allRoutersOfSite {
			k.groups = append(k.groups, fmt.Sprint(sg))
		}
	}
	return k
}
