package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/agent/keep"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/view"
)

// Variables for the test binary when it plays smcrouted.
const (
	envPlay   = "SMCROUTED_TEST_PLAY"   // set: be smcrouted
	envOpen   = "SMCROUTED_TEST_OPEN"   // how claiming the tables fails
	envIPv6   = "SMCROUTED_TEST_IPV6"   // how claiming that of IPv6 alone fails
	envNoCaps = "SMCROUTED_TEST_NOCAPS" // set: start without capabilities; "most": with those needed
	envSocket = "SMCROUTED_TEST_SOCKET" // set: the socket is in use
	envSlow   = "SMCROUTED_TEST_SLOW"   // set: never end by itself
)

func TestMain(m *testing.M) {
	if os.Getenv(envPlay) == "" {
		os.Exit(m.Run())
	}
	if how := os.Getenv(envNoCaps); how != "" {
		keep := cap.NewSet()
		if how == "most" {
			keep.SetFlag(cap.Permitted, true, needed...)
			keep.SetFlag(cap.Effective, true, needed...)
		}
		if err := keep.SetProc(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(99)
		}
	}
	os.Exit(run(os.Args, os.Stdout, os.Stderr, playParts()))
}

var openErrors = map[string]error{
	"busy":        &kernel.Error{Op: "MRT_INIT", Object: "IPv4 table 0", Errno: syscall.EADDRINUSE, Cause: kernel.ErrTableBusy},
	"unsupported": &kernel.Error{Op: "MRT_INIT", Object: "IPv4 table 0", Errno: syscall.ENOPROTOOPT, Cause: kernel.ErrNotSupported},
}

func playParts() parts {
	return parts{
		open: func(linux.Options) (kernel.Kernel, error) {
			return playKernel{ipv6: openErrors[os.Getenv(envIPv6)]}, openErrors[os.Getenv(envOpen)]
		},
		discard: func(keep.Keeping, uint32) error { return nil },
		new:     func(o agent.Options) router { return &playRouter{o: o, reloads: make(chan struct{})} },
		links: func() ([]mroute.Link, error) {
			return []mroute.Link{{Index: 1, Name: "lo", Up: true, Loopback: true}}, nil
		},
		check: func(w io.Writer, conf string, _ agent.CheckOptions) bool {
			fmt.Fprintln(w, "checked", conf)
			return filepath.Base(conf) == "good.conf"
		},
	}
}

// playKernel is the little of a kernel that the shell itself asks.
type playKernel struct {
	kernel.Kernel
	ipv6 error
}

func (k playKernel) FamilyErr(f mroute.Family) error {
	if f == mroute.IPv6 {
		return k.ipv6
	}
	return nil
}

// playRouter is a router that routes nothing.
type playRouter struct {
	o       agent.Options
	reloads chan struct{}
}

func (r *playRouter) Run(ctx context.Context) error {
	r.o.Logger.Warn("Configuration", "file", r.o.ConfFile)
	if os.Getenv(envSocket) != "" {
		return fmt.Errorf("client socket: %w", ipc.ErrInUse)
	}
	r.o.OnStarted()
	r.o.OnReady()
	for {
		select {
		case <-r.reloads:
			r.o.OnReloading()
			r.o.OnReloaded()
		case <-ctx.Done():
			if os.Getenv(envSlow) != "" {
				fmt.Fprintln(os.Stderr, "slow end")
				select {}
			}
			return nil
		}
	}
}

func (r *playRouter) Reload(ctx context.Context) error {
	select {
	case r.reloads <- struct{}{}:
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (r *playRouter) Visit(ctx context.Context, v view.Visit) (*view.State, error) {
	return (&view.State{Version: "played"}).Survey(ctx, v)
}

func (r *playRouter) WriteState(_ context.Context, to io.Writer, _ view.About) error {
	return view.NewWriter(to, view.Head{Version: "played"}).End(&mroute.Snapshot{}, nil)
}

func (r *playRouter) Observe() agent.Observation {
	return agent.Observation{Main: true, Survey: func(context.Context, mroute.Survey) mroute.RouterState { return mroute.RouterState{} }}
}

func (r *playRouter) LastRead() (bool, time.Time, bool) { return false, time.Time{}, false }

// smcrouted is a command that plays the daemon, with its PID file.
type smcrouted struct {
	*exec.Cmd
	pidfile string
	stderr  *bytes.Buffer
}

// command makes a daemon that does not run yet. env are additions of the form
// NAME=VALUE.
func command(t *testing.T, env []string, args ...string) *smcrouted {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	d := &smcrouted{pidfile: filepath.Join(dir, "test.pid"), stderr: new(bytes.Buffer)}
	d.Cmd = exec.Command(exe, append([]string{"-P", d.pidfile, "-u", filepath.Join(dir, "test.sock")}, args...)...)
	d.Env = append(append(os.Environ(), envPlay+"=1"), env...)
	d.Stderr = d.stderr
	return d
}

// start runs it until its PID file is there; it is killed at the end of the test.
func (d *smcrouted) start(t *testing.T) {
	t.Helper()
	needCapabilities(t)
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if d.ProcessState == nil {
			d.Process.Kill()
			d.Wait()
		}
	})
	await(t, "PID file", func() bool { _, err := os.Stat(d.pidfile); return err == nil })
}

// code waits for the end and returns the exit code. A daemon that does not end
// is killed, which gives -1.
func (d *smcrouted) code(t *testing.T) int {
	t.Helper()
	defer time.AfterFunc(time.Minute, func() { d.Process.Kill() }).Stop()
	var exit *exec.ExitError
	if err := d.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return d.ProcessState.ExitCode()
}

// exit runs it to its end.
func (d *smcrouted) exit(t *testing.T) int {
	t.Helper()
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	return d.code(t)
}

func needCapabilities(t *testing.T) {
	t.Helper()
	if err := checkCapabilities(); err != nil {
		t.Skipf("%v: run this test as root, or in unshare -Urn", err)
	}
}

// needRoot skips unless all users can be changed to.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 || unix.Setgroups(mustGroups(t)) != nil {
		t.Skip("changing the user needs root, outside of a user namespace: run this test with sudo")
	}
}

func mustGroups(t *testing.T) []int {
	t.Helper()
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	return groups
}

// await retries until holds, and fails after a minute.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func readPID(t *testing.T, path string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSuffix(string(b), "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}
