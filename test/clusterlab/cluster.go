package clusterlab

import (
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Options of a cluster.
type Options struct {
	// Nodes is how many there are: 1 to 9. 0 stands for 3.
	Nodes int
	// Images are OCI layouts in tar files, to be imported into every node.
	Images []string
	// Dir is a folder for the logs of all parts, that stays. If it is "" they
	// are in a folder of the lab that vanishes with it.
	Dir string
}

// Cluster is one that runs, with all its nodes Ready.
type Cluster struct {
	Config     *rest.Config // of an administrator
	Client     client.WithWatch
	KubeConfig string // path of a file with the same
	Nodes      []*Node
	Logs       string // folder of the logs

	tb netlab.TB
	o  Options
}

// Main is for TestMain. It runs the tests of m in a lab of their own, see
// [Isolate], and ends the process with their exit code. Where that is not
// possible, the tests run all the same, and [Start] skips them with the reason;
// with the variable CI set the program ends instead.
//
// The functions are called before, once, in the machine's own namespaces, with
// a folder that vanishes with the lab: to build what needs a way to a module
// proxy. Variables that they set in the environment are there in the tests.
func Main(m interface{ Run() int }, before ...func(dir string) error) { panic("soon") }

// Shared starts the cluster that all tests of a program share, or returns it if
// it has been started before, with options that are ignored then. An error in a
// method of the cluster ends the test that called Shared last. Tests that use it
// cannot be parallel. If the test fails, the ends of logs are shown.
func Shared(tb netlab.TB, o Options) *Cluster { panic("soon") }

// Start starts a cluster and waits for its nodes to be Ready.
func Start(tb netlab.TB, o Options) *Cluster { panic("soon") }

// Kubectl runs kubectl as an administrator and returns what it prints. An error
// ends the test.
func (c *Cluster) Kubectl(args ...string) string { panic("soon") }

// TryKubectl is Kubectl for commands that may fail: the error has what kubectl
// says.
func (c *Cluster) TryKubectl(args ...string) (string, error) { panic("soon") }

// Helm runs helm as an administrator and returns what it prints. An error ends
// the test.
func (c *Cluster) Helm(args ...string) string { panic("soon") }

// TryHelm is Helm for commands that may fail.
func (c *Cluster) TryHelm(args ...string) (string, error) { panic("soon") }

// Env is the environment for programs that administer the cluster: KUBECONFIG,
// and PATH with kubectl and helm.
func (c *Cluster) Env() []string { panic("soon") }

// Outside returns a machine on the studio's LAN, which is its eth0, that is no
// part of the cluster. The first call with a name makes it.
func (c *Cluster) Outside(name string) *netlab.NS { panic("soon") }

// StopAPIServer ends the API server; all else stays.
func (c *Cluster) StopAPIServer() { panic("soon") }

// StartAPIServer starts it again and waits until it is ready.
func (c *Cluster) StartAPIServer() { panic("soon") }
