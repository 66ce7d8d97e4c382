package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// keeper starts one, in a network of its own, and returns it and the agent's
// option. It is active when the function returns.
func (n *lab) keeper(args ...string) (*exec.Cmd, string) {
	n.t.Helper()
	ns := netlab.New(n.t)
	program, socket := filepath.Join(programs.Dir(), "smcroute-keeper"), "--socket="+n.path("keeper")
	cmd := ns.Command(program, append([]string{socket}, args...)...)
	log := programs.NewLog(n.t)
	log.Of(cmd)
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if n.t.Failed() {
			n.t.Logf("the keeper's log:\n%s", log.String())
		}
	})
	n.await("the keeper", func() bool { return ns.Command(program, "check", socket).Run() == nil })
	return cmd, "--keeper=" + n.path("keeper")
}

// stream sends packets of the route that the tests have. None gets lost, as passes
// waits for and lossless checks.
type stream struct {
	n  *lab
	sg mroute.SG
	c  *netlab.Capture
	s  *netlab.Stream
}

func (n *lab) stream() *stream {
	n.t.Helper()
	p := netlab.Packet{Src: netip.MustParseAddr("192.0.2.1"), Group: netip.MustParseAddr("225.1.2.3")}
	n.awaitForwarding("192.0.2.1", "225.1.2.3")
	return &stream{n, mroute.SG{Source: p.Src, Group: p.Group}, n.receiver.Capture("eth0"), n.sender.Stream(n.t.Context(), "eth0", p, 2000)}
}

func (s *stream) passes() {
	s.n.t.Helper()
	next := s.s.Sent() + 1
	s.n.await(fmt.Sprintf("packet %d", next), func() bool { return s.c.Has(s.sg, next) })
}

func (s *stream) lossless() {
	s.n.t.Helper()
	sent, err := s.s.Stop()
	if err != nil {
		s.n.t.Fatal(err)
	}
	netlab.Flush(s.n.t, 2, soon)
	f := s.c.Flow(netlab.In, s.sg)
	if gaps := f.Gaps(sent); len(gaps) > 0 {
		s.n.t.Errorf("of %d packets are missing %v", sent, gaps)
	}
}

// What an agent has goes on in the next one, and ends with the keeper; or with the
// agent if there is no keeper any more.
func TestKept(t *testing.T) {
	n := newLab(t)
	n.write("m/routes.yaml", manifest("a", "225.1.2.3", "eth1"))
	keeper, option := n.keeper()
	args := []string{"--manifests", n.path("m"), option}
	n.start(args...)
	s := n.stream()
	for range 3 {
		n.signal(syscall.SIGTERM)
		if code := n.end(); code != exitcode.OK {
			t.Errorf("exit code %d", code)
		}
		s.passes()
		n.start(args...)
		n.ready()
		s.passes()
		n.signal(syscall.SIGKILL)
		n.end()
		s.passes()
		n.start(args...)
		n.ready()
		s.passes()
	}
	s.lossless()

	// The last one out empties the tables.
	n.signal(syscall.SIGTERM)
	n.end()
	if n.entries() == 0 {
		t.Error("there is no entry while the keeper is there")
	}
	if err := keeper.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = keeper.Wait()
	if k := n.entries(); k != 0 {
		t.Errorf("the kernel has %d entries after the keeper's end", k)
	}

	// Without a keeper that is the agent.
	n.start(args...)
	n.awaitForwarding("192.0.2.1", "225.1.2.3")
	n.signal(syscall.SIGTERM)
	n.end()
	if n.lines("goes with this agent") != 1 || n.entries() != 0 {
		t.Errorf("the kernel has %d entries after the agent's end; log:\n%s", n.entries(), n.log.String())
	}
}

// The keeper has the tables and does not answer: the agent waits for it.
func TestKeeperDoesNotAnswer(t *testing.T) {
	n := newLab(t)
	n.write("m/routes.yaml", manifest("a", "225.1.2.3", "eth1"))
	keeper, option := n.keeper()
	n.start("--manifests", n.path("m"), option)
	n.ready()
	s := n.stream()
	n.signal(syscall.SIGKILL)
	n.end()
	if err := keeper.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	n.start("--manifests", n.path("m"), option)
	n.await("the agent to wait", func() bool { return n.lines("does not answer: both are tried again") == 1 })
	n.await("/healthz to tell what it waits for", func() bool {
		code, body := n.probe("/healthz")
		return code == http.StatusOK && strings.Contains(body, "waiting for the keeper")
	})
	if code, body := n.probe("/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d %s", code, body)
	}
	s.passes()
	if err := keeper.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	n.ready()
	s.passes()
	s.lossless()
	if n.lines("does not answer: both are tried again") != 1 {
		t.Error("it is not said once")
	}
}

