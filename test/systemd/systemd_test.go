package systemd

import (
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// start boots a machine with the service, on which streams flow.
func start(t *testing.T) (*machine, *network) {
	t.Helper()
	m := boot(t)
	n := connect(m)
	m.write("etc/smcroute.conf", conf)
	m.must("start", "smcroute")
	n.stream()
	return m, n
}

// Packets go on while the service is restarted, and reloaded, and when it has died.
func TestRestart(t *testing.T) {
	m, n := start(t)
	pid := m.property("MainPID")
	next := func(how string) {
		t.Helper()
		n.lossless(how)
		m.await("another process", func() bool {
			now := m.property("MainPID")
			return now != "0" && now != pid && m.property("ActiveState") == "active"
		})
		pid = m.property("MainPID")
		n.lossless(how)
	}

	m.copy(installed(newVersion, "usr/local/sbin"), filepath.Join(m.disk, "usr/local/sbin"))
	m.must("restart", "smcroute")
	next("restart with another version")
	if out, _ := m.run("/usr/local/sbin/smcrouted", "-v"); !strings.Contains(out, newVersion) {
		t.Errorf("the version is %q", out)
	}
	m.await("the version in the log", func() bool { return strings.Contains(m.log.String(), newVersion) })

	m.must("kill", "--signal=KILL", "--kill-whom=main", "smcroute")
	next("SIGKILL")
	m.must("kill", "--signal=QUIT", "--kill-whom=main", "smcroute") // as with a panic
	next("SIGQUIT")

	m.must("reload", "smcroute")
	n.lossless("reload")
	for range 3 {
		m.must("restart", "smcroute")
		next("restart")
	}
	// Options that are wrong end it again and again, until they are cured.
	m.write("etc/default/smcroute", "SMCROUTED_OPTS=-Z\n")
	if out, err := m.systemctl("restart", "smcroute"); err == nil {
		t.Errorf("restart with bad options succeeded: %s", out)
	}
	m.await("the fifth attempt", func() bool { n, err := strconv.Atoi(m.property("NRestarts")); return err == nil && n >= 5 })
	n.lossless("restart with bad options")
	m.write("etc/default/smcroute", "")
	next("restart with good options")

	// The configuration is not there: what flows goes on.
	if err := os.Rename(filepath.Join(m.disk, "etc/smcroute.conf"), filepath.Join(m.disk, "etc/away")); err != nil {
		t.Fatal(err)
	}
	m.must("restart", "smcroute")
	next("restart without a configuration")
	m.write("etc/smcroute.conf", conf)
	m.must("reload", "smcroute")
	n.lossless("reload of a configuration that was away")
	n.end()
	if out := m.show(); strings.Count(out, "\n") < 4 {
		t.Errorf("routes:\n%s", out)
	}
	_ = syscall.SIGKILL
}

func TestUnit(t *testing.T) {
	m := boot(t)
	if out, err := m.run("systemd-analyze", "verify", "--man=no", "/usr/local/lib/systemd/system/smcroute.service"); err != nil || out != "" {
		t.Errorf("%v\n%s", err, out)
	}
}

// Nobody changes to a user without privileges, and goes on keeping.
func TestRestartAsUser(t *testing.T) {
	m, n := start(t)
	m.write("etc/default/smcroute", "SMCROUTED_OPTS=-p nobody\n")
	m.must("restart", "smcroute")
	n.lossless("restart")
	held := m.property("NFileDescriptorStore")
	m.write("etc/smcroute.conf", conf+"mgroup from out group 225.7.7.0/27\n")
	m.must("reload", "smcroute")
	m.await("the sockets of more memberships in the store", func() bool { return m.property("NFileDescriptorStore") != held })
	m.must("kill", "--signal=KILL", "--kill-whom=main", "smcroute")
	m.await("another process", func() bool { return m.property("NRestarts") == "1" && m.property("ActiveState") == "active" })
	n.lossless("SIGKILL")
	n.end()
}

// A route that was removed while the service was dead is gone when it is back, and
// all others are as they were, with their counters.
func TestRemovedMeanwhile(t *testing.T) {
	m, n := start(t)
	before := m.counters()
	m.write("etc/smcroute.conf", strings.ReplaceAll(conf, "225.1.1.1 to", "225.1.1.9 to"))
	m.must("kill", "--signal=KILL", "--kill-whom=main", "smcroute")
	gone := n.sg("225.1.1.1")
	m.await("the route that is gone", func() bool { return m.property("ActiveState") == "active" && m.counters()[gone.String()] == nil })
	n.silence(gone)
	n.lossless("SIGKILL")
	after := m.counters()
	for flow, packets := range before {
		if flow != gone.String() && (after[flow] == nil || *after[flow] < *packets) {
			t.Errorf("%s: %d packets before, %v after", flow, *packets, after[flow])
		}
	}
	n.end()
}

// A stop leaves nothing, be it of what a restart has adopted, or of tables and
// services that are not there any more.
func TestStop(t *testing.T) {
	m, n := start(t)
	m.must("restart", "smcroute")
	n.lossless("restart")
	m.must("stop", "smcroute")
	n.end()
	m.nothing(0)

	// Another program's entry is there before, and after.
	other := n.sg("ff15::1")
	other.Group = netip.MustParseAddr("ff15::8")
	forget := m.foreign(other)
	m.must("start", "smcroute")
	m.must("restart", "smcroute")
	if out := m.show(); !strings.Contains(out, "ff15::8") {
		t.Errorf("the other program's entry is not shown:\n%s", out)
	}
	m.must("stop", "smcroute")
	m.await("what is another program's to be all there is", func() bool {
		left := m.entries(0)
		return len(left) == 1 && strings.Contains(left[0], "ff15::8") && !strings.Contains(left[0], "ff15::1 ")
	})
	forget()
	m.nothing(0)

	m.must("start", "smcroute")
	m.write("etc/default/smcroute", "SMCROUTED_OPTS=-t 7\n")
	m.must("restart", "smcroute")
	m.await("the table that nobody has asked for any more to be empty", func() bool { return m.entries(0) == nil })
	m.must("stop", "smcroute")
	m.nothing(7)

	// Without -k it is as ever: a restart begins anew.
	m.write("etc/default/smcroute", "")
	m.must("start", "smcroute")
	m.write("etc/systemd/system/smcroute.service.d/plain.conf", "[Service]\nExecStart=\nExecStart=/usr/local/sbin/smcrouted -n -s\n")
	m.must("daemon-reload")
	m.must("restart", "smcroute")
	m.await("the manager to hold nothing, without -k", func() bool { return m.property("NFileDescriptorStore") == "0" })
	m.must("stop", "smcroute")
	m.nothing(0)
}

// What the script of -e inherits is not the daemon's.
func TestScriptInheritsNothing(t *testing.T) {
	m := boot(t)
	connect(m)
	m.write("etc/smcroute.conf", conf)
	m.write("etc/script", "#!/bin/sh\n{ env; ls -l /proc/self/fd; } >/run/inherited.new && mv /run/inherited.new /run/inherited\n")
	if err := os.Chmod(filepath.Join(m.disk, "etc/script"), 0o755); err != nil {
		t.Fatal(err)
	}
	m.write("etc/default/smcroute", "SMCROUTED_OPTS=-e /etc/script\n")
	m.must("start", "smcroute")
	for range 2 {
		m.await("the script", func() bool { _, err := os.Stat(m.path("/run/inherited")); return err == nil })
		b, err := os.ReadFile(m.path("/run/inherited"))
		if err != nil {
			t.Fatal(err)
		}
		for _, private := range []string{"LISTEN_", "NOTIFY_SOCKET", "socket:"} {
			if strings.Contains(string(b), private) {
				t.Errorf("the script inherits %s:\n%s", private, b)
			}
		}
		if err := os.Remove(m.path("/run/inherited")); err != nil {
			t.Fatal(err)
		}
		m.must("restart", "smcroute")
	}
}

// More sockets than the 1024 descriptors that a service starts with by default.
func TestManyGroups(t *testing.T) {
	m := boot(t)
	n := connect(m)
	m.ns.Sysctl("ipv4/igmp_max_memberships", "2") // of a socket
	const groups = 1 << 11
	m.write("etc/smcroute.conf", conf+"mgroup from in group 227.0.0.0/21\n")
	m.must("start", "smcroute")
	n.stream()
	members := func() int { return len(m.ns.Memberships("in")) }
	m.await("all groups", func() bool { return members() > groups })
	sockets := func() bool {
		n, _ := strconv.Atoi(m.property("NFileDescriptorStore"))
		return n > groups/2 && n < groups/2+10
	}
	m.await("the manager to hold all sockets", sockets)
	n.lossless("joining")
	for range 2 {
		m.must("restart", "smcroute")
		n.lossless("restart")
		if n := members(); n <= groups {
			t.Errorf("%d groups are joined after a restart", n)
		}
		m.await("the sockets of the process before to be dropped", sockets)
	}
	n.lossless("restart")
	n.end()
	m.must("stop", "smcroute")
	m.nothing(0)
}
