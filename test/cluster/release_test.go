package cluster

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/clusterlab"
)

// Helm upgrades the operator and rolls it back under streams: on each node the new
// agent stands by until the old one has gone, and the new keeper has what the old
// one had. No packet is lost, no group is left, nothing is counted back. Objects
// stay as they are.
func TestUpgrade(t *testing.T) {
	s := start(t)
	b, a := s.startBroadcast("upgraded", 1), s.audit()
	objects := s.Kubectl("get", "mcroute", "-n", place, "-o", "jsonpath={.items[*].metadata.uid}")
	revision := s.revision()
	for _, step := range []struct {
		name, version string
		do            func()
	}{
		{"upgrade", newVersion, func() { s.upgrade("--set", "image.tag="+newVersion) }},
		{"rollback", oldVersion, func() { s.rollback(revision) }},
	} {
		began := time.Now()
		step.do()
		s.rolledOut(step.version)
		t.Logf("%s: all nodes have %s after %v", step.name, step.version, since(began))
		b.goesOn(s.Nodes...)
		s.programmed("upgraded-known", int32(len(s.Nodes)))
	}
	b.end()
	a.countsForward()
	s.packetsOf("upgraded-known", b.flows[0])
	if after := s.Kubectl("get", "mcroute", "-n", place, "-o", "jsonpath={.items[*].metadata.uid}"); after != objects {
		t.Errorf("objects were %s and are %s", objects, after)
	}
}

// packetsOf waits until as many packets of a route are counted as the kernels
// have, of its only flow.
func (s *system) packetsOf(name string, sg mroute.SG) {
	s.t.Helper()
	s.packets(name, s.kernelPackets(func(other mroute.SG) bool { return other == sg }))
}

// rolledOut waits until each node has one agent and one keeper, of that version.
func (s *system) rolledOut(version string) {
	s.t.Helper()
	for _, program := range []string{"agent", "keeper"} {
		s.Kubectl("rollout", "status", "-n", release, "daemonset/kube-smcroute-"+program, "--timeout=120s")
		s.await("old "+program+"s are gone", func() bool {
			ds := &appsv1.DaemonSet{}
			err := s.Client.Get(s.t.Context(), client.ObjectKey{Namespace: release, Name: "kube-smcroute-" + program}, ds)
			want := int32(len(s.Nodes))
			return err == nil && ds.Status.ObservedGeneration == ds.Generation &&
				ds.Status.NumberAvailable == want && ds.Status.UpdatedNumberScheduled == want && ds.Status.CurrentNumberScheduled == want
		})
		for _, n := range s.Nodes {
			s.await(n.Name+" has one "+program, func() bool { return len(n.PIDs("smcroute-"+program)) == 1 })
			out := s.Kubectl("exec", "-n", release, s.pod(n, program).Name, "--", "/smcroute-"+program, "--version")
			if !strings.Contains(out, version) {
				s.t.Errorf("%s has %s, expected %s", n.Name, out, version)
			}
		}
	}
}

// Uninstalled with keepRoutes, the operator leaves its keepers, and packets flow on
// until it is installed again: none is lost.
//
// Without, it leaves nothing in the kernel of any node, and all
// CustomResourceDefinitions and objects. In a namespace that PodSecurity
// restricts its pods are refused, until the namespace has the label that the
// documentation tells. Then the objects are in effect again.
func TestUninstallAndReturn(t *testing.T) {
	s := start(t)
	b := s.startBroadcast("left", 2)
	s.helm("upgrade", release, chart, "--namespace", release, "--reuse-values", "--wait", "--timeout", "180s", "--set", "keeper.keepRoutes=true")
	s.uninstall()
	for _, n := range s.Nodes {
		s.await(n.Name+" has no agent", func() bool { return len(n.PIDs("smcroute-agent")) == 0 })
	}
	b.goesOn(s.Nodes...)
	s.Kubectl("wait", "-n", release, "--for=delete", "pod", "-l", "app.kubernetes.io/component=agent", "--timeout=60s")
	b.goesOn(s.Nodes...)
	s.install()
	s.rolledOut(oldVersion)
	s.programmed("left-known", int32(len(s.Nodes)))
	b.goesOn(s.Nodes...)
	b.end()

	for _, n := range s.Nodes {
		if k := kernelState(t, n); k.vifs == 0 || k.entries == 0 || len(k.groups) == 0 {
			t.Fatalf("%s has %+v", n.Name, k)
		}
	}
	s.uninstall()
	for _, n := range s.Nodes {
		s.await("the kernel of "+n.Name+" is clean", func() bool {
			k := kernelState(t, n)
			return k.vifs == 0 && k.entries == 0 && len(k.groups) == 0
		})
		// But for empty ones that agents and keepers lock.
		if out := n.Exec("find", "/run/kube-smcroute", "!", "-type", "d", "-size", "+0"); out != "" {
			t.Errorf("%s has still\n%s", n.Name, out)
		}
	}
	crds := s.Kubectl("get", "crd", "-o", "name")
	for _, name := range []string{"multicastroutes", "multicastgroups", "multicastnodestates"} {
		if !strings.Contains(crds, name+".multicast.smcroute.io") {
			t.Errorf("%s is gone; left are\n%s", name, crds)
		}
	}
	s.Kubectl("get", "mcroute", "-n", place, "left-known")
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
	b.begin()
	s.programmed("left-known", int32(len(s.Nodes)))
}

// uninstall uninstalls the release.
func (s *system) uninstall() {
	s.t.Helper()
	s.helm("uninstall", release, "--namespace", release, "--wait", "--timeout", "120s")
	installed = false
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
