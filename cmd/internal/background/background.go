// Package background starts a program again as a daemon, whose parent waits for
// the outcome of the start.
//
// Go programs can't fork, because a fork has but one of their threads.
package background

import (
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// pipeEnv tells the daemon the descriptor of the pipe on which its parent waits.
const pipeEnv = "SMCROUTE_STARTUP_FD"

// readyText is what the daemon writes to the pipe when it works. Else it writes
// the reason, and ends.
const readyText = "\x00"

// Failure is that the daemon has ended before it worked.
type Failure struct {
	Reason string           // what it said of that; "": nothing
	State  *os.ProcessState // how it ended
}

// Error returns the reason, or how the process ended.
func (f *Failure) Error() string {
	if f.Reason != "" {
		return f.Reason
	}
	return f.State.String()
}

// Start starts the program in a file in a session of its own, with its standard
// descriptors on /dev/null, and nothing else that is open here. It returns when
// that works, or a *Failure when it has ended. Any other error is that it could
// not be started.
func Start(file string, args []string) error {
	outcome, report, err := os.Pipe()
	if err != nil {
		return err
	}
	defer outcome.Close()
	cmd := exec.Command(file)
	cmd.Args = args
	cmd.Env = append(os.Environ(), pipeEnv+"=3")
	cmd.ExtraFiles = []*os.File{report}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// What the caller forgot to close would be open for as long as the daemon lives.
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) // Linux 5.11
	err = cmd.Start()
	report.Close()
	if err != nil {
		return err
	}
	text, err := io.ReadAll(outcome)
	if err != nil {
		return err
	}
	if string(text) == readyText {
		return nil
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return &Failure{Reason: string(text), State: cmd.ProcessState}
}

// Parent is the daemon's end of the pipe. A nil one, in the foreground, has no one
// who waits.
type Parent struct{ pipe *os.File }

// Inherit is nil unless this process was started by Start.
func Inherit() *Parent {
	value, ok := os.LookupEnv(pipeEnv)
	if !ok {
		return nil
	}
	os.Unsetenv(pipeEnv)
	fd, err := strconv.Atoi(value)
	if err != nil || fd < 3 {
		return nil
	}
	syscall.CloseOnExec(fd)
	return &Parent{os.NewFile(uintptr(fd), "startup pipe")}
}

// Ready lets the parent end. Only the first call of Ready or Fail counts. An error
// says that the parent is gone.
func (p *Parent) Ready() error { return p.finish(readyText) }

// Fail gives the parent the reason, for [Failure].
func (p *Parent) Fail(reason string) {
	_ = p.finish(reason) // if the parent was killed nobody wants to know
}

// Waits reports whether the parent still waits.
func (p *Parent) Waits() bool { return p != nil && p.pipe != nil }

func (p *Parent) finish(text string) error {
	if !p.Waits() {
		return nil
	}
	_, err := p.pipe.WriteString(text)
	p.pipe.Close()
	p.pipe = nil
	return err
}
