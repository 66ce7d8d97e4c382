package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// manifest is a route from eth0 of one flow, in YAML.
func manifest(name, group, to string) string {
	return fmt.Sprintf(`---
apiVersion: multicast.smcroute.io/v1alpha1
kind: MulticastRoute
metadata: {name: %s}
spec:
  from: {interface: eth0}
  sources: [192.0.2.1]
  groups: ["%s"]
  to: [{interface: %s}]
`, name, group, to)
}

// The whole life of an agent without a cluster.
func TestManifests(t *testing.T) {
	n := newLab(t)
	n.write("m/routes.yaml", manifest("a", "225.1.2.3", "eth1"))
	n.start("--manifests", n.path("m"), "--status-dir", n.path("s"), "--report-interval=200ms")
	n.awaitForwarding("192.0.2.1", "225.1.2.3")
	n.await("/readyz", func() bool { code, _ := n.probe("/readyz"); return code == http.StatusOK })
	if code, body := n.probe("/healthz/router"); code != http.StatusOK {
		t.Errorf("/healthz/router: %d %s", code, body)
	}
	n.await("a line of the log", func() bool { return n.lines("msg=Programmed") == 1 })
	if got := n.show(); !strings.Contains(got, "225.1.2.3") {
		t.Errorf("smcroutectl shows\n%s", got)
	}

	n.write("m/routes.yaml", manifest("a", "225.1.2.3", "eth1")+manifest("b", "225.1.2.4", "eth1"))
	n.awaitForwarding("192.0.2.1", "225.1.2.4")
	n.awaitForwarding("192.0.2.1", "225.1.2.3")
	n.await("the status", func() bool {
		text, err := os.ReadFile(n.path("s/mcroute.default.b.yaml"))
		return err == nil && bytes.Contains(text, []byte("programmed: 1/1"))
	})

	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := n.end(); code != exitcode.OK {
		t.Errorf("exit code %d", code)
	}
	if k := n.entries(); k != 0 {
		t.Errorf("the kernel has %d entries after the end", k)
	}
}

// kubeconfig is one of an API server without TLS.
func kubeconfig(address string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://%s"}}]
users: [{name: u, user: {}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`, address)
}

// Nothing but objects depends on the API server.
func TestWithoutAPIServer(t *testing.T) {
	n := newLab(t)
	conf := n.write("smcroute.conf", "mroute from eth0 source 192.0.2.1 group 225.1.2.3 to eth1\n")
	n.start("--kubeconfig", n.write("kubeconfig", kubeconfig("127.0.0.1:1")), "--conf-file", conf)
	n.awaitForwarding("192.0.2.1", "225.1.2.3")
	n.await("a line of the log", func() bool { return n.lines("The API server does not answer") > 0 })
	if code, body := n.probe("/healthz"); code != http.StatusOK {
		t.Errorf("/healthz: %d %s", code, body)
	}
	n.await("/readyz to tell what is ready", func() bool {
		code, body := n.probe("/readyz")
		return code == http.StatusInternalServerError && strings.Contains(body, "[-]kubernetes") && strings.Contains(body, "[+]conf-file ok")
	})
	if got := n.show(); !strings.Contains(got, "225.1.2.3") {
		t.Errorf("smcroutectl shows\n%s", got)
	}

	n.write("smcroute.conf", "mroute from eth0 source 192.0.2.1 group 225.1.2.4 to eth1\n")
	if err := n.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	n.awaitForwarding("192.0.2.1", "225.1.2.4")
	if k := n.lines("The API server does not answer"); k != 1 {
		t.Errorf("%d lines tell that the API server is away", k)
	}
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := n.end(); code != exitcode.OK {
		t.Errorf("exit code %d", code)
	}
}

// That the API server is away, back, and refuses is told once, however often it
// is asked.
func TestAPIServerComesAndRefuses(t *testing.T) {
	n := newLab(t)
	address := "127.0.0.1:6443" // of a namespace of its own
	n.start("--kubeconfig", n.write("kubeconfig", kubeconfig(address)))
	n.await("a line of the log", func() bool { return n.lines("The API server does not answer") == 1 })

	var l net.Listener
	if err := n.router.Do(func() (err error) {
		l, err = net.Listen("tcp", address)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/nodes" {
			asked.Add(1)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"%s is forbidden","reason":"Forbidden","code":403}`, r.URL.Path)
	})}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	// The pauses between attempts get longer and longer, by chance up to 13 s.
	netlab.Await(t, 3*soon, func() bool { return asked.Load() >= 3 }, "three attempts")
	if k := n.lines("The API server answers again"); k != 1 {
		t.Errorf("%d lines tell that the API server is back", k)
	}
	if k := n.lines("The API server refuses"); k < 1 || k > 4 {
		t.Errorf("%d lines tell that lists are refused, want one for each of four types", k)
	}
	if k := n.lines("\n"); k > 12 {
		t.Errorf("%d lines in the log", k)
	}
	if code, _ := n.probe("/readyz"); code != http.StatusInternalServerError {
		t.Errorf("/readyz: %d", code)
	}
}

