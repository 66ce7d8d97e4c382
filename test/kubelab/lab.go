package kubelab

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Address and port of the API server, for the nodes.
const (
	Address = "10.201.0.1"
	Port    = "6443"
)

// Namespace is where config/default puts the operator.
const Namespace = "kube-smcroute"

// Options of a lab.
type Options struct {
	// Programs is the folder of smcroute-agent, smcroute-keeper, smcroutectl and
	// smcroute-controller.
	Programs string
	// Dir is for the lab's files. It is the caller's to remove.
	Dir string
	// StartTimeout is how long the API server may take to start, which is longer with
	// thousands of clients waiting for it; 0: a minute.
	StartTimeout time.Duration
}

// Lab is an API server with all of config/default applied.
type Lab struct {
	Config     *rest.Config // of an administrator
	Client     client.WithWatch
	KubeConfig string // path of a file with the same

	tb    netlab.TB
	o     Options
	root  string // of the project
	own   *netlab.NS
	env   *envtest.Environment
	nodes int
}

// Start starts etcd and the API server. [Find] must have been called.
func Start(tb netlab.TB, o Options) *Lab {
	tb.Helper()
	l := &Lab{tb: tb, o: o, own: netlab.Own(tb)}
	log.SetLogger(logr.Discard()) // the library's; it complains without one
	// No proxy of the machine is to be had in the lab, by us or what we start.
	_ = os.Setenv("NO_PROXY", "*")
	var err error
	if l.root, err = Root(); err != nil {
		tb.Fatalf("kubelab: %v", err)
	}
	l.own.AddAddr("lo", netip.MustParsePrefix(Address+"/32"))
	l.startControlPlane()
	l.Kubectl("apply", "--server-side", "-k", filepath.Join(l.root, "config/default"))
	l.Kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd",
		"multicastroutes.multicast.smcroute.io", "multicastgroups.multicast.smcroute.io", "multicastnodestates.multicast.smcroute.io")
	return l
}

func (l *Lab) startControlPlane() {
	l.tb.Helper()
	// A watch keeps an API server that is asked to end; it is killed then.
	l.env = &envtest.Environment{ControlPlaneStartTimeout: cmp.Or(l.o.StartTimeout, 2*patience), ControlPlaneStopTimeout: time.Second}
	l.env.ControlPlane.Etcd = &envtest.Etcd{DataDir: l.mkdir("etcd")}
	server := l.env.ControlPlane.GetAPIServer()
	server.CertDir = l.mkdir("apiserver") // named, so that it survives a restart
	server.SecureServing.Address, server.SecureServing.Port = Address, Port
	began := time.Now()
	config, err := l.env.Start()
	if err != nil {
		l.tb.Fatalf("kubelab: starting the API server: %v", err)
	}
	l.tb.Cleanup(func() { _ = l.env.Stop() }) // what it says is that it had to kill
	l.tb.Logf("API server ready after %v", time.Since(began).Round(100*time.Millisecond))
	l.Config = config
	l.Client, err = client.NewWithWatch(config, client.Options{Scheme: NewScheme()})
	if err != nil {
		l.tb.Fatalf("kubelab: %v", err)
	}
	l.KubeConfig = l.write("admin.kubeconfig", l.env.KubeConfig)
}

// NewScheme returns a scheme with the kinds of Kubernetes and ours.
func NewScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			panic(err) // kinds of two names, known at compile time
		}
	}
	metav1.AddMetaToScheme(s)
	return s
}

// StopServer ends the API server; etcd stays.
func (l *Lab) StopServer() {
	l.tb.Helper()
	_ = l.env.ControlPlane.APIServer.Stop() // an error is that it had to kill
	netlab.Await(l.tb, patience, func() bool {
		conn, err := net.Dial("tcp", net.JoinHostPort(Address, Port))
		if err == nil {
			_ = conn.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	}, "the API server to be gone")
}

// StartServer starts it again at the same address. If ctx is done before it answers, that
// ends the test.
func (l *Lab) StartServer(ctx context.Context) {
	l.tb.Helper()
	started := make(chan error, 1)
	go func() { started <- l.env.ControlPlane.APIServer.Start() }()
	var err error
	select {
	case err = <-started:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		l.tb.Fatalf("kubelab: starting the API server again: %v", err)
	}
}

// Kubectl runs kubectl as an administrator and returns what it prints. An error
// ends the test.
func (l *Lab) Kubectl(args ...string) string {
	l.tb.Helper()
	out, err := l.TryKubectl(args...)
	if err != nil {
		l.tb.Fatalf("%v", err)
	}
	return out
}

// TryKubectl is Kubectl for commands that may fail: the error has what kubectl
// says.
func (l *Lab) TryKubectl(args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(l.assets(), "kubectl"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+l.KubeConfig, "HOME="+l.o.Dir)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// KubeConfigAt writes a file for an administrator who comes to the server at
// another address, and returns its path.
func (l *Lab) KubeConfigAt(address string) string {
	l.tb.Helper()
	config, err := clientcmd.Load(l.env.KubeConfig)
	if err == nil {
		for _, c := range config.Clusters {
			c.Server, c.TLSServerName = "https://"+address, "localhost"
		}
		var data []byte
		if data, err = clientcmd.Write(*config); err == nil {
			return l.write("kubeconfig", data)
		}
	}
	l.tb.Fatalf("kubelab: %v", err)
	return ""
}

// Create creates an object, and deletes it at the end of the test of tb.
func (l *Lab) Create(tb netlab.TB, o client.Object) {
	tb.Helper()
	if err := l.Client.Create(context.Background(), o); err != nil {
		tb.Fatalf("creating %s: %v", o.GetName(), err)
	}
	tb.Cleanup(func() { _ = l.Client.Delete(context.Background(), o, client.GracePeriodSeconds(0)) })
}

func (l *Lab) mkdir(name string) string {
	l.tb.Helper()
	dir := filepath.Join(l.o.Dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		l.tb.Fatalf("kubelab: %v", err)
	}
	return dir
}

func (l *Lab) write(name string, data []byte) string {
	l.tb.Helper()
	file := filepath.Join(l.o.Dir, name)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		l.tb.Fatalf("kubelab: %v", err)
	}
	return file
}
