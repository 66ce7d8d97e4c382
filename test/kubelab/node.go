package kubelab

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// ServiceAccount is that of the agents, in [Namespace].
const ServiceAccount = "kube-smcroute-agent"

// Node is a network namespace and the object of the same node.
type Node struct {
	Name   string
	NS     *netlab.NS
	Object *corev1.Node
	Socket string // of the agent, for smcroutectl

	lab     *Lab
	tb      netlab.TB
	addr    netip.Addr // of mgmt0
	bridges map[string]bool
	pods    int

	kubeconfig string // of the agent, once it has a token
	keeper     string // socket; "": there was none yet
}

// Node makes a node that is ready, without an agent. It is gone at the end of
// the test of tb. Names must be unique at any time.
func (l *Lab) Node(tb netlab.TB, name string, labels map[string]string) *Node {
	tb.Helper()
	l.nodes++
	n := &Node{
		Name: name, NS: netlab.New(tb), lab: l, tb: tb, bridges: map[string]bool{},
		addr:   netip.AddrFrom4([4]byte{10, 201, byte(l.nodes), 2}),
		Socket: filepath.Join(l.mkdir("sockets"), name),
	}
	uplink := fmt.Sprintf("mgmt%d", l.nodes)
	n.NS.Veth("mgmt0", l.own, uplink)
	gateway := netip.AddrFrom4([4]byte{10, 201, byte(l.nodes), 1})
	n.NS.AddAddr("mgmt0", netip.PrefixFrom(n.addr, 30))
	l.own.AddAddr(uplink, netip.PrefixFrom(gateway, 30))
	n.NS.AddRoute(netip.MustParsePrefix(Address+"/32"), "mgmt0", gateway)

	n.Object = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	l.Create(tb, n.Object)
	n.Object.Status = corev1.NodeStatus{
		Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: n.addr.String()}},
		Conditions: []corev1.NodeCondition{{
			Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady",
			LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now(),
		}},
	}
	if err := l.Client.Status().Update(context.Background(), n.Object); err != nil {
		tb.Fatalf("status of node %s: %v", name, err)
	}
	return n
}

// SetLabel sets a label of the node, or removes it if value is "".
func (n *Node) SetLabel(key, value string) {
	n.tb.Helper()
	label := key + "=" + value
	if value == "" {
		label = key + "-"
	}
	n.lab.Kubectl("label", "--overwrite", "node", n.Name, label)
}

// Token returns a token of the agent's service account that is bound to a pod
// on this node, as a kubelet gets for a pod.
func (n *Node) Token() string {
	n.tb.Helper()
	ctx := context.Background()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: "smcroute-agent-" + n.Name},
		Spec: corev1.PodSpec{
			NodeName: n.Name, HostNetwork: true, ServiceAccountName: ServiceAccount,
			Containers: []corev1.Container{{Name: "agent", Image: "smcroute-agent.test"}},
		},
	}
	if err := n.lab.Client.Get(ctx, client.ObjectKeyFromObject(pod), pod); err != nil {
		n.lab.Create(n.tb, pod)
	}
	return n.lab.Token(n.tb, ServiceAccount, &authv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, UID: pod.UID})
}

// Token returns a token of a service account in [Namespace], bound to an object
// or to none.
func (l *Lab) Token(tb netlab.TB, account string, bound *authv1.BoundObjectReference) string {
	tb.Helper()
	request := &authv1.TokenRequest{Spec: authv1.TokenRequestSpec{BoundObjectRef: bound, ExpirationSeconds: ptr.To[int64](24 * 3600)}}
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: account}}
	if err := l.Client.SubResource("token").Create(context.Background(), sa, request); err != nil {
		tb.Fatalf("token of service account %s: %v", account, err)
	}
	return request.Status.Token
}

// As returns a configuration for the bearer of a token.
func (l *Lab) As(token string) *rest.Config {
	config := rest.AnonymousClientConfig(l.Config)
	config.BearerToken = token
	return config
}

// KubeConfigFor writes a file for the bearer of a token and returns its path.
func (l *Lab) KubeConfigFor(name, token string) string {
	l.tb.Helper()
	config := clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{"lab": {
			Server: "https://" + net.JoinHostPort(Address, Port), CertificateAuthorityData: l.Config.CAData,
		}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{name: {Token: token}},
		Contexts:       map[string]*clientcmdapi.Context{"lab": {Cluster: "lab", AuthInfo: name}},
		CurrentContext: "lab",
	}
	data, err := clientcmd.Write(config)
	if err != nil {
		l.tb.Fatalf("kubelab: %v", err)
	}
	return l.write(name+".kubeconfig", data)
}

