package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// envPlay makes the test binary be the agent, envWithout one without a
// capability.
const (
	envPlay    = "SMCROUTE_AGENT_TEST_PLAY"
	envWithout = "SMCROUTE_AGENT_TEST_WITHOUT"
)

func TestMain(m *testing.M) {
	if os.Getenv(envPlay) != "" {
		if name := os.Getenv(envWithout); name != "" {
			giveUp(name)
		}
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr, linked()))
	}
	programs.MainOf(m, "smcroute-keeper")
}

const soon = time.Minute

// lab has a router with the agent in it:
//
//	sender eth0 ==== eth0 router eth1 ==== eth0 receiver
type lab struct {
	t                        *testing.T
	sender, router, receiver *netlab.NS
	dir                      string
	health                   string // socket of the probes; "": a port
	without                  string // capability that the agent lacks
	cmd                      *exec.Cmd
	log                      *programs.Log
	done                     chan error
}

func newLab(t *testing.T) *lab {
	t.Helper()
	n := &lab{t: t, sender: netlab.New(t), router: netlab.New(t), receiver: netlab.New(t), dir: t.TempDir(), log: programs.NewLog(t)}
	n.router.Veth("eth0", n.sender, "eth0")
	n.router.Veth("eth1", n.receiver, "eth0")
	return n
}

func (n *lab) path(name string) string { return filepath.Join(n.dir, name) }

func (n *lab) write(name, text string) string {
	n.t.Helper()
	path := n.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		n.t.Fatal(err)
	}
	// As an editor does.
	if err := os.WriteFile(path+"~", []byte(text), 0o644); err != nil {
		n.t.Fatal(err)
	}
	if err := os.Rename(path+"~", path); err != nil {
		n.t.Fatal(err)
	}
	return path
}

// start starts the agent, whose probes are on a port of its own namespace.
func (n *lab) start(args ...string) {
	n.t.Helper()
	args = append([]string{"--node-name=n1", "--socket=" + n.path("sock"), "--health-probe-bind-address=127.0.0.1:8471"}, args...)
	n.cmd = n.router.Command("/proc/self/exe", args...)
	n.cmd.Env = append(n.cmd.Env, envPlay+"=1", envWithout+"="+n.without, "KUBECONFIG=", "NODE_NAME=", "POD_NAMESPACE=")
	n.log.Of(n.cmd)
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.done = make(chan error, 1)
	go func() { n.done <- n.cmd.Wait() }()
	n.t.Cleanup(func() {
		_ = n.cmd.Process.Kill()
		if n.t.Failed() {
			n.t.Logf("the agent's log:\n%s", n.log.String())
		}
	})
}

// end waits for the agent's end, and returns its exit code.
func (n *lab) end() int {
	n.t.Helper()
	select {
	case <-n.done:
	case <-time.After(soon):
		_ = n.cmd.Process.Signal(syscall.SIGQUIT) // whose goroutines come in the log
		<-n.done
		n.t.Fatal("the agent does not end")
	}
	return n.cmd.ProcessState.ExitCode()
}

// probe asks for a path of the probes.
func (n *lab) probe(path string) (code int, body string) {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: n.dialProbes}}
	resp, err := client.Get("http://127.0.0.1:8471" + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

func (n *lab) dialProbes(ctx context.Context, network, address string) (net.Conn, error) {
	if n.health != "" {
		return (&net.Dialer{}).DialContext(ctx, "unix", n.health)
	}
	return n.dial(ctx, network, address)
}

// dial makes a connection inside the router's namespace.
func (n *lab) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = n.router.Do(func() error {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

func (n *lab) await(what string, cond func() bool) {
	n.t.Helper()
	netlab.Await(n.t, soon, cond, what)
}

// awaitForwarding sends until the receiver gets what is sent, all of it.
func (n *lab) awaitForwarding(src, group string) {
	n.t.Helper()
	c := n.receiver.Capture("eth0")
	defer c.Stop()
	p := netlab.Packet{Src: netip.MustParseAddr(src), Group: netip.MustParseAddr(group)}
	n.await("packets of "+src+" to "+group, func() bool {
		n.sender.Send("eth0", p)
		return c.Count(mroute.SG{Source: p.Src, Group: p.Group}) > 0
	})
	netlab.Flush(n.t, 2, soon)
}

// show is what smcroutectl shows of the routes.
func (n *lab) show() string {
	ctx, cancel := context.WithTimeout(n.t.Context(), soon)
	defer cancel()
	c, err := ipc.Dial(ctx, n.path("sock"))
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	var b strings.Builder
	if err := c.Do(ctx, ipc.Request{Command: ipc.Show, Args: []string{"routes"}}, &b); err != nil {
		return err.Error()
	}
	return b.String()
}

// entries is how many entries the kernel's IPv4 tables have.
func (n *lab) entries() (count int) {
	_ = n.router.Do(func() error {
		text, err := os.ReadFile("/proc/thread-self/net/ip_mr_cache")
		count = strings.Count(string(text), "\n") - 1
		return err
	})
	return count
}

// lines are how many lines of the log have a text.
func (n *lab) lines(text string) int { return strings.Count(n.log.String(), text) }
