package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
)

// startupEnv tells a background process the descriptor of the pipe on which its
// parent waits for the outcome of the start.
const startupEnv = "SMCROUTED_STARTUP_FD"

// daemonize starts this program again, as a daemon: in a session of its own,
// with its standard descriptors on /dev/null. It waits until the daemon has the
// kernel's tables and its socket, and returns 0, or until it failed, and returns its exit code.
//
// Go programs can't fork, because a fork has but one of their threads.
func daemonize(args []string, stderr io.Writer) int {
	code, err := spawn(self(), args, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "smcrouted: starting the daemon: %v\n", err)
		return exitcode.OSErr
	}
	return code
}

func spawn(file string, args []string, stderr io.Writer) (int, error) {
	outcome, report, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer outcome.Close()
	cmd := exec.Command(file)
	cmd.Args = args
	cmd.Env = append(os.Environ(), startupEnv+"=3")
	cmd.ExtraFiles = []*os.File{report}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// What the caller forgot to close would be open for as long as the daemon lives.
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) // Linux 5.11
	err = cmd.Start()
	report.Close()
	if err != nil {
		return 0, err
	}

	text, err := io.ReadAll(outcome)
	if err != nil {
		return 0, err
	}
	if string(text) == startedOK {
		return exitcode.OK, nil
	}
	stderr.Write(text)
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		return code, nil
	}
	fmt.Fprintf(stderr, "smcrouted: the daemon died: %v\n", cmd.ProcessState)
	return exitcode.Software, nil
}

// self is this program's file. The link in /proc works even if the file was
// replaced meanwhile, but a process started by it would be called "exe".
func self() string {
	if path, err := os.Executable(); err == nil {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return "/proc/self/exe"
}

// startedOK is what the daemon writes to the pipe once it has started. Else
// it writes the reason, and exits.
const startedOK = "\x00"

// startup is the daemon's end of the pipe. A nil startup, in the foreground,
// has no one who waits.
type startup struct{ pipe *os.File }

// inheritStartup is nil unless this process was started by daemonize.
func inheritStartup() *startup {
	value, ok := os.LookupEnv(startupEnv)
	if !ok {
		return nil
	}
	os.Unsetenv(startupEnv)
	fd, err := strconv.Atoi(value)
	if err != nil || fd < 3 {
		return nil
	}
	syscall.CloseOnExec(fd)
	return &startup{os.NewFile(uintptr(fd), "startup pipe")}
}

// succeed lets the parent exit with 0. Only the first call of succeed or fail
// counts.
func (s *startup) succeed() { s.finish(startedOK) }

// fail gives the parent the reason to print.
func (s *startup) fail(err error) { s.finish(explain(err)) }

func (s *startup) finish(text string) {
	if s == nil || s.pipe == nil {
		return
	}
	// If the parent was killed nobody wants to know.
	_, _ = s.pipe.WriteString(text)
	s.pipe.Close()
	s.pipe = nil
}
