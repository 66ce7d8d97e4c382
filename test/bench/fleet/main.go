// Command fleet measures the operator on a large cluster: the agents of many nodes,
// simulated in this process (package test/fleet), against a real API server, etcd and
// smcroute-controller. It prints tables, which docs/scale.md explains.
//
//	fleet -agents 1000 -routes 500
//	fleet -agents 1000 -write docs/scale.md   and put them into that file
//
// Interrupted (SIGINT), or at its -deadline, it prints what it has.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/controllers/report"
	"github.com/smcroute/kube-smcroute/test/kubelab"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// envPrograms is the directory with the programs that were built.
const envPrograms = "FLEET_PROGRAMS"

// options say what is measured.
type options struct {
	agents, routes, rack int
	together             int
	changes              int
	steady               time.Duration
	restart              bool
	report               report.Mode
	interval             time.Duration
	controller           string
	profile, write       string
	gogc                 int
	deadline             time.Duration
	anyway               bool
	connections          int // of all agents, at most
}

func main() {
	o := options{report: report.Full}
	flag.IntVar(&o.agents, "agents", 1000, "how many nodes there are")
	flag.IntVar(&o.routes, "routes", 500, "how many MulticastRoutes: one in five for all nodes, the others for a rack each")
	flag.IntVar(&o.rack, "rack", 20, "nodes of a rack")
	flag.IntVar(&o.together, "together", 32, "how many agents start at a time; 0: all, which takes a machine that has a processor for some of them")
	flag.IntVar(&o.changes, "changes", 3, "how many times each kind of change is measured")
	flag.DurationVar(&o.steady, "steady", time.Minute, "how long the steady state is measured")
	flag.BoolVar(&o.restart, "restart", true, "measure what a restart of the API server does")
	flag.Func("report", "the agents' --report (default Full)", o.report.Set)
	flag.DurationVar(&o.interval, "report-interval", 5*time.Minute, "the agents' --report-interval")
	flag.StringVar(&o.controller, "controller", "", "an argument of smcroute-controller, such as --counters-interval=1h")
	flag.StringVar(&o.write, "write", "", "`file` to put the tables into, where it has a section for as many agents")
	flag.StringVar(&o.profile, "profile", "", "a folder for CPU profiles of the API server, one of each phase, for \"go tool pprof\"")
	flag.IntVar(&o.gogc, "gogc", 0, "GOGC of this process, with the agents, and of what it starts; 0: 100, or 50 with more than 1,000 agents")
	flag.DurationVar(&o.deadline, "deadline", time.Hour, "when to end with what was measured by then")
	flag.BoolVar(&o.anyway, "anyway", false, "start even if there does not seem to be memory enough")
	flag.Parse()
	if o.gogc == 0 {
		o.gogc = 100
		if o.agents > 1000 {
			o.gogc = 50
		}
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	if err := enough(o); err != nil && !o.anyway {
		return err
	}
	var err error
	if o.connections, err = connections(o); err != nil { // in a user namespace it raises nothing
		return err
	}
	programs := os.Getenv(envPrograms)
	if programs == "" {
		// Before this program is started again in namespaces of its own, which have
		// no way to a module proxy.
		if err := kubelab.Find(); err != nil {
			return err
		}
		if programs, err = os.MkdirTemp("", "fleet-"); err != nil {
			return err
		}
		cmd := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", programs+"/", "./cmd/smcroute-controller")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if cmd.Dir, err = kubelab.Root(); err != nil {
			return err
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", cmd, err, out)
		}
		if err := os.Setenv(envPrograms, programs); err != nil {
			return err
		}
	}
	if err := netlab.Isolate(); err != nil {
		return fmt.Errorf("needs network namespaces: run as root, or allow user namespaces: %w", err)
	}
	defer os.RemoveAll(programs)
	debug.SetGCPercent(o.gogc)
	if err := os.Setenv("GOGC", strconv.Itoa(o.gogc)); err != nil { // for what is started
		return err
	}
	late := fmt.Errorf("not done after %v: give -deadline more, or measure less", o.deadline)
	ctx, cancel := context.WithTimeoutCause(context.Background(), o.deadline, late)
	defer cancel()
	ctx, stop := signal.NotifyContext(ctx, unix.SIGINT, unix.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it at once, and what was started with it
	return netlab.Run(func(tb netlab.TB) {
		newBench(tb, ctx, o, programs, filepath.Join(programs, "lab")).run()
	})
}