// The tables of another program are not the keeper's, and not waited for.
func TestTableInUseBesideKeeper(t *testing.T) {
	n := newLab(t)
	n.write("m/routes.yaml", manifest("a", "225.1.2.3", "eth1"))
	_, option := n.keeper()
	k, err := linux.Open(linux.Options{NetNS: n.router.ProcPath()})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	n.start("--manifests", n.path("m"), option)
	if code := n.end(); code != exitcode.Unavailable || !strings.Contains(n.log.String(), "in use by another process") {
		t.Errorf("exit code %d, want %d", code, exitcode.Unavailable)
	}
}

// Agents of different tables take turns at one keeper, and each leaves to the next
// what is in both.
func TestAnotherTable(t *testing.T) {
	n := newLab(t)
	n.write("m/routes.yaml", manifest("a", "225.1.2.3", "eth1")) // of table 0
	_, option := n.keeper()
	args := []string{"--manifests", n.path("m"), option}
	n.startOnSocket(args...)
	n.ready()
	s := n.stream()
	second := n.beside(t)
	second.startOnSocket(append(args, "--table=7")...)
	if body := second.ready(); !strings.Contains(body, "standing by") {
		t.Errorf("/readyz says %q", body)
	}
	n.signal(syscall.SIGTERM)
	n.end()
	second.await("programmed", func() bool { return second.lines("msg=Programmed") == 1 })
	s.passes()
	n.startOnSocket(args...)
	n.ready()
	second.signal(syscall.SIGKILL)
	second.end()
	n.await("programmed", func() bool { return n.lines("msg=Programmed") == 2 })
	s.passes()
	s.lossless()
	if n.lines("level=WARN")+second.lines("level=WARN") > 0 {
		t.Errorf("log:\n%s\n%s", n.log.String(), second.log.String())
	}
}

// What nobody knows in a table stays, and is told of, until the agent is to remove
// it.
func TestForeign(t *testing.T) {
	n := newLab(t)
	n.write("m/routes.yaml", manifest("a", "225.1.2.3", "eth1")+manifest("b", "225.1.2.4", "eth1"))
	keeper, option := n.keeper()
	n.start("--manifests", n.path("m"), option)
	n.awaitForwarding("192.0.2.1", "225.1.2.4")
	n.signal(syscall.SIGKILL)
	n.end()
	if err := errors.Join(keeper.Process.Kill(), os.Remove(n.path("keeper.records"))); err != nil {
		t.Fatal(err)
	}
	_ = keeper.Wait()

	// Of two static entries one is wanted now.
	n.write("m/routes.yaml", manifest("b", "225.1.2.4", "eth1"))
	n.start("--manifests", n.path("m"))
	n.ready()
	n.await("the foreign entry to be told of", func() bool { return n.lines("225.1.2.3") > 0 && n.lines("--remove-foreign") > 0 })
	n.awaitForwarding("192.0.2.1", "225.1.2.3")
	n.awaitForwarding("192.0.2.1", "225.1.2.4")
	n.signal(syscall.SIGTERM)
	n.end()

	n.start("--manifests", n.path("m"), "--remove-foreign")
	n.ready()
	n.awaitForwarding("192.0.2.1", "225.1.2.4")
	n.await("the foreign entry to go", func() bool { return n.entries() == 1 })
}

// An agent that has the tables without the name keeps them, though the next one can
// get everything from the keeper: the lock tells.
func TestNameIsTaken(t *testing.T) {
	n := newLab(t)
	n.write("m/routes.yaml", manifest("a", "225.1.2.3", "eth1"))
	var l *net.UnixListener
	if err := n.router.Do(func() (err error) {
		l, err = net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: "@smcroute-agent/table/0"})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, option := n.keeper()
	args := []string{"--manifests", n.path("m"), option}
	n.startOnSocket(args...)
	n.await("the agent to take the tables all the same", func() bool { return n.lines("taking them") == 1 })
	n.ready()
	s := n.stream()
	second := n.beside(t)
	second.startOnSocket(args...)
	second.ready()
	const doubts = 2 * 5 * 2000 // it tries after 5 s, and again
	before := s.s.Sent()
	n.await("two attempts of the second agent", func() bool { return s.s.Sent() > before+doubts })
	if second.lines("taking them") > 0 {
		t.Errorf("the second agent has taken the tables; log:\n%s", second.log.String())
	}
	s.passes()
	n.signal(syscall.SIGKILL)
	n.end()
	second.await("the second agent to take the tables", func() bool { return second.lines("taking them") == 1 })
	second.await("programmed", func() bool { return second.lines("msg=Programmed") == 1 })
	s.lossless()
}

// An API server that has nothing, not even the node, removes nothing.
func TestEmptyAPIServer(t *testing.T) {
	n := newLab(t)
	_, option := n.keeper()
	s := &apiServer{}
	config := n.serve(s)
	n.start("--kubeconfig", config, option)
	n.ready()
	st := n.stream()
	n.signal(syscall.SIGKILL)
	n.end()
	s.empty.Store(true)
	n.start("--kubeconfig", config, option)
	n.await("the agent to miss its Node", func() bool { return n.lines("There is no such Node") == 1 })
	st.passes()
	if k := n.entries(); k != 1 {
		t.Errorf("the kernel has %d entries, want 1", k)
	}
	st.lossless()
}
