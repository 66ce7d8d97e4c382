package programs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Process is a program that was started.
type Process struct {
	Log Log

	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// Start starts a program. Who calls it ends it.
func Start(cmd *exec.Cmd) (*Process, error) {
	log, err := newLog()
	if err != nil {
		return nil, err
	}
	p := &Process{Log: log, cmd: cmd, done: make(chan struct{})}
	log.Of(cmd)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // State has it
	}()
	return p, nil
}

// Run starts a program for as long as a test. At the end it is ended within so long, and
// must end well; if the test has failed, what it printed is logged.
func Run(t testing.TB, cmd *exec.Cmd, within time.Duration) *Process {
	t.Helper()
	p, err := Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.End(unix.SIGTERM, within); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("log of %s:\n%s", p.Name(), &p.Log)
		}
	})
	return p
}

// RunDaemon is Run for a smcrouted, and returns when that is ready.
func RunDaemon(t testing.TB, cmd *exec.Cmd, pidFile string, within time.Duration) *Process {
	t.Helper()
	p := Run(t, cmd, within)
	if err := p.AwaitReady(pidFile, within); err != nil {
		t.Fatal(err)
	}
	return p
}

// AwaitReady waits until a smcrouted is ready: it has written its PID file.
func (p *Process) AwaitReady(pidFile string, within time.Duration) error {
	ready := netlab.Poll(within, func() bool {
		text, err := os.ReadFile(pidFile)
		return err == nil && strings.TrimSpace(string(text)) == strconv.Itoa(p.PID()) || p.Ended()
	})
	switch {
	case p.Ended():
		return fmt.Errorf("%s ended before it was ready: %v\n%s", p.Name(), p.State(), &p.Log)
	case !ready:
		return fmt.Errorf("%s was not ready after %v: %s does not hold %d\n%s", p.Name(), within, pidFile, p.PID(), &p.Log)
	}
	return nil
}

// Name is what the program was called as: Path may be that of one that becomes it.
func (p *Process) Name() string { return p.cmd.Args[0] }

// PID is its process ID.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when it has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Ended reports whether it has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// State is how it has ended; nil if it has not.
func (p *Process) State() *os.ProcessState {
	if !p.Ended() {
		return nil
	}
	return p.cmd.ProcessState
}

// Signal sends a signal, if it has not ended.
func (p *Process) Signal(s unix.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %v to %s: %w", s, p.Name(), err)
	}
	return nil
}

// End sends a signal and waits until it has ended. If that takes too long it is killed.
// After SIGTERM it must end with exit code 0; so it must have, if it had ended before.
func (p *Process) End(s unix.Signal, within time.Duration) error {
	if err := p.Signal(s); err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-time.After(within):
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("%s did not end within %v of signal %v", p.Name(), within, s)
	}
	if s == unix.SIGTERM && !p.State().Success() {
		return fmt.Errorf("%s ended with %v, want exit code 0", p.Name(), p.State())
	}
	return nil
}
