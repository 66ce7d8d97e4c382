package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pair returns both ends of a connection: the other one raw.
func pair(t *testing.T) (*Conn, *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "")
		c, err := net.FileConn(f)
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		ends[i] = c.(*net.UnixConn)
		t.Cleanup(func() { _ = c.Close() })
	}
	return NewConn(ends[0]), ends[1]
}

// descriptors counts those of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func null(t *testing.T) int {
	t.Helper()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return int(f.Fd())
}

func TestDescriptorsComeWithNames(t *testing.T) {
	c, raw := pair(t)
	other := NewConn(raw)
	fd := null(t)
	put := []Item{{Name: "a"}, {Name: "b"}}
	if err := c.Send(Message{Op: Change, Put: put}, []int{fd, fd}); err != nil {
		t.Fatal(err)
	}
	m, fds, err := other.Receive()
	if err != nil || len(m.Put) != 2 || len(fds) != 2 {
		t.Fatalf("got %+v, %v, %v", m, fds, err)
	}
	for _, fd := range fds {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("descriptor %d would get into programs that are started: %v", fd, err)
		}
	}
	CloseAll(fds)
	if err := c.Send(Message{Op: Change, Put: put}, []int{fd}); err == nil {
		t.Error("two names went with one descriptor")
	}
}

// send sends what may be no message. Libraries add a byte to none.
func send(t *testing.T, raw *net.UnixConn, text string, fds []int) {
	t.Helper()
	oob := unix.UnixRights(fds...)
	data := append([]byte(text), 0)
	iov := unix.Iovec{Base: &data[0]}
	iov.SetLen(len(text))
	h := unix.Msghdr{Iov: &iov, Control: &oob[0]}
	h.SetIovlen(1)
	h.SetControllen(len(oob))
	c, err := raw.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = c.Control(func(fd uintptr) {
		if _, _, errno := unix.Syscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&h)), 0); errno != 0 {
			t.Error(errno)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Whatever comes in a bad message is closed.
func TestBadMessagesLeakNothing(t *testing.T) {
	fd := null(t)
	many := make([]int, 200)
	for i := range many {
		many[i] = fd
	}
	for _, tt := range []struct {
		name, text, want string
		fds              []int
	}{
		{"not JSON", "{", "not a message", []int{fd, fd}},
		{"no bytes", "", "EOF", []int{fd}},
		{"no names", `{"op":"synced"}`, "0 names and 1 descriptors", []int{fd}},
		{"more descriptors than names", `{"op":"change","put":[{"name":"a"}]}`, "1 names and 2 descriptors", []int{fd, fd}},
		{"fewer", `{"op":"change","put":[{"name":"a"},{"name":"b"}]}`, "2 names and 1 descriptors", []int{fd}},
		{"bad name", `{"op":"change","put":[{"name":":"}]}`, "expected printable ASCII", []int{fd}},
		{"more than the limit", `{"op":"change","put":[{"name":"a"}]}`, ErrNoRoom.Error(), many},
		{"long", `{"op":"` + strings.Repeat("a", MaxMessage) + `"}`, "expected 65536 at most", []int{fd}},
	} {
		c, raw := pair(t)
		before := descriptors(t)
		send(t, raw, tt.text, tt.fds)
		_, fds, err := c.Receive()
		if err == nil || !strings.Contains(err.Error(), tt.want) || fds != nil {
			t.Errorf("%s: got %v, %v; want %q", tt.name, fds, err, tt.want)
		}
		if after := descriptors(t); after != before {
			t.Errorf("%s: %d descriptors before, %d after", tt.name, before, after)
		}
	}
}

// A process with as many descriptors as it may have goes on.
func TestNoRoomIsNoEnd(t *testing.T) {
	c, raw := pair(t)
	other := NewConn(raw)
	fd := null(t)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = uint64(descriptors(t)) // the next one is at least so high
	if err := c.Send(Message{Op: Change, Put: []Item{{Name: "a"}, {Name: "b"}, {Name: "c"}}}, []int{fd, fd, fd}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	m, fds, err := other.Receive()
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, ErrNoRoom) || m.Op != Change || fds != nil {
		t.Fatalf("got %+v, %v, %v", m, fds, err)
	}
	if err := c.Send(Message{Op: Synced}, nil); err != nil {
		t.Fatal(err)
	}
	if m, _, err := other.Receive(); err != nil || m.Op != Synced {
		t.Errorf("got %+v, %v", m, err)
	}
}

// listener accepts one connection and calls f with it.
func listener(t *testing.T, f func(*Conn)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix(Network, &net.UnixAddr{Name: path, Net: Network})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := l.AcceptUnix(); err == nil {
			f(NewConn(c))
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return path
}

func TestGreeting(t *testing.T) {
	roles := make(chan Role, 1)
	path := listener(t, func(c *Conn) {
		role, err := c.Welcome()
		if err != nil {
			t.Error(err)
		}
		roles <- role
		_, _, _ = c.Receive()
	})
	c, err := Dial(t.Context(), path, Mirror)
	if err != nil {
		t.Fatal(err)
	}
	if role := <-roles; role != Mirror {
		t.Errorf("got %q", role)
	}
	_ = c.Close()
}

// Who is refused learns why.
func TestRefusedGreetings(t *testing.T) {
	for _, tt := range []struct {
		hello Message
		want  string
	}{
		{Message{Op: Hello, Version: 9, Oldest: 8, Role: Program}, "the versions 8 to 9"},
		{Message{Op: Hello, Version: 1, Oldest: 1, Role: "king"}, `"king" is no role`},
		{Message{Op: Stop}, `expected "hello"`},
	} {
		refused := make(chan error, 1)
		path := listener(t, func(c *Conn) {
			_, err := c.Welcome()
			refused <- err
		})
		raw, err := net.DialUnix(Network, nil, &net.UnixAddr{Name: path, Net: Network})
		if err != nil {
			t.Fatal(err)
		}
		c := NewConn(raw)
		if err := c.Send(tt.hello, nil); err != nil {
			t.Fatal(err)
		}
		m, _, err := c.Receive()
		if err != nil || !strings.Contains(m.Error, tt.want) {
			t.Errorf("%+v: got %+v, %v", tt.hello, m, err)
		}
		if err := <-refused; err == nil {
			t.Errorf("%+v was welcome", tt.hello)
		}
		if _, _, err := c.Receive(); !errors.Is(err, io.EOF) {
			t.Errorf("%+v: the connection goes on: %v", tt.hello, err)
		}
		_ = c.Close()
	}
}
