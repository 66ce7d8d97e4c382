package chaos

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// soon is how long a process may take to start or to end.
const soon = 20 * time.Second

// process is a program of the router's.
type process struct {
	name string
	ns   *netlab.NS
	cmd  *exec.Cmd
	out  programs.Output
	done chan struct{}
}

// start starts a program in a namespace.
func (p *plant) start(ns *netlab.NS, name string, args ...string) *process {
	x := &process{name: name, ns: ns, cmd: ns.Command(filepath.Join(programs.Dir(), name), args...), done: make(chan struct{})}
	x.cmd.Stdout, x.cmd.Stderr = &x.out, &x.out
	if err := x.cmd.Start(); err != nil {
		p.t.Fatalf("starting %s: %v", name, err)
	}
	go func() {
		defer close(x.done)
		_ = x.cmd.Wait()
	}()
	p.t.Cleanup(func() {
		_ = x.cmd.Process.Kill()
		<-x.done
		if p.t.Failed() {
			p.t.Logf("%s, process %d, said:\n%s", name, x.cmd.Process.Pid, x.out.String())
		}
	})
	return x
}

func (x *process) ended() bool {
	select {
	case <-x.done:
		return true
	default:
		return false
	}
}

// end sends a signal that must end the process.
func (p *plant) end(x *process, sig syscall.Signal) {
	if err := x.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("%s: %v", x.name, err)
	}
	netlab.Await(p.t, soon, x.ended, x.name+" to end after "+sig.String())
	if code := x.cmd.ProcessState.ExitCode(); sig == syscall.SIGTERM && code != 0 {
		p.t.Errorf("%s ended with exit code %d", x.name, code)
	}
}

// startDaemon returns when the configuration is in force.
func (p *plant) startDaemon() {
	pid := p.path("pid")
	_ = os.Remove(pid)
	p.daemon = p.start(p.router, "smcrouted", "-n", "-f", p.path("conf"), "-P", pid, "-u", p.path("sock"), "--keeper", p.keeperSocket())
	ready := func() bool {
		b, err := os.ReadFile(pid)
		return err == nil && strings.TrimSpace(string(b)) == strconv.Itoa(p.daemon.cmd.Process.Pid) || p.daemon.ended()
	}
	netlab.Await(p.t, soon, ready, "smcrouted to be ready")
	if p.daemon.ended() {
		p.t.Fatalf("smcrouted ended at its start: %v\n%s", p.daemon.cmd.ProcessState, p.daemon.out.String())
	}
}

// endDaemon ends it in one way or another.
func (p *plant) endDaemon(sig syscall.Signal) {
	p.end(p.daemon, sig)
	p.daemon = nil
}

// reload has the daemon read the configuration, and returns when it is in force.
func (p *plant) reload() { p.client("reload") }

// client runs smcroutectl.
func (p *plant) client(args ...string) {
	out, err := p.router.Command(filepath.Join(programs.Dir(), "smcroutectl"), append([]string{"-u", p.path("sock")}, args...)...).CombinedOutput()
	if err != nil {
		p.t.Errorf("smcroutectl %v: %v\n%s", args, err, out)
	}
}

// startKeeper starts a keeper and waits until it works, alone or as a mirror. Like
// those of a cluster each has a network namespace to itself, and none of the router's.
func (p *plant) startKeeper() *process {
	free := slices.IndexFunc(p.pods, func(ns *netlab.NS) bool {
		return !slices.ContainsFunc(p.keepers, func(x *process) bool { return x.ns == ns })
	})
	x := p.start(p.pods[free], "smcroute-keeper", "--socket", p.keeperSocket())
	netlab.Await(p.t, soon, func() bool { _, ready := p.holding(x); return ready }, "a keeper to be ready")
	return x
}

func (p *plant) keeperSocket() string { return p.path("keeper.sock") }

// holding is how much a keeper holds, and whether it is ready.
func (p *plant) holding(x *process) (n int, ready bool) {
	out, err := x.ns.Command(filepath.Join(programs.Dir(), "smcroute-keeper"), "check", "--socket", p.keeperSocket()).Output()
	if err != nil {
		return 0, false
	}
	_, number, _ := strings.Cut(strings.TrimSpace(string(out)), "holding ")
	n, err = strconv.Atoi(number)
	return n, err == nil
}

// awaitKept waits until the active keeper holds what it should: all that the
// daemon has.
func (p *plant) awaitKept() {
	netlab.Await(p.t, soon, func() bool { n, ready := p.holding(p.keepers[0]); return ready && n == p.holds },
		"the keeper to hold "+strconv.Itoa(p.holds)+" descriptors")
}
