package programs

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

const (
	soon = 20 * time.Second
	role = "PROGRAMS_TEST" // in the environment: which of the programs below to be
)

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "":
		os.Exit(m.Run())
	case "fails":
		fmt.Println("nothing works")
		os.Exit(3)
	case "works":
		end := make(chan os.Signal, 1)
		signal.Notify(end, unix.SIGTERM)
		_ = os.WriteFile(os.Args[1], fmt.Appendln(nil, os.Getpid()), 0o600)
		<-end
	case "talks":
		fmt.Println("one")
		fmt.Fprintln(os.Stderr, "two")
		fmt.Println("three")
		_ = os.WriteFile(os.Args[1], fmt.Appendln(nil, os.Getpid()), 0o600)
		_ = unix.Pause()
	case "hangs":
		signal.Ignore(unix.SIGTERM)
		fmt.Println("deaf")
		for {
			_ = unix.Pause() // the runtime's own signals end it, too
		}
	}
}

// begin starts one of the programs, which ends at the end of the test at the latest.
func begin(t *testing.T, as string, args ...string) *Process {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), role+"="+as)
	p, err := Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.End(unix.SIGKILL, soon) })
	return p
}

// fails checks an error's words.
func fails(t *testing.T, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("got %v, want it to have %q", err, w)
		}
	}
}

// A PID file that another process left does not count.
func TestReady(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	if err := os.WriteFile(pidFile, []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fails(t, begin(t, "hangs").AwaitReady(pidFile, time.Millisecond), "was not ready after 1ms", pidFile)
	p := begin(t, "works", pidFile)
	if err := p.AwaitReady(pidFile, soon); err != nil {
		t.Fatal(err)
	}
	if p.Ended() || p.State() != nil {
		t.Error("it has ended")
	}
	for range 2 { // the second time it has ended
		if err := p.End(unix.SIGTERM, soon); err != nil {
			t.Error(err)
		}
	}
	if !p.Ended() || !p.State().Success() {
		t.Errorf("it has ended with %v", p.State())
	}
}

func TestEndsBefore(t *testing.T) {
	p := begin(t, "fails")
	fails(t, p.AwaitReady("/proc/nowhere", soon), "ended before it was ready: exit status 3", "nothing works")
	fails(t, p.End(unix.SIGTERM, soon), "ended with exit status 3, want exit code 0")
	if err := p.End(unix.SIGKILL, soon); err != nil {
		t.Error(err)
	}
}

func TestEndIsTaken(t *testing.T) {
	p := begin(t, "hangs")
	netlab.Await(t, soon, func() bool { return strings.Contains(p.Log.String(), "deaf") }, "the program to be deaf")
	fails(t, p.End(unix.SIGTERM, time.Millisecond), "did not end within 1ms of signal terminated")
	if !p.Ended() {
		t.Error("it was not killed")
	}
}

// What it has printed by the time at which it is ready is there, in order.
func TestLog(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	p := begin(t, "talks", pidFile)
	if err := p.AwaitReady(pidFile, soon); err != nil {
		t.Fatal(err)
	}
	for range 2 { // to read it changes nothing
		if got := p.Log.String(); got != "one\ntwo\nthree\n" {
			t.Errorf("got %q", got)
		}
	}
}
