package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/cmd/internal/background"
	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
)

// lost ends the daemon whose PID is in the file, at the end of the test.
func lost(t *testing.T, d *smcrouted) {
	t.Cleanup(func() {
		b, err := os.ReadFile(d.pidfile)
		if err != nil {
			return
		}
		var pid int
		if _, err := fmt.Sscan(string(b), &pid); err == nil {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
}

func TestDaemonize(t *testing.T) {
	needCapabilities(t)
	d := command(t, nil, "-f", "relative.conf")
	lost(t, d)
	// An output that only ends when nobody holds it any more: the daemon must
	// not keep its parent's descriptors, nor what that had inherited.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	d.ExtraFiles = []*os.File{w, w, w}
	if code := d.exit(t); code != 0 {
		t.Fatalf("exit code %d, stderr %q", code, d.stderr)
	}
	w.Close()
	r.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a descriptor of its parent is open: %v", err)
	}
	await(t, "PID file", func() bool { _, err := os.Stat(d.pidfile); return err == nil })
	pid := readPID(t, d.pidfile)
	if pid == d.Process.Pid {
		t.Fatal("the PID file names the parent")
	}
	if sid, err := unix.Getsid(pid); err != nil || sid != pid {
		t.Errorf("session %d, %v; want its own, %d", sid, err, pid)
	}
	proc := fmt.Sprintf("/proc/%d/", pid)
	for link, want := range map[string]string{"cwd": "/", "fd/0": "/dev/null", "fd/1": "/dev/null", "fd/2": "/dev/null"} {
		if got, err := os.Readlink(proc + link); err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", link, got, err, want)
		}
	}
	if comm, err := os.ReadFile(proc + "comm"); err != nil || strings.TrimSpace(string(comm)) == "exe" {
		t.Errorf("the process is called %q, %v", comm, err)
	}
	if code, err := unix.PidfdOpen(pid, 0); err != nil {
		t.Fatal(err)
	} else {
		defer unix.Close(code)
		syscall.Kill(pid, term)
		// A pidfd is readable once the process is gone.
		fds := []unix.PollFd{{Fd: int32(code), Events: unix.POLLIN}}
		if n, err := unix.Poll(fds, 60_000); n != 1 {
			t.Errorf("it does not end: %v", err)
		}
	}
	if _, err := os.Stat(d.pidfile); !os.IsNotExist(err) {
		t.Errorf("the PID file is still there: %v", err)
	}
}

// In SMCRoute the parent has ended with 0 long before anything can fail, and the
// daemon stays without routing.
func TestDefect6ParentEndsWithTheDaemonsCode(t *testing.T) {
	needCapabilities(t)
	for how, want := range map[string]int{"busy": 69, "unsupported": 76} {
		for _, args := range [][]string{{}, {"-n"}} {
			t.Run(how+strings.Join(args, ""), func(t *testing.T) {
				d := command(t, []string{envOpen + "=" + how}, args...)
				lost(t, d)
				if code := d.exit(t); code != want {
					t.Errorf("exit code %d, want %d", code, want)
				}
				if !strings.Contains(d.stderr.String(), "MRT_INIT IPv4 table 0: ") {
					t.Errorf("stderr %q does not say why", d.stderr)
				}
			})
		}
	}
}

func TestParentHearsOfASocketInUse(t *testing.T) {
	needCapabilities(t)
	d := command(t, []string{envSocket + "=1"})
	lost(t, d)
	if code := d.exit(t); code != exitcode.Unavailable || !strings.Contains(d.stderr.String(), "client socket: ") {
		t.Errorf("exit code %d, stderr %q; want %d and the reason", code, d.stderr, exitcode.Unavailable)
	}
}

func TestDelayDoesNotHoldUpTheParent(t *testing.T) {
	needCapabilities(t)
	// The daemon ends by itself: after the delay its table is in use. The parent, which
	// would have that as its own exit code, has ended long before.
	d := command(t, []string{envOpen + "=busy"}, "-d", "20")
	if code := d.exit(t); code != 0 {
		t.Errorf("exit code %d, stderr %q", code, d.stderr)
	}
}

func TestDaemonThatDiesIsReported(t *testing.T) {
	needCapabilities(t)
	dir := t.TempDir()
	// What is started in its place kills itself.
	fake := filepath.Join(dir, "smcrouted")
	if err := os.WriteFile(fake, []byte("#!/bin/sh\nkill -KILL $$\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	code, err := spawn(fake, []string{"smcrouted"}, &stderr)
	if err != nil || code != exitcode.Software || !strings.Contains(stderr.String(), "killed") {
		t.Errorf("got %d, %v, %q", code, err, &stderr)
	}
}

func TestStartupOfForegroundIsNobodysBusiness(t *testing.T) {
	p := background.Inherit()
	if p != nil {
		t.Fatal("there is a parent that waits")
	}
	if err := p.Ready(); err != nil {
		t.Error(err)
	}
	p.Fail(os.ErrInvalid.Error())
}
