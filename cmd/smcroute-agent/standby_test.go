package main

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// beside is another agent on the router of n, which is not started.
func (n *lab) beside(t *testing.T) *lab {
	t.Helper()
	return &lab{t: t, sender: n.sender, router: n.router, receiver: n.receiver, dir: t.TempDir(), log: programs.NewLog(t)}
}

// startOnSocket starts the agent with probes on a socket: two agents of one node
// cannot have one port.
func (n *lab) startOnSocket(args ...string) {
	n.t.Helper()
	n.health = n.path("health")
	n.start(append([]string{"--health-probe-bind-address=unix://" + n.health}, args...)...)
}

// ready waits until the agent is, and returns what it says.
func (n *lab) ready() (body string) {
	n.t.Helper()
	n.await("/readyz", func() bool {
		var code int
		code, body = n.probe("/readyz")
		return code == http.StatusOK
	})
	return body
}

func (n *lab) signal(s os.Signal) {
	n.t.Helper()
	if err := n.cmd.Process.Signal(s); err != nil {
		n.t.Fatal(err)
	}
}

// An agent that is started beside another is ready, touches nothing, and goes on
// where that one ends: 1,000 packets a second tell how long nobody forwards.
//
//	sender ==== router: first, then second, then third ==== receiver
func TestStandBy(t *testing.T) {
	n := newLab(t)
	n.write("m/routes.yaml", manifest("a", "225.1.2.3", "eth1")+manifest("b", "225.1.2.4", "eth1"))
	sg := mroute.SG{Source: netip.MustParseAddr("192.0.2.1"), Group: netip.MustParseAddr("225.1.2.3")}
	args := []string{"--manifests", n.path("m")}
	n.startOnSocket(args...)
	n.ready()
	second, third := n.beside(t), n.beside(t)
	for _, other := range []*lab{second, third} {
		other.startOnSocket(append(args, "--metrics-bind-address=127.0.0.1:8080", "--status-dir", other.path("s"))...)
		if body := other.ready(); !strings.Contains(body, "standing by") {
			t.Errorf("/readyz says %q", body)
		}
		if code, _ := other.probe("/healthz"); code != http.StatusOK {
			t.Errorf("/healthz: %d", code)
		}
		if k := other.lines("Another agent has the tables"); k != 1 {
			t.Errorf("%d lines tell that it stands by; log:\n%s", k, other.log.String())
		}
	}
	for _, name := range []string{"sock", "s"} {
		if _, err := os.Stat(second.path(name)); err == nil {
			t.Errorf("%s is there while the agent stands by", name)
		}
	}
	if conn, err := n.dial(t.Context(), "tcp", "127.0.0.1:8080"); err == nil {
		_ = conn.Close()
		t.Error("metrics are served by an agent that stands by")
	}

	c := n.receiver.Capture("eth0")
	defer c.Stop()
	n.awaitForwarding("192.0.2.1", "225.1.2.4")
	stream := n.sender.Stream(t.Context(), "eth0", netlab.Packet{Src: sg.Source, Group: sg.Group}, 1000)
	passes := func() {
		t.Helper()
		from := c.Count(sg)
		n.await("the stream to pass", func() bool { return c.Count(sg) > from+100 })
	}
	passes()
	n.signal(syscall.SIGTERM)
	if code := n.end(); code != exitcode.OK {
		t.Errorf("exit code %d", code)
	}
	passes()
	// One of them has the tables by now. It is killed, and the other has them.
	netlab.Await(t, soon, func() bool { return second.lines("taking over")+third.lines("taking over") == 1 }, "one to take over")
	if third.lines("taking over") == 1 {
		second, third = third, second
	}
	if body := third.ready(); !strings.Contains(body, "standing by") {
		t.Errorf("/readyz of the third says %q", body)
	}
	second.await("programmed", func() bool { return second.lines("msg=Programmed") > 0 })
	second.await("smcroutectl to show the route", func() bool { return strings.Contains(second.show(), "225.1.2.3") })
	second.signal(syscall.SIGKILL)
	second.end()
	third.await("programmed", func() bool { return third.lines("msg=Programmed") > 0 })
	passes()
	sent, err := stream.Stop()
	if err != nil {
		t.Fatal(err)
	}
	n.await("the last packet", func() bool { f := c.Flow(netlab.In, sg); return f.Has(sent - 1) })
	flow := c.Flow(netlab.In, sg)
	for _, gap := range flow.Gaps(sent) {
		t.Logf("lost at a change of agents: %d packets of 1,000/s", gap.Last-gap.First+1)
	}
	if third.lines("ERROR")+third.lines("WARN") > 0 {
		t.Errorf("log:\n%s", third.log.String())
	}

	// One that stands by has no file to read again, and ends at once.
	fourth := n.beside(t)
	fourth.startOnSocket(args...)
	fourth.ready()
	fourth.signal(syscall.SIGHUP)
	fourth.signal(syscall.SIGTERM)
	if code := fourth.end(); code != exitcode.OK {
		t.Errorf("exit code %d of one that stands by", code)
	}
}

