package clusterlab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/hack/image/oci"
	"github.com/smcroute/kube-smcroute/test/kubelab"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

func TestMain(m *testing.M) { Main(m, buildHello) }

const helloImage = "hello.tar"

// buildHello makes the image of the pods.
func buildHello(dir string) error {
	root, err := kubelab.Root()
	if err != nil {
		return err
	}
	program := filepath.Join(dir, "hello")
	if _, err := run(root, GoCommand(), "build", "-ldflags=-s -w", "-o", program, "./test/clusterlab/hello"); err != nil {
		return err
	}
	index, err := oci.Index(oci.Image{Files: []oci.File{oci.Program(program)}, Config: v1.Config{Entrypoint: []string{"/hello"}}})
	if err != nil {
		return err
	}
	_, err = oci.Write(filepath.Join(dir, helloImage), "hello.test/hello:1", index)
	return err
}

// start returns the cluster that all tests share, with the pods hello.
func start(t *testing.T) *Cluster {
	t.Helper()
	first := shared == nil
	c := Shared(t, Options{Images: []string{filepath.Join(Dir(), helloImage)}})
	if first {
		c.Kubectl("apply", "-f", "testdata/hello.yaml")
	}
	c.Kubectl("rollout", "status", "ds/hello", "--timeout=60s")
	return c
}

// hello returns the pod on each node.
func hello(t *testing.T, c *Cluster) map[string]corev1.Pod {
	t.Helper()
	var list corev1.PodList
	if err := c.Client.List(context.Background(), &list, client.MatchingLabels{"app": "hello"}); err != nil {
		t.Fatal(err)
	}
	pods := map[string]corev1.Pod{}
	for _, p := range list.Items {
		pods[p.Spec.NodeName] = p
	}
	if len(pods) != len(c.Nodes) {
		t.Fatalf("pods on %d nodes, expected %d", len(pods), len(c.Nodes))
	}
	return pods
}

func TestNodes(t *testing.T) {
	c := start(t)
	t.Log("\n" + c.Kubectl("get", "nodes,pods", "-o", "wide"))
	for _, n := range c.Nodes {
		got := c.Kubectl("get", "node", n.Name, "-o", `jsonpath={range .status.addresses[*]}{.type}={.address} {end}`)
		if want := fmt.Sprintf("InternalIP=%v InternalIP=%v Hostname=%s ", n.IP, n.IP6, n.Name); got != want {
			t.Errorf("addresses of %s are %q, expected %q", n.Name, got, want)
		}
		if got := strings.TrimSpace(n.Exec("hostname")); got != n.Name {
			t.Errorf("the host name of %s is %q", n.Name, got)
		}
	}
}

// TestPodsTalk has every pod ask every other and the Service, with both families,
// through the network plug-ins bridge and ptp.
func TestPodsTalk(t *testing.T) {
	c := start(t)
	pods := hello(t, c)
	var want []string
	urls := []string{"exec", "", "--", "/hello"}
	for _, to := range pods {
		if len(to.Status.PodIPs) != 2 {
			t.Fatalf("addresses of pod %s: %v, expected one of each family", to.Name, to.Status.PodIPs)
		}
		for _, ip := range to.Status.PodIPs {
			urls = append(urls, "http://"+netip.AddrPortFrom(netip.MustParseAddr(ip.IP), 8080).String())
			want = append(want, to.Name)
		}
	}
	services := strings.Fields(c.Kubectl("get", "service", "hello", "-o", "jsonpath={.spec.clusterIPs[*]}"))
	if len(services) != 2 {
		t.Fatalf("addresses of the Service: %v, expected one of each family", services)
	}
	for _, n := range c.Nodes {
		urls[1] = pods[n.Name].Name
		if got := strings.Fields(c.Kubectl(urls...)); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("from %s: %v answer, expected %v", n.Name, got, want)
		}
		for _, ip := range services {
			// Each of them answers some time.
			seen := map[string]bool{}
			url := "http://" + netip.AddrPortFrom(netip.MustParseAddr(ip), 80).String()
			ask := append([]string{"exec", pods[n.Name].Name, "--", "/hello"}, slices.Repeat([]string{url}, 12)...)
			netlab.Await(t, patience, func() bool {
				out, err := c.TryKubectl(ask...)
				for name := range strings.FieldsSeq(out) {
					seen[name] = true
				}
				return err == nil && len(seen) == len(pods)
			}, "all pods to answer for "+url)
		}
	}
}

func TestLogs(t *testing.T) {
	c := start(t)
	for node, pod := range hello(t, c) {
		if got, want := c.Kubectl("logs", pod.Name), "hello from "+pod.Name+"\n"; got != want {
			t.Errorf("log of the pod on %s: %q, expected %q", node, got, want)
		}
	}
}

// TestProcesses looks at a container from outside, as the test of its
// capabilities does.
func TestProcesses(t *testing.T) {
	c := start(t)
	pods := hello(t, c)
	for _, n := range c.Nodes {
		pid := n.ContainerPID("default", pods[n.Name].Name, "hello")
		if found := n.PIDs("hello"); len(found) != 1 || found[0] != pid {
			t.Errorf("process of the container on %s: %d; processes of /hello: %v, expected that", n.Name, pid, found)
		}
		ns := netlab.At(t, fmt.Sprintf("/proc/%d/ns/net", pid))
		if !ns.Exists("eth0") {
			t.Errorf("the pod on %s has no eth0", n.Name)
		}
		for _, other := range c.Nodes {
			if other != n && other.has(pid) {
				t.Errorf("process %d is of %s, and of %s", pid, n.Name, other.Name)
			}
		}
	}
}

