package chaos

import (
	"os"
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
const soon = time.Minute

// process is a program of the router's.
type process struct {
	name string
	ns   *netlab.NS
	*programs.Process
}

// start starts a program in a namespace.
func (p *plant) start(ns *netlab.NS, name string, args ...string) *process {
	run, err := programs.Start(ns.Command(filepath.Join(programs.Dir(), name), args...))
	if err != nil {
		p.t.Fatalf("starting %s: %v", name, err)
	}
	p.t.Cleanup(func() {
		_ = run.End(syscall.SIGKILL, soon)
		if p.t.Failed() {
			p.t.Logf("%s, process %d, said:\n%s", name, run.PID(), &run.Log)
		}
	})
	return &process{name, ns, run}
}

// end sends a signal that must end the process.
func (p *plant) end(x *process, sig syscall.Signal) {
	if err := x.End(sig, soon); err != nil {
		p.t.Error(err)
	}
}

// startDaemon returns when the configuration is in force.
func (p *plant) startDaemon() {
	pid := p.path("pid")
	_ = os.Remove(pid)
	p.daemon = p.start(p.router, "smcrouted", "-n", "-f", p.path("conf"), "-P", pid, "-u", p.path("sock"), "--keeper", p.keeperSocket())
	if err := p.daemon.AwaitReady(pid, soon); err != nil {
		p.t.Fatal(err)
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
