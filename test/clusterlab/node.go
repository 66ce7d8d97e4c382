package clusterlab

import (
	"bytes"
	"context"
	"crypto/x509/pkix"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/test/clusterlab/capsule"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Node is a machine of the cluster, in network, mount, PID, UTS and IPC
// namespaces of its own.
type Node struct {
	Name string
	// NS is its network: another after Start. Eth0 is the cluster's LAN, eth1 the
	// studio's, eth2 the stage's.
	NS              *netlab.NS
	IP, IP6         netip.Addr // of eth0
	Studio, Studio6 netip.Addr // of eth1
	Stage, Stage6   netip.Addr // of eth2
	PodNet, PodNet6 netip.Prefix
	CNI             string // plug-in of the pods' network: bridge or ptp

	cluster *Cluster
	number  int // from 1
	box     *capsule.Box
	life    *life // ends with the box
	ports   []string
	kubelet *part
	booted  time.Time
}

func (c *Cluster) newNode(number int) *Node {
	n := &Node{
		Name: fmt.Sprintf("n%d", number), CNI: "bridge", cluster: c, number: number,
		PodNet:  netip.MustParsePrefix(fmt.Sprintf("10.244.%d.0/24", number)),
		PodNet6: netip.MustParsePrefix(fmt.Sprintf("fd00:244:%d::/64", number)),
	}
	if number == 3 {
		n.CNI = "ptp"
	}
	for l, to := range map[lan][2]*netip.Addr{
		clusterLAN: {&n.IP, &n.IP6}, studioLAN: {&n.Studio, &n.Studio6}, stageLAN: {&n.Stage, &n.Stage6},
	} {
		for i, a := range l.hosts(10 + number) {
			*to[i] = a.Addr()
		}
	}
	return n
}

// issue makes the node's certificates, once.
func (n *Node) issue() error {
	subject := pkix.Name{CommonName: "system:node:" + n.Name, Organization: []string{"system:nodes"}}
	if _, err := n.cluster.pki.kubeconfig("node-"+n.Name, server, subject); err != nil {
		return err
	}
	return n.cluster.pki.issue("kubelet-"+n.Name, subject, []netip.Addr{n.IP, n.IP6}, n.Name)
}

// boot makes the machine, with a network.
func (n *Node) boot() {
	n.cluster.tb.Helper()
	n.booted = time.Now()
	if err := capsule.MakeCgroup(n.cgroup()); err != nil {
		n.cluster.tb.Fatalf("clusterlab: cgroup of %s: %v", n.Name, err)
	}
	var err error
	n.box, err = capsule.Boot(capsule.Spec{Name: n.Name, Disk: n.disk(), Tunables: tunables})
	if err != nil {
		n.cluster.tb.Fatalf("clusterlab: booting %s: %v", n.Name, err)
	}
	n.life = &life{TB: n.cluster.tb}
	n.NS = netlab.At(n.life, fmt.Sprintf("/proc/%d/ns/net", n.box.PID))
	n.connect()
	n.life.begin()
}

func (n *Node) cgroup() string { return capsule.Cgroup() + "/" + n.Name }

func (n *Node) disk() string { return filepath.Join(capsule.Disk(), n.Name) }

// startRuntime starts containerd and imports images, unless the disk has them.
func (n *Node) startRuntime(images []string) error {
	if err := n.configure(); err != nil {
		return err
	}
	containerd, err := n.launch("containerd", "containerd", "--config="+n.file("containerd.toml"))
	if err != nil {
		return err
	}
	err = containerd.await(func() bool {
		_, err := os.Stat(filepath.Join(n.box.Root(), runtimeSocket))
		return err == nil
	}, "the socket of containerd on "+n.Name)
	if err != nil {
		return err
	}
	for _, image := range images {
		if err := n.importImage(image); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) importImage(tar string) error {
	_, err := n.TryExec("ctr", "--address="+runtimeSocket, "--namespace=k8s.io", "images", "import", tar)
	return err
}

// startKubelet starts what needs the API server.
func (n *Node) startKubelet() (err error) {
	n.kubelet, err = n.launch("kubelet", "kubelet",
		"--config="+n.file("kubelet.yaml"), "--kubeconfig="+n.cluster.pki.path("node-"+n.Name+".kubeconfig"),
		"--hostname-override="+n.Name, "--node-ip="+n.IP.String()+","+n.IP6.String(), "--root-dir=/var/lib/kubelet", "--v=2")
	if err != nil {
		return err
	}
	_, err = n.launch("kube-proxy", "kube-proxy", "--config="+n.file("kube-proxy.yaml"))
	return err
}

func (n *Node) launch(name, program string, args ...string) (*part, error) {
	return n.cluster.launch(n.box, name+"-"+n.Name, program, args...)
}

// awaitReady waits until the kubelet has said that the node is, since it was
// booted.
func (n *Node) awaitReady() error {
	return n.kubelet.await(func() bool {
		var node corev1.Node
		if err := n.cluster.Client.Get(context.Background(), client.ObjectKey{Name: n.Name}, &node); err != nil {
			return false
		}
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady {
				// Seconds are all that it has.
				return condition.Status == corev1.ConditionTrue && !condition.LastHeartbeatTime.Time.Before(n.booted.Truncate(time.Second))
			}
		}
		return false
	}, "node "+n.Name+" to be Ready")
}

// Kill is a power loss: all the node's processes, links and kernel tables are
// gone at once. Its disk stays.
func (n *Node) Kill() {
	n.cluster.tb.Helper()
	if n.box == nil {
		n.cluster.tb.Fatalf("clusterlab: %s has no power already", n.Name)
	}
	n.box.Kill()
	for _, port := range n.ports { // what holds the namespace open is cut off
		if n.cluster.own.Exists(port) {
			n.cluster.own.Delete(port)
		}
	}
	n.life.end()
	if err := capsule.RemoveCgroup(n.cgroup()); err != nil {
		n.cluster.tb.Fatalf("clusterlab: %v", err)
	}
	n.box = nil
}

// Start boots the node again after Kill, and waits until its kubelet has said
// that it is Ready.
func (n *Node) Start() {
	n.cluster.tb.Helper()
	if n.box != nil {
		n.cluster.tb.Fatalf("clusterlab: %s runs: Kill it first", n.Name)
	}
	n.boot()
	err := n.startRuntime(nil)
	if err == nil {
		err = n.startKubelet()
	}
	if err == nil {
		err = n.awaitReady()
	}
	if err != nil {
		n.cluster.tb.Fatalf("clusterlab: %v", err)
	}
}

// ImportImage imports an OCI layout in a tar file.
func (n *Node) ImportImage(tar string) {
	n.cluster.tb.Helper()
	if err := n.importImage(tar); err != nil {
		n.cluster.tb.Fatalf("clusterlab: %v", err)
	}
}

// ImportImage imports an OCI layout in a tar file into all nodes.
func (c *Cluster) ImportImage(tar string) {
	c.tb.Helper()
	var all errgroup.Group
	for _, n := range c.Nodes {
		all.Go(func() error { return n.importImage(tar) })
	}
	if err := all.Wait(); err != nil {
		c.tb.Fatalf("clusterlab: %v", err)
	}
}

// Run starts a program in all the node's namespaces, and waits for its end, as
// cmd.Run does.
func (n *Node) Run(cmd *exec.Cmd) error {
	if n.box == nil {
		return fmt.Errorf("%s has no power", n.Name)
	}
	if err := n.box.Start(cmd); err != nil {
		return err
	}
	return cmd.Wait()
}

// Exec runs a program in all the node's namespaces, and returns what it
// prints. An error ends the test.
func (n *Node) Exec(name string, args ...string) string {
	n.cluster.tb.Helper()
	out, err := n.TryExec(name, args...)
	if err != nil {
		n.cluster.tb.Fatalf("%v", err)
	}
	return out
}

// TryExec is Exec for programs that may fail: the error has what it says.
func (n *Node) TryExec(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = append(os.Environ(), "TMPDIR="+capsule.TempDir)
	if err := n.Run(cmd); err != nil {
		return out.String(), fmt.Errorf("on %s: %s %s: %w: %s", n.Name, name, strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}
