package main

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/keep/wire"
)

// Whoever comes when somebody has removed the socket finds the keeper all the same.
func TestSocketIsRemoved(t *testing.T) {
	for _, gone := range [][]string{{""}, {"", ".lock"}} {
		path := socketPath(t)
		keeper := keeperAt(t, path)
		k := open(t, path)
		put(t, k, 3)
		for _, end := range gone {
			if err := os.Remove(path + end); err != nil {
				t.Fatal(err)
			}
		}
		keeper.says("made again")
		if !k.Connected() {
			t.Error("the program is not connected any more")
		}
		_ = k.Close()
		if got := open(t, path).Names(); len(got) != 3 {
			t.Errorf("held: %v", got)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the socket: %v, %v", info, err)
		}
		keeperAt(t, path).says("mirroring")
		keeper.signal(syscall.SIGTERM)
		keeper.end()
		if got := open(t, path).Names(); len(got) != 3 {
			t.Errorf("held by the next keeper: %v", got)
		}
	}
}

// What another keeper made is not replaced.
func TestSocketOfAnotherKeeper(t *testing.T) {
	path := socketPath(t)
	first := keeperAt(t, path)
	first.signal(syscall.SIGSTOP)
	for _, end := range []string{"", ".lock"} {
		if err := os.Remove(path + end); err != nil {
			t.Fatal(err)
		}
	}
	keeperAt(t, path).says("msg=active")
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	first.signal(syscall.SIGCONT)
	first.says("another keeper is active in its place")
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("the socket is another, %v", err)
	}
}

// Who only looks whether anybody answers is no trouble.
func TestLookIsNoWarning(t *testing.T) {
	path := socketPath(t)
	keeper := keeperAt(t, path)
	c, err := net.DialUnix(wire.Network, nil, &net.UnixAddr{Name: path, Net: wire.Network})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	p := play(t, "program", path)
	p.says("<nil>")
	p.kill()
	keeper.says("a program has gone")
	if strings.Contains(keeper.text(), "level=WARN") {
		t.Error("it warns")
	}
}

// A keeper in the background that does not get to work does not stay.
func TestDaemonOfKeeperThatHangs(t *testing.T) {
	path := socketPath(t)
	keeperAt(t, path).signal(syscall.SIGSTOP)
	code, out := runKeeper(t, "--daemon", "--socket", path)
	if code != exitFailure || !strings.Contains(out, "neither active nor a mirror after 5s") {
		t.Errorf("%d: %s", code, out)
	}
}

// A keeper in the background has nothing open of who started it.
func TestDaemonInheritsNothing(t *testing.T) {
	path := socketPath(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	code, out := runKeeperWith(t, []*os.File{w, w, w}, "--daemon", "--socket", path)
	if code != exitOK {
		t.Fatalf("%d: %s", code, out)
	}
	defer runKeeper(t, "stop", "--socket", path)
	_ = w.Close()
	_ = r.SetReadDeadline(time.Now().Add(within))
	if n, err := r.Read(make([]byte, 1)); n != 0 || os.IsTimeout(err) {
		t.Errorf("the pipe is open: %v", err)
	}
}
