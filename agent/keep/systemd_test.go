package keep

import (
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// manager is a service manager as far as its store goes. It holds several
// descriptors under one name, as systemd does.
type manager struct {
	conn  *net.UnixConn
	asked []string // messages
	held  map[string][]*os.File
}

func newManager(t *testing.T) *manager {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	m := &manager{conn: conn, held: map[string][]*os.File{}}
	t.Setenv("NOTIFY_SOCKET", path)
	t.Cleanup(func() {
		conn.Close()
		for name := range m.held {
			m.remove(name)
		}
	})
	return m
}

// work does what it was asked for until now.
func (m *manager) work(t *testing.T) {
	t.Helper()
	for {
		buf, oob := make([]byte, 4096), make([]byte, 4096)
		_ = m.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
		n, oobn, _, _, err := m.conn.ReadMsgUnix(buf, oob)
		if err != nil {
			return // whoever asks has returned by now: nothing more comes
		}
		m.do(t, string(buf[:n]), oob[:oobn])
	}
}

func (m *manager) do(t *testing.T, message string, oob []byte) {
	t.Helper()
	m.asked = append(m.asked, message)
	lines := strings.Split(message, "\n")
	name, _ := strings.CutPrefix(lines[len(lines)-1], "FDNAME=")
	switch lines[0] {
	case "FDSTOREREMOVE=1":
		m.remove(name)
	case "FDSTORE=1":
		messages, err := unix.ParseSocketControlMessage(oob)
		if err != nil || len(messages) != 1 {
			t.Fatalf("%q came with %d control messages, %v", message, len(messages), err)
		}
		fds, err := unix.ParseUnixRights(&messages[0])
		if err != nil || len(fds) != 1 {
			t.Fatalf("%q came with descriptors %v, %v", message, fds, err)
		}
		m.held[name] = append(m.held[name], os.NewFile(uintptr(fds[0]), name))
	default:
		t.Fatalf("asked for %q", message)
	}
}

func (m *manager) remove(name string) {
	for _, f := range m.held[name] {
		f.Close()
	}
	delete(m.held, name)
}

// names are those of what is held, with a number where there are several.
func (m *manager) names() (names []string) {
	for _, name := range slices.Sorted(maps.Keys(m.held)) {
		if n := len(m.held[name]); n > 1 {
			name += fmt.Sprintf(" (%d)", n)
		}
		names = append(names, name)
	}
	return names
}

// pipe is the end for writing of a new pipe, and reports whether somebody else
// than this process's own f still has one.
func pipe(t *testing.T) (f *os.File, open func() bool) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return w, func() bool {
		_ = w.Close()
		_ = r.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		_, err := r.Read(make([]byte, 1))
		return err != io.EOF
	}
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestSystemdHolds(t *testing.T) {
	m := newManager(t)
	s := Inherit()
	if len(s.Names()) != 0 || !s.Lasts() {
		t.Errorf("a new store holds %q, lasts %v", s.Names(), s.Lasts())
	}
	a, aOpen := pipe(t)
	b, bOpen := pipe(t)
	for _, p := range []struct {
		name string
		f    *os.File
	}{{"4-1/0/ipv4/owner", a}, {"4-1/0/ipv4/owner", a}, {"4-1/0/ipv6/owner", b}} {
		if err := s.Put(p.name, int(p.f.Fd()), true); err != nil {
			t.Fatal(err)
		}
	}
	m.work(t)
	equal(t, "asked", m.asked, []string{
		"FDSTORE=1\nFDPOLL=0\nFDNAME=4-1/0/ipv4/owner",
		"FDSTORE=1\nFDPOLL=0\nFDNAME=4-1/0/ipv6/owner",
	})

	// What takes another's name takes its place.
	if err := s.Put("4-1/0/ipv4/owner", int(b.Fd()), false); err != nil {
		t.Fatal(err)
	}
	m.work(t)
	equal(t, "held", m.names(), []string{"4-1/0/ipv4/owner", "4-1/0/ipv6/owner"})
	if aOpen() {
		t.Error("what was replaced is held")
	}
	s.Drop("4-1/0/ipv6/owner")
	s.Drop("4-1/0/ipv6/owner")
	s.Drop("never there")
	m.work(t)
	equal(t, "held", m.names(), []string{"4-1/0/ipv4/owner"})
	if !bOpen() {
		t.Error("what is held is closed")
	}
	s.DropAll()
	m.work(t)
	equal(t, "held", m.names(), nil)
	if err := s.Put("a:b", int(a.Fd()), false); err == nil {
		t.Error("a name with a colon, which separates them, was taken")
	}
}

// All names come to the next process in one environment variable, whose length
// the kernel limits.
func TestSystemdHasRoomForNames(t *testing.T) {
	m := newManager(t)
	s := Inherit()
	f, _ := pipe(t)
	name := func(i int) string { return fmt.Sprintf("%s/%06d", strings.Repeat("n", 200), i) }
	most := maxListenNames / (len(name(0)) + 1)
	for i := range most {
		if err := s.Put(name(i), int(f.Fd()), false); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		m.work(t)
	}
	for i := range 3 {
		if err := s.Put(name(most+i), int(f.Fd()), false); err == nil {
			t.Errorf("%d names of %d bytes were taken", most+i+1, len(name(0)))
		}
	}
	s.Drop(name(most + 1))
	m.work(t)
	if len(m.held) != most {
		t.Errorf("%d are held, want %d", len(m.held), most)
	}
	// What waits is held as soon as there is room.
	s.Drop(name(0))
	s.Drop(name(1))
	s.Drop(name(2))
	m.work(t)
	if len(m.held) != most-1 || m.held[name(most)] == nil || m.held[name(most+1)] != nil || m.held[name(most+2)] == nil {
		t.Errorf("%d are held, want %d and the two that waited", len(m.held), most-1)
	}
	if n := len(strings.Join(m.names(), ":")); n > maxListenNames {
		t.Errorf("the names have %d bytes", n)
	}
}

// A manager that does not answer keeps nobody waiting for long, and hears of
// everything later.
func TestSystemdManagerIsBusy(t *testing.T) {
	m := newManager(t)
	s := Inherit()
	s.patience = 10 * time.Millisecond
	f, _ := pipe(t)
	n := 0
	for s.Put(strconv.Itoa(n), int(f.Fd()), false) == nil {
		if n++; n == 100_000 {
			t.Fatal("the queue is never full")
		}
	}
	if err := s.Put("late", int(f.Fd()), false); err == nil {
		t.Error("there was room")
	}
	m.work(t)
	if len(m.held) != n {
		t.Errorf("%d are held, want %d", len(m.held), n)
	}
	if err := s.Put("last", int(f.Fd()), false); err != nil {
		t.Error(err)
	}
	m.work(t)
	if len(m.held) != n+3 || m.held["late"] == nil {
		t.Errorf("%d are held, want %d", len(m.held), n+3)
	}
}

// envHeir has the test binary be the process after one that left descriptors.
const envHeir = "KEEP_TEST_HEIR"

func init() {
	if os.Getenv(envHeir) != "" {
		heir()
		os.Exit(0)
	}
}

// heir tells what it inherits. The manager would know its process ID.
func heir() {
	_ = os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	s := Inherit()
	left := slices.DeleteFunc(os.Environ(), func(v string) bool { return !strings.HasPrefix(v, "LISTEN_") })
	if s == nil {
		var stat unix.Stat_t
		fmt.Println("no manager", left, unix.Fstat(3, &stat))
		return
	}
	fmt.Println(s.Names(), left)
	f := s.Get("4-1/0/ipv4/owner")
	if f == nil {
		fmt.Println("nothing under the name")
		return
	}
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
	fmt.Println("closed for children:", flags&unix.FD_CLOEXEC != 0, err)
	_, _ = f.WriteString("hello\n")
	// The manager has it already.
	if err := s.Put("4-1/0/ipv4/owner", int(f.Fd()), true); err != nil {
		fmt.Println(err)
	}
	s.Drop("other")
}

func TestSystemdPassesOn(t *testing.T) {
	m := newManager(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	other, _ := pipe(t)
	run := func(env ...string) string {
		t.Helper()
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), envHeir+"=1", "LISTEN_FDS=2", "LISTEN_FDNAMES=4-1/0/ipv4/owner:other")
		cmd.Env = append(cmd.Env, env...)
		cmd.ExtraFiles = []*os.File{w, other}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	want := "[4-1/0/ipv4/owner other] []\nclosed for children: true <nil>\n"
	if got := run(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	w.Close()
	if got, err := io.ReadAll(r); string(got) != "hello\n" || err != nil {
		t.Errorf("what was written to the descriptor: %q, %v", got, err)
	}
	m.work(t)
	equal(t, "asked", m.asked, []string{"FDSTOREREMOVE=1\nFDNAME=other"})

	// Without a manager that listens it is no use to keep anything.
	w, _ = pipe(t)
	if got, want := run("NOTIFY_SOCKET="), "no manager [] bad file descriptor\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSystemdWithoutManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if s := Inherit(); s != nil {
		t.Errorf("got %v, want no store", s)
	}
}
