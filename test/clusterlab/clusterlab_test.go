package clusterlab

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/hack/image/oci"
	"github.com/smcroute/kube-smcroute/test/kubelab"
	"github.com/smcroute/kube-smcroute/test/netlab"

	v1 "github.com/google/go-containerregistry/pkg/v1"
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
	if _, err := run(root, "go", "build", "-ldflags=-s -w", "-o", program, "./test/clusterlab/hello"); err != nil {
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
			netlab.Await(t, patience, func() bool {
				out, err := c.TryKubectl("exec", pods[n.Name].Name, "--", "/hello", url, url, url)
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
	if out, err := n.TryExec("sh", "-c", "echo 1 >/proc/sys/vm/drop_caches"); err == nil {
		t.Errorf("a node can set /proc/sys/vm of the machine: %s", out)
	}
}

func TestLANs(t *testing.T) {
	c := start(t)
	for _, machine := range []*netlab.NS{c.Outside("studio"), c.Outside("control"), c.Stage("studio")} {
		for _, n := range c.Nodes {
			addresses := []netip.Addr{n.Studio, n.Studio6}
			if machine == c.Stage("studio") {
				addresses = []netip.Addr{n.Stage, n.Stage6}
			}
			for _, a := range addresses {
				out, err := machine.Command("ping", "-c1", "-W5", a.String()).CombinedOutput()
				if _, missing := exec.LookPath("ping"); missing != nil {
					t.Skip("needs ping, of Debian's package iputils-ping")
				}
				if err != nil {
					t.Errorf("%s does not answer at %v: %v\n%s", n.Name, a, err, out)
				}
			}
		}
	}
	if c.Outside("studio") != c.Outside("studio") {
		t.Error("a machine is made twice")
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
