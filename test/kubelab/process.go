package kubelab

import (
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// patience is how long anything may take that should happen soon, on a busy
// machine.
const patience = 30 * time.Second

// Process is a program that runs until it is stopped, at the latest at the end
// of the test.
type Process struct {
	Log programs.Output // what it printed

	tb    netlab.TB
	name  string
	cmd   *exec.Cmd
	done  chan struct{}
	ready func() bool // whether it says so
}

// start starts cmd. Its output is kept.
func start(tb netlab.TB, name string, cmd *exec.Cmd) *Process {
	tb.Helper()
	p := &Process{tb: tb, name: name, cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.Log, &p.Log
	if err := cmd.Start(); err != nil {
		tb.Fatalf("kubelab: starting %s: %v", name, err)
	}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // the state says it all
	}()
	tb.Cleanup(func() {
		p.end(os.Interrupt)
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
		p.tb.Fatalf("%s had ended before, %v:\n%s", p.name, p.cmd.ProcessState, p.Log.String())
	}
	p.end(os.Interrupt)
	if !p.cmd.ProcessState.Success() {
		p.tb.Fatalf("%s ended with %v:\n%s", p.name, p.cmd.ProcessState, p.Log.String())
	}
}

// Kill ends the program without letting it know.
func (p *Process) Kill() { p.end(os.Kill) }

// Signal sends a signal.
func (p *Process) Signal(s os.Signal) {
	p.tb.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.tb.Fatalf("kubelab: signal %v to %s: %v", s, p.name, err)
	}
}

// Ended reports whether the program has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// PID is the process ID.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Descriptors is how many file descriptors the process has.
func (p *Process) Descriptors() int {
	p.tb.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.PID()))
	if err != nil {
		p.tb.Fatalf("kubelab: %s: %v", p.name, err)
	}
	return len(all)
}

func (p *Process) end(s os.Signal) {
	if p.Ended() {
		return
	}
	_ = p.cmd.Process.Signal(s)
	select {
	case <-p.done:
	case <-time.After(patience):
		p.tb.Logf("%s did not end within %v and was killed", p.name, patience)
		_ = p.cmd.Process.Kill()
		<-p.done
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
		p.tb.Fatalf("%s ended, %v, before it was ready:\n%s", p.name, p.cmd.ProcessState, p.Log.String())
	}
}
