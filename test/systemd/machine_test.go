package systemd

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/test/clusterlab/capsule"
	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// deadline is how long anything may take that should happen at once.
const deadline = 30 * time.Second

// machine is a box whose process 1 is systemd, with smcrouted installed below
// /usr/local, and its network.
type machine struct {
	t       *testing.T
	box     *capsule.Box
	ns      *netlab.NS
	disk    string
	console programs.Output // of systemd
	log     programs.Output // what programs tell syslog(3)
}

// units are those that the service needs, and the one that systemd starts with.
// Those of the machine itself would do things to it.
var units = []string{"test.target", "sysinit.target", "basic.target", "network-online.target", "multi-user.target", "shutdown.target"}

func boot(t *testing.T) *machine {
	t.Helper()
	if missing != nil {
		t.Skip(missing)
	}
	m := &machine{t: t, disk: filepath.Join(capsule.Disk(), t.Name())}
	etc := m.folder("etc")
	for _, name := range []string{"passwd", "group", "nsswitch.conf", "ld.so.cache"} {
		if b, err := os.ReadFile(filepath.Join("/etc", name)); err == nil {
			m.write(filepath.Join("etc", name), string(b))
		}
	}
	m.copy(installed(oldVersion, "etc/default/smcroute"), filepath.Join(etc, "default/smcroute"))
	for _, unit := range units {
		m.write("etc/systemd/system/"+unit, "[Unit]\nDescription="+unit+"\nDefaultDependencies=no\n")
	}
	m.copy(installed(oldVersion, "usr/local"), m.folder("usr/local"))
	m.devices()
	box, err := capsule.Boot(capsule.Spec{
		Name: "router",
		Disk: m.disk,
		Binds: map[string]string{
			"/etc":         etc,
			"/dev":         m.folder("dev"),
			"/dev/console": m.terminal(),
			"/tmp":         m.folder("tmp"),
			"/var/tmp":     m.folder("vartmp"),
			"/usr/local":   m.folder("usr/local"),
		},
		Init: []string{manager, "--unit=" + units[0], "--show-status=false"},
		Env: []string{
			"PATH=" + os.Getenv("PATH"), "container=test",
			"SYSTEMD_UNIT_PATH=/etc/systemd/system:/usr/local/lib/systemd/system",
			"SYSTEMD_LOG_TARGET=console", "SYSTEMD_LOG_LEVEL=info",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	m.box = box
	t.Cleanup(box.Kill)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("systemd said:\n%s\nprograms said:\n%s", m.console.String(), m.log.String())
		}
	})
	m.await("systemd", func() bool { _, err := m.systemctl("is-active", units[0]); return err == nil })
	m.listen()
	m.ns = netlab.At(t, fmt.Sprintf("/proc/%d/ns/net", box.PID))
	for path, value := range map[string]string{
		"ipv4/conf/all/rp_filter": "0", "ipv4/conf/default/rp_filter": "0",
		"ipv6/conf/all/disable_ipv6": "0", "ipv6/conf/default/disable_ipv6": "0",
		"ipv6/conf/all/accept_dad": "0", "ipv6/conf/default/accept_dad": "0",
	} {
		m.ns.Sysctl(path, value)
	}
	return m
}

// folder makes a folder of the machine's disk.
func (m *machine) folder(name string) string {
	dir := filepath.Join(m.disk, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		m.t.Fatal(err)
	}
	return dir
}

// write writes a file of the machine's disk.
func (m *machine) write(name, text string) {
	m.t.Helper()
	m.folder(filepath.Dir(name))
	if err := os.WriteFile(filepath.Join(m.disk, name), []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// copy copies a file or folder in the way of install(1): what is replaced may be
// a program that runs.
func (m *machine) copy(from, to string) {
	m.t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-rT", "--remove-destination", from, to).CombinedOutput(); err != nil {
		m.t.Fatalf("copying %s: %v\n%s", from, err, out)
	}
}

// devices makes those that programs need.
func (m *machine) devices() {
	m.t.Helper()
	dev := m.folder("dev")
	m.folder("dev/pts")
	m.folder("dev/shm")
	m.write("dev/console", "")
	m.folder("dev/mqueue")
	if err := os.Symlink("pts/ptmx", filepath.Join(dev, "ptmx")); err != nil {
		m.t.Fatal(err)
	}
	for name, number := range map[string]uint64{
		"null": unix.Mkdev(1, 3), "zero": unix.Mkdev(1, 5), "full": unix.Mkdev(1, 7),
		"random": unix.Mkdev(1, 8), "urandom": unix.Mkdev(1, 9), "tty": unix.Mkdev(5, 0),
	} {
		if err := unix.Mknod(filepath.Join(dev, name), unix.S_IFCHR|0o666, int(number)); err != nil {
			m.t.Fatalf("mknod %s: %v", name, err)
		}
	}
}

// terminal makes the console, and returns its path.
func (m *machine) terminal() string {
	m.t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	path := fmt.Sprintf("/dev/pts/%d", n)
	// As long as it is open here its reader does not see an end.
	slave, openErr := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err := errors.Join(err, openErr); err != nil {
		m.t.Fatalf("a pseudo-terminal: %v", err)
	}
	m.t.Cleanup(func() { slave.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			if err != nil {
				return
			}
			_, _ = m.console.Write(buf[:n])
		}
	}()
	return path
}

// listen is what syslog(3) of services talks to.
func (m *machine) listen() {
	m.t.Helper()
	path := m.path("/run/systemd/journal/dev-log") // to which /dev/log of a unit with PrivateDevices= leads
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			_, _ = m.log.Write(append(bytes.TrimSpace(buf[:n]), '\n'))
		}
	}()
}

// path is where this program sees a file of the machine.
func (m *machine) path(name string) string { return filepath.Join(m.box.Root(), name) }

// run runs a program of the machine.
func (m *machine) run(name string, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0"}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := m.box.Start(cmd); err != nil {
		return "", err
	}
	stop := time.AfterFunc(deadline, func() { _ = cmd.Process.Kill() })
	defer stop.Stop()
	err := cmd.Wait()
	return strings.TrimSpace(out.String()), err
}

func (m *machine) systemctl(args ...string) (string, error) { return m.run("systemctl", args...) }

// must runs systemctl, which must succeed.
func (m *machine) must(args ...string) string {
	m.t.Helper()
	out, err := m.systemctl(args...)
	if err != nil {
		status, _ := m.systemctl("status", "smcroute")
		m.t.Fatalf("systemctl %v: %v\n%s\n%s", args, err, out, status)
	}
	return out
}

// property is one of the service.
func (m *machine) property(name string) string {
	m.t.Helper()
	return m.must("show", "-P", name, "smcroute")
}

func (m *machine) await(what string, cond func() bool) {
	m.t.Helper()
	netlab.Await(m.t, deadline, cond, what)
}

// show is what smcroutectl lists of routes.
func (m *machine) show() string {
	m.t.Helper()
	out, err := m.run("/usr/local/sbin/smcroutectl", "show", "routes", "-d")
	if err != nil {
		m.t.Fatalf("smcroutectl: %v\n%s", err, out)
	}
	return out
}
