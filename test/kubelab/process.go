package kubelab

import (
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// patience is how long anything may take that should happen soon, on a busy
// machine.
const patience = 30 * time.Second

// Process is a program that runs until it is stopped, at the latest at the end
// of the test.
type Process struct {
	*programs.Process

	tb    netlab.TB
	name  string
	ready func() bool // whether it says so
}

// start starts cmd. Its output is kept.
func start(tb netlab.TB, name string, cmd *exec.Cmd) *Process {
	tb.Helper()
	run, err := programs.Start(cmd)
	if err != nil {
		tb.Fatalf("kubelab: starting %s: %v", name, err)
	}
	p := &Process{Process: run, tb: tb, name: name}
	tb.Cleanup(func() {
		p.end(unix.SIGINT)
		if t, ok := tb.(interface{ Failed() bool }); ok && t.Failed() {
			tb.Logf("log of %s:\n%s", name, p.Log.String())
		}
	})
	return p
}

// Stop asks the program to end, and waits for it. A program that does not end
// well ends the test.
func (p *Process) Stop() {
	p.tb.Helper()
	if p.Ended() {
		p.tb.Fatalf("%s had ended before, %v:\n%s", p.name, p.State(), p.Log.String())
	}
	p.end(unix.SIGINT)
	if !p.State().Success() {
		p.tb.Fatalf("%s ended with %v:\n%s", p.name, p.State(), p.Log.String())
	}
}

// Kill ends the program without letting it know.
func (p *Process) Kill() { p.end(unix.SIGKILL) }

// Descriptors is how many file descriptors the process has.
func (p *Process) Descriptors() int {
	p.tb.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.PID()))
	if err != nil {
		p.tb.Fatalf("kubelab: %s: %v", p.name, err)
	}
	return len(all)
}

func (p *Process) end(s unix.Signal) {
	if err := p.End(s, patience); err != nil {
		p.tb.Logf("%v", err)
	}
}

// AwaitReady waits until the program says that it is ready. If it ends before,
// that ends the test.
func (p *Process) AwaitReady() {
	p.tb.Helper()
	if !netlab.Poll(patience, func() bool { return p.Ended() || p.ready() }) {
		p.tb.Fatalf("timed out after %v waiting for %s to be ready; it said:\n%s", patience, p.name, p.Log.String())
	}
	if p.Ended() {
		p.tb.Fatalf("%s ended, %v, before it was ready:\n%s", p.name, p.State(), p.Log.String())
	}
}