// probes is where agents answer probes, on their node.
const probes = "127.0.0.1:18081"

// Launch starts an agent on the node. Reports come fast; arguments can say
// otherwise.
func (n *Node) Launch(args ...string) *Process {
	n.tb.Helper()
	if n.kubeconfig == "" { // the API server may be away later
		n.kubeconfig = n.lab.KubeConfigFor("agent-"+n.Name, n.Token())
	}
	args = append([]string{
		"--node-name=" + n.Name,
		"--kubeconfig=" + n.kubeconfig,
		"--socket=" + n.Socket,
		"--health-probe-bind-address=" + probes,
		"--report-interval=1s",
		"--report-coalesce=100ms",
		"--keeper=" + n.keeper,
	}, args...)
	p := start(n.tb, "smcroute-agent on "+n.Name, n.NS.Command(filepath.Join(n.lab.o.Programs, "smcroute-agent"), args...))
	p.ready = func() bool { return n.probe("/readyz") }
	return p
}

// probe reports whether the agent answers with 200.
func (n *Node) probe(path string) bool { return n.Get("http://"+probes+path) == http.StatusOK }

// Get asks from the node, and returns the status code, or 0 if there is none.
func (n *Node) Get(url string) int {
	dial := func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
		err = n.NS.Do(func() error {
			conn, err = new(net.Dialer).DialContext(ctx, network, addr)
			return err
		})
		return conn, err
	}
	c := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: 5 * time.Second}
	response, err := c.Get(url)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// Smcroutectl asks the node's agent, and returns what is printed.
func (n *Node) Smcroutectl(args ...string) string {
	n.tb.Helper()
	out, err := exec.Command(filepath.Join(n.lab.o.Programs, "smcroutectl"), append([]string{"-u", n.Socket}, args...)...).CombinedOutput()
	if err != nil {
		n.tb.Fatalf("smcroutectl %v on %s: %v\n%s", args, n.Name, err, out)
	}
	return string(out)
}

// LaunchController starts the controller. It writes status fast; arguments can
// say otherwise.
func (l *Lab) LaunchController(tb netlab.TB, args ...string) *Process {
	tb.Helper()
	kubeconfig := l.KubeConfigFor("controller", l.Token(tb, "kube-smcroute-controller", nil))
	args = append([]string{
		"--kubeconfig=" + kubeconfig,
		"--leader-election-namespace=" + Namespace,
		"--health-probe-bind-address=127.0.0.1:18082",
		"--metrics-bind-address=0",
		"--status-interval=100ms",
		"--counters-interval=500ms",
	}, args...)
	p := start(tb, "smcroute-controller", exec.Command(filepath.Join(l.o.Programs, "smcroute-controller"), args...))
	p.ready = func() bool {
		response, err := http.Get("http://127.0.0.1:18082/readyz")
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	}
	return p
}

// LaunchGarbageCollector starts the part of Kubernetes that removes objects whose
// owner is gone, and the objects of namespaces that are deleted.
func (l *Lab) LaunchGarbageCollector(tb netlab.TB) *Process {
	tb.Helper()
	program := filepath.Join(l.assets(), "kube-controller-manager")
	if _, err := os.Stat(program); err != nil { // envtest's own assets are without
		tb.Skipf("needs kube-controller-manager, which make kubebox builds: unset %s, or add it: %v", EnvAssets, err)
	}
	cmd := exec.Command(program,
		"--kubeconfig="+l.KubeConfig, "--leader-elect=false", "--bind-address=127.0.0.1",
		"--controllers=garbage-collector-controller,namespace-controller",
		"--authentication-skip-lookup", "--cert-dir="+l.mkdir("controller-manager"))
	return start(tb, "kube-controller-manager", cmd)
}

// Fatalf ends the test of the node.
func (n *Node) Fatalf(format string, args ...any) {
	n.tb.Helper()
	n.tb.Fatalf(format, args...)
}

// String returns the node's name.
func (n *Node) String() string { return fmt.Sprintf("node %s", n.Name) }