// TestMachineIsSpared looks for what kubelets would set for the whole machine.
func TestMachineIsSpared(t *testing.T) {
	c := start(t)
	n := c.Nodes[0]
	for name, value := range tunables {
		if got := strings.TrimSpace(n.Exec("cat", "/proc/sys/"+name)); got != value {
			t.Errorf("%s is %s on the node, expected %s", name, got, value)
		}
	}
	if out, err := n.TryExec("touch", "/etc/lab-was-here"); err == nil {
		t.Errorf("a node can write into /etc of the machine: %s", out)
		_ = os.Remove("/etc/lab-was-here")
	}
	if out, err := n.TryExec("sh", "-c", ": >/sys/module/kernel/parameters/panic"); err == nil {
		t.Errorf("a node can set parameters of the machine's modules: %s", out)
	}
	if out, err := n.TryExec("sh", "-c", "echo 1 >/proc/sys/vm/drop_caches"); err == nil {
		t.Errorf("a node can set /proc/sys/vm of the machine: %s", out)
	}
}

// TestLANs sends a stream from one machine of the studio to another. With
// snooping it comes to nobody else.
func TestLANs(t *testing.T) {
	c := start(t)
	studio, control, node := c.Outside("studio"), c.Outside("control"), c.Nodes[0].NS
	if c.Outside("studio") != studio {
		t.Error("a machine is made twice")
	}
	for _, stream := range []struct{ source, joined, flooded string }{
		{"10.77.0.101", "239.77.0.1", "224.0.0.77"},
		{"fd00:10:77::101", "ff15::77:1", "ff02::1"},
	} {
		source, joined := netip.MustParseAddr(stream.source), netip.MustParseAddr(stream.joined)
		flooded := mroute.SG{Source: source, Group: netip.MustParseAddr(stream.flooded)}
		join(t, control, "eth0", joined)
		sg := mroute.SG{Source: source, Group: joined}
		at, bystander := control.Capture("eth0"), node.Capture("eth1")
		netlab.Await(t, patience, func() bool {
			studio.Send("eth0", netlab.Packet{Src: source, Group: joined})
			return at.Count(sg) > 0
		}, "packets to come to who joined "+stream.joined)
		// Flooding ends when all have had the time to respond to a query.
		netlab.Await(t, patience, func() bool {
			bystander.Reset()
			at.Reset()
			studio.SendBurst("eth0", netlab.Packet{Src: source, Group: joined}, 0, 10)
			at.Await(sg, 10, patience)
			studio.Send("eth0", netlab.Packet{Src: source, Group: flooded.Group})
			bystander.Await(flooded, 1, patience) // it sees what comes
			return bystander.Count(sg) == 0
		}, "packets to "+stream.joined+" to come to nobody else")
	}
	for _, a := range []netip.Addr{c.Nodes[2].Studio, c.Nodes[2].Studio6} {
		if a.Is4() && a != netip.MustParseAddr("10.77.0.13") || a.Is6() && a != netip.MustParseAddr("fd00:10:77::13") {
			t.Errorf("n3 is %v in the studio", a)
		}
	}
}

// join joins a group until the end of the test.
func join(t *testing.T, ns *netlab.NS, link string, group netip.Addr) {
	t.Helper()
	err := ns.Do(func() error {
		ifi, err := net.InterfaceByName(link)
		if err != nil {
			return err
		}
		network := "udp4"
		if group.Is6() {
			network = "udp6"
		}
		conn, err := net.ListenMulticastUDP(network, ifi, &net.UDPAddr{IP: group.AsSlice(), Port: netlab.Port})
		if err == nil {
			t.Cleanup(func() { _ = conn.Close() })
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAPIServerStops(t *testing.T) {
	c := start(t)
	c.StopAPIServer()
	if _, err := c.TryKubectl("get", "nodes", "--request-timeout=2s"); err == nil {
		t.Error("kubectl works without an API server")
	}
	c.StartAPIServer()
	c.Kubectl("get", "nodes")
}

// TestPowerLoss kills a node and boots it again.
func TestPowerLoss(t *testing.T) {
	c := start(t)
	n := c.Nodes[1]
	netns := n.NS
	n.Kill()
	if left := n.PIDs("hello"); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
	if netns == nil || c.own.Exists("c-n2") {
		t.Error("a link to the node is left")
	}
	c.Kubectl("wait", "node", n.Name, "--for=condition=Ready=Unknown", "--timeout=60s")
	n.Start()
	c.Kubectl("rollout", "status", "ds/hello", "--timeout=60s")
	pod := hello(t, c)[n.Name]
	c.Kubectl("wait", "pod", pod.Name, "--for=condition=Ready", "--timeout=60s")
	if out := c.Kubectl("exec", pod.Name, "--", "/hello", "http://localhost:8080"); strings.TrimSpace(out) != pod.Name {
		t.Errorf("the pod on %s answers %q", n.Name, out)
	}
}
