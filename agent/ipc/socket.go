package ipc

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// ErrInUse says that another daemon answers on the socket.
var ErrInUse = errors.New("another daemon is listening")

// socket is a listening socket and the file it made.
type socket struct {
	*net.UnixListener
	path string
	made fs.FileInfo
}

// ListenSocket makes a socket at path for what is not this package's protocol,
// with the same care for what others left there: see [Listen]. Nobody but those
// whom mode gives write permission can connect. Close removes the file.
func ListenSocket(path string, mode fs.FileMode) (net.Listener, error) {
	s, err := listen(path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(s.path, mode); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// listen makes a socket at path. A file that a dead daemon left there is
// replaced; with a live one behind it the error is ErrInUse, and names it. The
// file's mode is what the umask leaves of 0777, as with SMCRoute: without write
// permission nobody can connect.
func listen(path string) (*socket, error) {
	addr, err := address(path)
	if err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		if err := removeStale(addr); err != nil {
			return nil, err
		}
		l, err = net.ListenUnix("unix", addr)
	}
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // it would unlink a successor's file too
	made, err := os.Lstat(addr.Name)
	if err != nil {
		l.Close()
		return nil, err
	}
	return &socket{UnixListener: l, path: addr.Name, made: made}, nil
}

// removeStale removes the socket file at addr if nobody listens behind it.
func removeStale(addr *net.UnixAddr) error {
	info, err := os.Lstat(addr.Name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is in the way: expected a socket, or nothing: %w", addr.Name, syscall.EEXIST)
	}
	c, err := net.DialUnix("unix", nil, addr)
	switch {
	case err == nil:
		defer c.Close()
		return fmt.Errorf("%s: %w (process %d)", addr.Name, ErrInUse, listenerPID(c))
	case errors.Is(err, syscall.EAGAIN): // its queue of connections is full
		return fmt.Errorf("%s: %w", addr.Name, ErrInUse)
	case errors.Is(err, syscall.ECONNREFUSED):
		if err := os.Remove(addr.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	return err
}

// listenerPID is the process that listens at the other end of c, or 0 if it is
// not to be seen from here.
func listenerPID(c *net.UnixConn) int32 {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	var pid int32
	err = raw.Control(func(fd uintptr) {
		if cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			pid = cred.Pid
		}
	})
	if err != nil {
		return 0
	}
	return pid
}

// Close closes the socket and removes its file, unless another took its place.
// A daemon that dropped root may lack the permission to remove it from the
// directory: the next start clears it away then.
func (s *socket) Close() error {
	if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.made) {
		if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return errors.Join(err, s.UnixListener.Close())
		}
	}
	return s.UnixListener.Close()
}
