package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Network is the one of package net.
const Network = "unixpacket"

// ErrNoRoom says that descriptors of a message did not get here. All else of it
// did.
var ErrNoRoom = errors.New("no room for more descriptors (RLIMIT_NOFILE), or more than a message may have")

// patience is how long a greeting may take: nothing else is waited for then.
const patience = 5 * time.Second

// Conn carries messages. Send may be called from several goroutines, and
// Receive from one.
type Conn struct {
	unix *net.UnixConn
	mu   sync.Mutex // of Send
	buf  []byte     // of Receive
	oob  []byte
}

// NewConn takes over a connection.
func NewConn(c *net.UnixConn) *Conn {
	return &Conn{
		unix: c,
		buf:  make([]byte, MaxMessage+1),
		oob:  make([]byte, unix.CmsgSpace(4*MaxNames)),
	}
}

// Dial connects to the keeper at a path, and says hello. It gives nothing to a
// keeper of another user than root or this process's.
func Dial(ctx context.Context, path string, role Role) (*Conn, error) {
	d := net.Dialer{Timeout: patience}
	raw, err := d.DialContext(ctx, Network, path)
	if err != nil {
		return nil, err
	}
	c := NewConn(raw.(*net.UnixConn))
	if err := c.CheckUser(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	_ = c.unix.SetDeadline(time.Now().Add(patience))
	if err := c.greet(role); err != nil {
		return nil, errors.Join(fmt.Errorf("the keeper at %s: %w", path, err), c.Close())
	}
	_ = c.unix.SetDeadline(time.Time{})
	return c, nil
}

func (c *Conn) greet(role Role) error {
	if err := c.Send(Message{Op: Hello, Version: Version, Oldest: Oldest, Role: role}, nil); err != nil {
		return err
	}
	m, fds, err := c.Receive()
	CloseAll(fds)
	switch {
	case err != nil:
		return err
	case m.Op != Done:
		return fmt.Errorf("it answered a greeting with %q", m.Op)
	}
	return m.Err()
}

// Welcome is the other end of Dial: it reads who connects.
func (c *Conn) Welcome() (Role, error) {
	_ = c.unix.SetDeadline(time.Now().Add(patience))
	role, version, err := c.welcome()
	answer := Answer(err)
	answer.Version = version
	if err := errors.Join(err, c.Send(answer, nil)); err != nil {
		return "", err
	}
	return role, c.unix.SetDeadline(time.Time{})
}

func (c *Conn) welcome() (Role, int, error) {
	// Read before all else: what is closed with something unread is a broken
	// connection to the other end, which learns no reason then.
	m, fds, err := c.Receive()
	CloseAll(fds)
	if err != nil {
		return "", 0, err
	}
	if err := c.CheckUser(); err != nil {
		return "", 0, err
	}
	version, err := Agree(m)
	if err != nil {
		return "", 0, err
	}
	switch m.Role {
	case Program, Mirror, Operator:
		return m.Role, version, nil
	}
	return "", 0, fmt.Errorf("%q is no role", m.Role)
}

// CheckUser says why the other end is not to be trusted: it is neither of this
// process's user nor of root.
func (c *Conn) CheckUser() error {
	cred, err := c.credentials()
	if err != nil {
		return fmt.Errorf("asking who is at the other end: %w", err)
	}
	if own := os.Geteuid(); cred.Uid != 0 && int(cred.Uid) != own {
		return fmt.Errorf("process %d belongs to the user %d: expected %d or root", cred.Pid, cred.Uid, own)
	}
	return nil
}

func (c *Conn) credentials() (*unix.Ucred, error) {
	raw, err := c.unix.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return cred, errors.Join(err, failed)
}

// Send sends a message, with descriptors that stay the caller's.
func (c *Conn) Send(m Message, fds []int) error {
	b, err := Encode(m)
	if err != nil {
		return err
	}
	if len(fds) != len(m.Put) {
		return fmt.Errorf("%d names with %d descriptors", len(m.Put), len(fds))
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _, err = c.unix.WriteMsgUnix(b, oob, nil)
	return err
}

// Receive returns the next message, with descriptors that are the caller's now.
// With an error there are none. After another one than [ErrNoRoom] nothing more is
// to be expected of the other end.
func (c *Conn) Receive() (Message, []int, error) {
	n, oobn, flags, _, err := c.unix.ReadMsgUnix(c.buf, c.oob)
	// A message of no bytes looks like the end, but can have descriptors.
	fds, oobErr := rights(c.oob[:oobn])
	var m Message
	switch {
	case err != nil:
	case oobErr != nil:
		err = oobErr
	default:
		m, err = Decode(c.buf[:n])
	}
	switch {
	case err != nil:
		m = Message{}
	case flags&syscall.MSG_CTRUNC != 0:
		err = ErrNoRoom
	case len(fds) != len(m.Put):
		m, err = Message{}, fmt.Errorf("a message with %d names and %d descriptors", len(m.Put), len(fds))
	}
	if err != nil {
		CloseAll(fds)
		return m, nil, err
	}
	return m, fds, nil
}

// rights returns the descriptors that came with a message.
func rights(oob []byte) (fds []int, err error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for i := range messages {
		more, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue // of another kind
		}
		fds = append(fds, more...)
	}
	return fds, nil
}

// Close ends the connection.
func (c *Conn) Close() error { return c.unix.Close() }

// CloseAll closes descriptors.
func CloseAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}
