package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/smcroute/kube-smcroute/agent/keep"
	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// envPlay tells the test binary what to be: "keeper", "program", which has one
// descriptor held, or "loader", which has more and more held until that fails.
const envPlay = "SMCROUTE_KEEPER_TEST_PLAY"

func TestMain(m *testing.M) {
	switch os.Getenv(envPlay) {
	case "keeper":
		// It needs none, not even to empty tables.
		if err := cap.NewSet().SetProc(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(99)
		}
		main()
	case "program":
		playProgram(os.Args[1])
	case "loader":
		playLoader(os.Args[1])
	default:
		netlab.Main(m)
	}
}

// playProgram has something held, says so, and lives until it is killed.
func playProgram(socket string) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	k := keep.Open(ctx, socket, nil)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = k.Put("program", fd, false)
	}
	fmt.Println(err)
	select {}
}

// playLoader has more and more held, says what, and ends as soon as it can have
// nothing more held.
func playLoader(socket string) {
	k := keep.Open(context.Background(), socket, nil)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	for n := 0; err == nil && n < 1000; n++ {
		name := fmt.Sprintf("load-%03d", n)
		if err = k.Put(name, fd, false); err == nil {
			fmt.Println(name)
		}
	}
	os.Exit(0)
}

// within is how long a test waits for anything.
const within = time.Minute

// process is a keeper or a program.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	ended chan struct{}
	log   *programs.Log
}

// play starts the test binary as something.
func play(t *testing.T, what string, args ...string) *process {
	t.Helper()
	return start(t, what, nil, args...)
}

func start(t *testing.T, what string, attr *syscall.SysProcAttr, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command("/proc/self/exe", args...), ended: make(chan struct{}), log: programs.NewLog(t)}
	p.cmd.Env = append(os.Environ(), envPlay+"="+what)
	p.cmd.SysProcAttr = attr
	p.log.Of(p.cmd)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("%s %d:\n%s", what, p.cmd.Process.Pid, p.text())
		}
	})
	return p
}

func (p *process) text() string { return p.log.String() }

// says waits until it logs something.
func (p *process) says(text string) {
	p.t.Helper()
	netlab.Await(p.t, within, func() bool { return strings.Contains(p.text(), text) }, fmt.Sprintf("%q", text))
}

// signal sends it a signal. It may be about to end.
func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// end waits until it has ended, and checks that it did so by itself.
func (p *process) end() {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(within):
		p.t.Fatalf("process %d does not end", p.cmd.Process.Pid)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Errorf("process %d: %v", p.cmd.Process.Pid, p.cmd.ProcessState)
	}
}

// kill has it end without a chance to do anything.
func (p *process) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// runKeeper runs a command of the program.
func runKeeper(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	return runKeeperWith(t, nil, args...)
}

// runKeeperWith does, with files open from descriptor 3 on.
func runKeeperWith(t *testing.T, files []*os.File, args ...string) (code int, out string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.ExtraFiles = files
	cmd.Env = append(os.Environ(), envPlay+"=keeper")
	b, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(b)
}

// socketPath is one of the test.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "keeper") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// keeperAt starts a keeper, and waits until it is active, or mirrors the active
// one.
func keeperAt(t *testing.T, socket string, args ...string) *process {
	t.Helper()
	p := play(t, "keeper", append([]string{"--socket", socket}, args...)...)
	netlab.Await(t, within, func() bool {
		return strings.Contains(p.text(), "msg=active") || strings.Contains(p.text(), "msg=\"mirroring")
	}, "a keeper that works")
	return p
}

// open connects to a keeper.
func open(t *testing.T, socket string) *keep.Keeper {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	k := keep.Open(ctx, socket, slog.New(slog.NewTextHandler(io.Discard, nil)))
	t.Cleanup(func() { _ = k.Close() })
	if ctx.Err() != nil {
		t.Fatal("no keeper answers")
	}
	return k
}

// socket is something to hold.
func socket(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// put has n descriptors held.
func put(t *testing.T, k *keep.Keeper, n int) {
	t.Helper()
	fd := socket(t)
	for i := range n {
		if err := k.Put(fmt.Sprintf("%05d", i), fd, false); err != nil {
			t.Fatal(err)
		}
	}
}

// lasts waits until all is held beyond this process.
func lasts(t *testing.T, k *keep.Keeper) {
	t.Helper()
	netlab.Await(t, within, k.Alike, "a keeper that holds all")
}
