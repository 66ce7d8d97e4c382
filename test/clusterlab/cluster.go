package clusterlab

import (
	"os"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/smcroute/kube-smcroute/test/clusterlab/capsule"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Options of a cluster.
type Options struct {
	// Nodes is how many there are: 1 to 9. 0 stands for 3.
	Nodes int
	// Images are OCI layouts in tar files, to be imported into every node.
	Images []string
	// Dir is a folder for the logs of all parts, that stays; the variable
	// CLUSTERLAB_LOGS can name one, too. Without, they are in a folder of the lab
	// that vanishes with it.
	Dir string
}

// Cluster is one that runs, with all its nodes Ready.
type Cluster struct {
	Config     *rest.Config // of an administrator
	Client     client.WithWatch
	KubeConfig string // path of a file with the same
	Nodes      []*Node
	Logs       string // folder of the logs

	tb        netlab.TB
	began     time.Time
	own       *netlab.NS // the lab's namespace
	pki       *pki
	apiserver *part
	machines  map[string]*netlab.NS
}

// Start starts a cluster, the only one of the program, and waits for its nodes to
// be Ready. Its end is that of the lab.
func Start(tb netlab.TB, o Options) *Cluster {
	tb.Helper()
	if missing := os.Getenv(envMissing); missing != "" {
		tb.Skipf("needs a cluster: %s", missing)
	}
	if !capsule.Inside() {
		tb.Fatalf("clusterlab: call Main or Isolate first")
	}
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	if o.Nodes < 1 || o.Nodes > 9 {
		tb.Fatalf("clusterlab: %d nodes: expected 1 to 9", o.Nodes)
	}
	c := &Cluster{tb: tb, began: time.Now(), Logs: o.Dir}
	if c.Logs == "" {
		c.Logs = os.Getenv(envLogs)
	}
	if c.Logs == "" {
		c.Logs = filepath.Join(capsule.Dir(), "logs")
	}
	log.SetLogger(logr.Discard())  // the library's; it complains without one
	_ = os.Setenv("NO_PROXY", "*") // the machine's is not to be had in the lab
	err := os.MkdirAll(c.Logs, 0o755)
	if err == nil {
		err = c.makePKI()
	}
	if err != nil {
		tb.Fatalf("clusterlab: %v", err)
	}
	life := &life{TB: tb}
	c.own = netlab.Own(life)
	c.makeLANs()
	life.begin()
	for i := range o.Nodes {
		c.Nodes = append(c.Nodes, c.newNode(i+1))
	}
	if err := c.start(append([]string{filepath.Join(capsule.Dir(), "pause.tar")}, o.Images...)); err != nil {
		tb.Fatalf("clusterlab: %v\n%s", err, c.troubles())
	}
	c.timed("the cluster is up")
	return c
}

// envLogs names a folder for logs.
const envLogs = "CLUSTERLAB_LOGS"

// start starts all parts: the nodes up to containerd while the control plane
// starts, for they don't need it.
func (c *Cluster) start(images []string) error {
	for _, n := range c.Nodes {
		if err := n.issue(); err != nil {
			return err
		}
		n.boot()
	}
	c.timed("the nodes have power")
	var all errgroup.Group
	all.Go(func() error {
		if err := c.startControlPlane(); err != nil {
			return err
		}
		c.timed("the control plane runs")
		return nil
	})
	for _, n := range c.Nodes {
		all.Go(func() error {
			if err := n.startRuntime(images); err != nil {
				return err
			}
			c.timed("containerd of " + n.Name + " has the images")
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	all = errgroup.Group{}
	for _, n := range c.Nodes {
		all.Go(func() error {
			if err := n.startKubelet(); err != nil {
				return err
			}
			if err := n.awaitReady(); err != nil {
				return err
			}
			c.timed(n.Name + " is Ready")
			return nil
		})
	}
	all.Go(c.awaitServiceAccount)
	return all.Wait()
}