// The router is in another network namespace than the agent.
func TestNetNS(t *testing.T) {
	n := newLab(t)
	n.write("m/routes.yaml", manifest("a", "225.1.2.3", "eth1"))
	path := n.router.ProcPath()
	n.router = n.sender // where the agent runs, and is probed
	n.start("--manifests", n.path("m"), "--netns", path)
	n.awaitForwarding("192.0.2.1", "225.1.2.3")
}

// The tables of a program that is no agent are not waited for.
func TestTableInUse(t *testing.T) {
	n := newLab(t)
	n.write("m/routes.yaml", manifest("a", "225.1.2.3", "eth1"))
	k, err := linux.Open(linux.Options{NetNS: n.router.ProcPath()})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	n.start("--manifests", n.path("m"))
	if code := n.end(); code != exitcode.Unavailable {
		t.Errorf("exit code %d, want %d", code, exitcode.Unavailable)
	}
	if !strings.Contains(n.log.String(), "in use by another process") {
		t.Errorf("log:\n%s", n.log.String())
	}
}

func TestPortInUse(t *testing.T) {
	n := newLab(t)
	n.write("m/routes.yaml", manifest("a", "225.1.2.3", "eth1"))
	n.start("--manifests", n.path("m"))
	n.ready()
	second := n.beside(t)
	second.start("--manifests", n.path("m"), "--table=7")
	if code := second.end(); code != exitcode.OSErr || !strings.Contains(second.log.String(), "--health-probe-bind-address") {
		t.Errorf("exit code %d of one whose port is in use, want %d; log:\n%s", code, exitcode.OSErr, second.log.String())
	}
}

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad")
	if err := os.WriteFile(bad, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	both := filepath.Join(dir, "both")
	if err := os.WriteFile(both, []byte("kubeconfig: y"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, env := range []string{"KUBECONFIG", "NODE_NAME", "POD_NAMESPACE", "KUBERNETES_SERVICE_HOST"} {
		t.Setenv(env, "")
	}
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"--help", exitcode.OK, "--node-name NAME"},
		{"--version", exitcode.OK, "smcroute-agent v"},
		{"--tabel=7", exitcode.Usage, "did you mean --table?"},
		{"--table=1000000000 --manifests=x", exitcode.Usage, `--table: expected a whole number from 0 to 999999999, not "1000000000"`},
		{"--table=x --manifests=x", exitcode.Usage, `--table: expected a whole number from 0 to 999999999, not "x"`},
		{"--table", exitcode.Usage, "--table needs a value: expected a whole number from 0 to 999999999"},
		{"--node-name=N1", exitcode.Usage, `"N1" is not the name of a Node`},
		{"--report=Some", exitcode.Usage, `--report: expected Full, Summary or Off, not "Some"`},
		{"--report-interval=0s", exitcode.Usage, "--report-interval: expected more than 0s"},
		{"--status-dir=x", exitcode.Usage, "--status-dir is for --manifests"},
		{"--node-labels=a=b", exitcode.Usage, "--node-labels is for --manifests"},
		{"--manifests=x --node-labels=a=b!", exitcode.Usage, `"b!" is not the value of a label`},
		{"--manifests=x --kubeconfig=y", exitcode.Usage, "--kubeconfig says where the API server is, which --manifests does without"},
		{"--manifests=x --config=" + both, exitcode.Usage, "--kubeconfig says where the API server is, which --manifests does without"},
		{"--manifests=x --pod-network-namespaces", exitcode.Usage, "needs Kubernetes"},
		{"--manifests=x --health-probe-bind-address=unix://run/s", exitcode.Usage, "expected unix:///PATH"},
		{"--log-level=loud", exitcode.Usage, "expected error, warn, notice, info or debug"},
		{"--config=" + bad, exitcode.Usage, "not YAML"},
		{"--node-name=n1", exitcode.Config, "there is no Kubernetes here"},
		{"--node-name=n1 --kubeconfig=" + bad, exitcode.Config, "--kubeconfig: "},
		{"--node-name=n1 --kubeconfig=/nonexistent", exitcode.Config, "/nonexistent"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(strings.Fields(tt.args), &stdout, &stderr, parts{capabilities: cap.GetProc})
		if out := stdout.String() + strings.ReplaceAll(stderr.String(), `\"`, `"`); code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%s: exit code %d, want %d; output, want %q:\n%s", tt.args, code, tt.code, tt.want, out)
		}
	}
}

// A KUBECONFIG that is in the environment for other programs does no harm to an agent with
// manifests.
func TestKubeconfigOfOthers(t *testing.T) {
	t.Setenv("KUBECONFIG", "/nonexistent")
	o, _, _, err := parseOptions([]string{"--node-name=n1", "--manifests=x"})
	if err != nil || o.manifests != "x" {
		t.Errorf("manifests %q, error %v", o.manifests, err)
	}
	for _, args := range [][]string{{"--node-name=n1"}, {"--node-name=n1", "--kubeconfig=/nonexistent"}} {
		if o, _, _, err := parseOptions(args); err != nil || o.kubeconfig != "/nonexistent" {
			t.Errorf("%q: kubeconfig %q, error %v", args, o.kubeconfig, err)
		}
	}
}
