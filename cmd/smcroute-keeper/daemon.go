package main

import (
	"errors"
	"fmt"
	"io"
	"log/syslog"
	"math"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// startupEnv tells a background process the descriptor of the pipe on which its
// parent waits for the outcome of the start.
const startupEnv = "SMCROUTE_KEEPER_STARTUP_FD"

// startedOK is what the keeper writes to that pipe when it works. Else it writes
// the reason, and ends.
const startedOK = "\x00"

// daemonize starts this program again in the background, in a session of its own,
// and returns when it works.
func daemonize(stderr io.Writer) error {
	outcome, report, err := os.Pipe()
	if err != nil {
		return err
	}
	defer outcome.Close()
	cmd := exec.Command("/proc/self/exe") // even if the file was replaced meanwhile
	cmd.Args = os.Args
	cmd.Env = append(os.Environ(), startupEnv+"=3")
	cmd.ExtraFiles = []*os.File{report}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// What the caller forgot to close would be open for as long as the keeper lives.
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) // Linux 5.11
	err = cmd.Start()
	report.Close()
	if err != nil {
		return fmt.Errorf("starting the keeper: %w", err)
	}
	text, err := io.ReadAll(outcome)
	switch {
	case err != nil:
		return err
	case string(text) == startedOK:
		return nil
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case len(text) > 0:
		return errors.New(string(text))
	case errors.As(err, &exit):
		return fmt.Errorf("the keeper ended: %w", exit)
	}
	return errors.Join(errors.New("the keeper ended"), err)
}

// startup is the keeper's end of the pipe. A nil startup, in the foreground, has no
// one who waits.
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

// succeed lets the parent end. Only the first call of succeed or fail counts. An
// error says that the parent is gone.
func (s *startup) succeed() error { return s.finish(startedOK) }

// fail gives the parent the reason, unless err is nil.
func (s *startup) fail(err error) {
	if err != nil {
		_ = s.finish(err.Error()) // if the parent was killed nobody wants to know
	}
}

// pending reports whether the parent waits.
func (s *startup) pending() bool { return s != nil && s.pipe != nil }

func (s *startup) finish(text string) error {
	if !s.pending() {
		return nil
	}
	_, err := s.pipe.WriteString(text)
	s.pipe.Close()
	s.pipe = nil
	return err
}

// systemLog is where a keeper in the background logs: nowhere if the system has no
// log.
func systemLog() io.Writer {
	w, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_NOTICE, program)
	if err != nil {
		return io.Discard
	}
	return w
}