// With Kubernetes an agent that stands by writes no report; the counters of the
// one that goes are those that it goes on from.
func TestStandByReports(t *testing.T) {
	n := newLab(t)
	s := &apiServer{keeps: true}
	config := n.serve(s)
	n.startOnSocket("--kubeconfig", config, "--report-coalesce=50ms", "--report-interval=1h")
	n.await("a report", func() bool { return s.packets() == 0 })
	before := s.count()
	second := n.beside(t)
	second.startOnSocket("--kubeconfig", config, "--report-coalesce=50ms", "--report-interval=200ms")
	second.ready()

	c := n.receiver.Capture("eth0")
	defer c.Stop()
	p := netlab.Packet{Src: netip.MustParseAddr("192.0.2.1"), Group: netip.MustParseAddr("225.1.2.3")}
	sg := mroute.SG{Source: p.Src, Group: p.Group}
	for range 50 {
		n.sender.Send("eth0", p)
	}
	n.await("packets", func() bool { return c.Count(sg) == 50 })
	if got := s.count(); got != before {
		t.Errorf("%d reports more, want none", got-before)
	}
	n.signal(syscall.SIGTERM)
	if code := n.end(); code != exitcode.OK {
		t.Errorf("exit code %d", code)
	}
	if got := s.packets(); got != 50 {
		t.Errorf("the last report of the first agent has %d packets, want 50", got)
	}
	second.await("programmed", func() bool { return second.lines("msg=Programmed") > 0 })
	for range 10 {
		n.sender.Send("eth0", p)
	}
	n.await("packets", func() bool { return c.Count(sg) == 60 })
	n.await("a report of the second agent", func() bool { return s.packets() == 60 })
	for i, r := range s.all() {
		if i > 0 && len(r.Status.Routes) == 1 && len(s.all()[i-1].Status.Routes) == 1 &&
			r.Status.Routes[0].Counters.Packets < s.all()[i-1].Status.Routes[0].Counters.Packets {
			t.Errorf("report %d counts back", i)
		}
	}
}

// One that knows of no objects yet is not to replace one that does: it is not
// ready, though healthy, until the API server has told it.
func TestStandByWithoutAPIServer(t *testing.T) {
	n := newLab(t)
	n.write("m/routes.yaml", manifest("a", "225.1.2.3", "eth1"))
	n.startOnSocket("--manifests", n.path("m"))
	n.ready()
	second := n.beside(t)
	second.startOnSocket("--kubeconfig", second.write("kubeconfig", kubeconfig(apiAddress)))
	second.await("to stand by", func() bool { return second.lines("Another agent has the tables") == 1 })
	if code, body := second.probe("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "no objects have been read yet") {
		t.Errorf("/readyz: %d %q", code, body)
	}
	if code, body := second.probe("/healthz"); code != http.StatusOK {
		t.Errorf("/healthz: %d %q", code, body)
	}
	n.serve(&apiServer{})
	if body := second.ready(); !strings.Contains(body, "standing by") {
		t.Errorf("/readyz says %q", body)
	}
}

// Two agents cannot have one socket for their probes, and a killed one leaves it.
func TestProbesOnSocket(t *testing.T) {
	n := newLab(t)
	n.write("m/routes.yaml", manifest("a", "225.1.2.3", "eth1"))
	n.startOnSocket("--manifests", n.path("m"))
	n.ready()
	info, err := os.Stat(n.health)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode %v of the socket, want 0600", got)
	}
	second := n.beside(t)
	second.start("--manifests", n.path("m"), "--health-probe-bind-address=unix://"+n.health)
	if code := second.end(); code != exitcode.Unavailable || !strings.Contains(second.log.String(), "another daemon is listening") {
		t.Errorf("exit code %d, want %d; log:\n%s", code, exitcode.Unavailable, second.log.String())
	}
	n.signal(syscall.SIGKILL)
	n.end()
	if _, err := net.Dial("unix", n.health); err == nil {
		t.Error("somebody listens")
	}
	n.startOnSocket("--manifests", n.path("m"))
	n.ready()
}
