package hook

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

func logger(log *programs.Output) *slog.Logger { return slog.New(slog.NewTextHandler(log, nil)) }

// script writes an executable that appends a line for each call to the file
// whose name is returned, after the shell commands in before.
func script(t *testing.T, before string) (cmd, calls string) {
	dir := t.TempDir()
	cmd, calls = filepath.Join(dir, "script"), filepath.Join(dir, "calls")
	text := fmt.Sprintf("#!/bin/sh\n%s\necho \"$# $1 source=${source-unset} group=${group-unset} notify=${NOTIFY_SOCKET-unset}\" >> %s\n", before, calls)
	if err := os.WriteFile(cmd, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return cmd, calls
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	netlab.Await(t, time.Minute, holds, what)
}

func lines(t *testing.T, file string) []string {
	b, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' })
}

func sg(n int) mroute.SG {
	return mroute.SG{
		Source: netip.MustParseAddr("192.0.2.1"),
		Group:  netip.AddrFrom4([4]byte{225, 0, byte(n >> 8), byte(n)}),
	}
}

func TestScriptSeesWhatHappened(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "/run/systemd/notify")
	t.Setenv("source", "stale")
	t.Setenv("group", "stale")
	cmd, calls := script(t, "")
	r := New(cmd, nil)
	r.Reload()
	r.Install(sg(1))
	r.Install(mroute.SG{Source: netip.MustParseAddr("2001:db8::1"), Group: netip.MustParseAddr("ff0e::1")})
	want := []string{
		"1 reload source=unset group=unset notify=unset",
		"1 install source=192.0.2.1 group=225.0.0.1 notify=unset",
		"1 install source=2001:db8::1 group=ff0e::1 notify=unset",
	}
	await(t, "three calls", func() bool { return len(lines(t, calls)) == 3 })
	if got := lines(t, calls); !slices.Equal(got, want) {
		t.Errorf("calls\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// gate is a script that waits for a file to vanish.
func gate(t *testing.T) (cmd, calls string, open func()) {
	held := filepath.Join(t.TempDir(), "held")
	if err := os.WriteFile(held, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd, calls = script(t, "while [ -e "+held+" ]; do sleep 0.01; done")
	return cmd, calls, func() { os.Remove(held) }
}

func TestCallersNeverWaitAndDuplicatesCollapse(t *testing.T) {
	cmd, calls, open := gate(t)
	r := New(cmd, nil)
	r.Install(sg(0)) // runs, and hangs
	await(t, "the first call to run", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.queue) == 0 })
	for range 1000 {
		r.Reload()
		r.Install(sg(0))
		r.Install(sg(1))
	}
	if got := lines(t, calls); len(got) != 0 {
		t.Fatalf("the script ended before it was let go: %v", got)
	}
	open()
	await(t, "the queue to drain", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return !r.running })
	var got []string
	for _, l := range lines(t, calls) {
		got = append(got, strings.Join(strings.Fields(l)[1:4], " "))
	}
	want := []string{
		"install source=192.0.2.1 group=225.0.0.0",
		"reload source=unset group=unset",
		"install source=192.0.2.1 group=225.0.0.0",
		"install source=192.0.2.1 group=225.0.0.1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("calls %q, want %q", got, want)
	}
}

func TestOldestAreDroppedWithOneLine(t *testing.T) {
	cmd, _, open := gate(t)
	var log programs.Output
	r := New(cmd, logger(&log))
	r.Reload()
	await(t, "the first call to run", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.queue) == 0 })
	for n := range MaxQueue + 100 {
		r.Install(sg(n))
	}
	r.mu.Lock()
	waiting, oldest := len(r.queue), r.queue[0]
	known := len(r.queued)
	r.mu.Unlock()
	if waiting != MaxQueue || known != MaxQueue || oldest.sg != sg(100) {
		t.Errorf("%d (%d) wait, the oldest is %v; want %d and %v", waiting, known, oldest.sg, MaxQueue, sg(100))
	}
	if n := strings.Count(log.String(), "dropped"); n != 1 {
		t.Errorf("%d lines about it, want 1:\n%s", n, &log)
	}
	r.Close()
	open()
	await(t, "the runner to stop", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return !r.running })
}

func TestCloseDropsWhatWaits(t *testing.T) {
	cmd, calls, open := gate(t)
	r := New(cmd, nil)
	r.Reload()
	await(t, "the first call to run", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.queue) == 0 })
	r.Install(sg(1))
	r.Close()
	r.Install(sg(2))
	open()
	await(t, "the running call to end", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return !r.running })
	if got := lines(t, calls); len(got) != 1 {
		t.Errorf("calls %q, want only the one that ran", got)
	}
}

func TestChildrenAreReaped(t *testing.T) {
	cmd, _ := script(t, "exit 3")
	var log programs.Output
	r := New(cmd, logger(&log))
	r.Reload()
	await(t, "a line about the failure", func() bool { return strings.Contains(log.String(), "exit status 3") })
	await(t, "the runner to stop", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return !r.running })
	if _, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("wait4: %v, want ECHILD: no child left", err)
	}
}

func TestNotExecutableIsLoggedOnce(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, cmd := range map[string]string{
		"absent":         filepath.Join(dir, "absent"),
		"directory":      dir,
		"not executable": plain,
	} {
		t.Run(name, func(t *testing.T) {
			var log programs.Output
			r := New(cmd, logger(&log))
			for range 3 {
				r.Reload()
			}
			if n := strings.Count(log.String(), "\n"); n != 1 {
				t.Errorf("%d lines, want 1:\n%s", n, &log)
			}
			if r.running {
				t.Error("it tries to run")
			}
		})
	}
}

func TestUnstartableIsLoggedOnce(t *testing.T) {
	// The kernel refuses it: no such interpreter.
	cmd := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(cmd, []byte("#!/no/such/interpreter\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	var log programs.Output
	r := New(cmd, logger(&log))
	for n := range 3 {
		r.Install(sg(n))
	}
	await(t, "the runner to stop", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return !r.running })
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d lines, want 1:\n%s", n, &log)
	}
}

func TestNoScript(t *testing.T) {
	for name, r := range map[string]*Runner{"nil": nil, "zero": {}, "empty": New("", nil)} {
		t.Run(name, func(t *testing.T) {
			r.Reload()
			r.Install(sg(1))
			r.Close()
		})
	}
}
