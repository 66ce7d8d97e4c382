package main

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestLookupAccount(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, arg := range []string{me.Username, me.Uid, me.Uid + ":" + me.Gid} {
		a, err := lookupAccount(arg)
		if err != nil {
			t.Errorf("%s: %v", arg, err)
			continue
		}
		if a.uid != os.Getuid() || fmt.Sprint(a.gid) != me.Gid || a.name != me.Username {
			t.Errorf("%s: got %+v", arg, a)
		}
		if !slices.Contains(a.groups, a.gid) {
			t.Errorf("%s: the user's group %d is not among %v", arg, a.gid, a.groups)
		}
	}
	for arg, want := range map[string]string{
		"no-such-user":              `there is no user "no-such-user"`,
		"":                          `there is no user ""`,
		me.Username + ":no-such-gr": `there is no group "no-such-gr"`,
		me.Username + ":":           `there is no group ""`,
	} {
		if _, err := lookupAccount(arg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", arg, err, want)
		}
	}
}

func TestUnknownUserEndsWith1(t *testing.T) {
	d := command(t, nil, "-n", "-p", "no-such-user")
	if code := d.exit(t); code != 1 || !strings.Contains(d.stderr.String(), "no-such-user") {
		t.Errorf("exit code %d, stderr %q", code, d.stderr)
	}
}

func TestWithoutCapabilitiesEndsWith77(t *testing.T) {
	d := command(t, []string{envNoCaps + "=1"}, "-n")
	if code := d.exit(t); code != 77 || !strings.Contains(d.stderr.String(), "CAP_NET_ADMIN CAP_NET_RAW") {
		t.Errorf("exit code %d, stderr %q", code, d.stderr)
	}
}

// SMCRoute goes on as root then.
func TestFailureToDropPrivilegesEndsTheDaemon(t *testing.T) {
	needCapabilities(t)
	if _, err := lookupAccount("nobody"); err != nil {
		t.Skipf("%v: a system with a user nobody is needed", err)
	}
	path, receive := manager(t)
	d := command(t, []string{envNoCaps + "=most", "NOTIFY_SOCKET=" + path}, "-n", "-p", "nobody")
	if code := d.exit(t); code != 71 || !strings.Contains(d.stderr.String(), "changing to the groups of nobody: ") {
		t.Errorf("exit code %d, stderr %q", code, d.stderr)
	}
	if v := receive(); v["READY"] != "" {
		t.Errorf("it said that it is ready: %v", v)
	}
	if _, err := os.Stat(d.pidfile); !os.IsNotExist(err) {
		t.Errorf("the PID file is still there: %v", err)
	}
}

// status reads the lines of /proc/PID/task/*/status that begin with one of the
// names; all threads must agree.
func status(t *testing.T, pid int, names ...string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(files) == 0 {
		t.Fatalf("no threads of %d: %v", pid, err)
	}
	seen := make(map[string]string)
	for _, file := range files {
		b, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue // the thread ended
		}
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			name, value, _ := strings.Cut(line, ":")
			if !slices.Contains(names, name) {
				continue
			}
			value = strings.Join(strings.Fields(value), " ")
			if before, ok := seen[name]; ok && before != value {
				t.Errorf("%s of %s is %q, of another thread %q", name, file, value, before)
			}
			seen[name] = value
		}
	}
	return seen
}

func TestPrivilegesAreDropped(t *testing.T) {
	needRoot(t)
	nobody, err := lookupAccount("nobody:daemon")
	if err != nil {
		t.Skipf("%v: a system with users nobody and daemon is needed", err)
	}
	path, receive := manager(t)
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(path); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	d := command(t, []string{"NOTIFY_SOCKET=" + path}, "-n", "-p", "nobody:daemon")
	d.start(t)
	if v := receive(); v["READY"] != "1" {
		t.Fatalf("got %v", v)
	}

	got := status(t, d.Process.Pid, "Uid", "Gid", "Groups", "CapEff", "CapPrm", "CapInh", "CapAmb")
	id := func(n int) string { return strings.Join(slices.Repeat([]string{fmt.Sprint(n)}, 4), " ") }
	for name, want := range map[string]string{
		"Uid":    id(nobody.uid),
		"Gid":    id(nobody.gid),
		"Groups": strings.Trim(fmt.Sprint(nobody.groups), "[]"),
		"CapEff": "0000000000003000", // NET_ADMIN 12, NET_RAW 13
		"CapPrm": "0000000000003000",
		"CapInh": "0000000000000000",
		"CapAmb": "0000000000000000",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}

	info, err := os.Stat(d.pidfile)
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); int(st.Uid) != nobody.uid || int(st.Gid) != nobody.gid {
		t.Errorf("the PID file belongs to %d:%d", st.Uid, st.Gid)
	}
	// A reload still acknowledges.
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(d.pidfile, old, old); err != nil {
		t.Fatal(err)
	}
	d.Process.Signal(hup)
	await(t, "the PID file is touched", func() bool {
		info, err := os.Stat(d.pidfile)
		return err == nil && time.Since(info.ModTime()) < time.Minute
	})
	d.Process.Signal(term)
	if code := d.code(t); code != 0 {
		t.Errorf("exit code %d, stderr %q", code, d.stderr)
	}
	// The directory is root's, so it cannot be deleted.
	if b, err := os.ReadFile(d.pidfile); err != nil || len(b) != 0 {
		t.Errorf("the PID file has %q, %v; want nothing in it", b, err)
	}
}
