package main

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lock decides among the keepers of a socket. It is a file beside the socket, with
// locks that end with the process that has them, in whichever way. The file
// itself stays, since a lock on a removed file would be nobody's.
type lock struct {
	path string
	file *os.File
}

// What is locked: bytes of the file, which need not exist.
const (
	activeByte = 0 // by the active keeper alone
	mirrorByte = 1 // by all that could succeed it at once
)

func openLock(socket string) (*lock, error) {
	l := &lock{path: socket + ".lock"}
	return l, l.open()
}

func (l *lock) open() (err error) {
	l.file, err = os.OpenFile(l.path, os.O_RDWR|os.O_CREATE, 0o600)
	return err
}

// renew is for the active keeper. If somebody has removed the file, so that there
// could be another active one, it locks a new file, or says that there is one.
func (l *lock) renew() error {
	old, err := l.file.Stat()
	if err != nil {
		return err
	}
	if now, err := os.Stat(l.path); err == nil && os.SameFile(old, now) {
		return nil
	}
	next := &lock{path: l.path}
	if err := next.open(); err != nil {
		return err
	}
	active, err := next.take()
	if err == nil && !active {
		err = errors.New("another keeper is active in its place")
	}
	if err != nil {
		return errors.Join(err, next.file.Close())
	}
	l.file = next.file // the old one stays locked, for those who wait for that
	return nil
}

// take makes this keeper the active one, unless another is.
func (l *lock) take() (bool, error) {
	err := l.do(unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: activeByte, Len: 1})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return false, nil
	}
	return err == nil, err
}

// mirror tells others that this keeper holds all that the active one does, or did.
func (l *lock) mirror() error {
	return l.do(unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_RDLCK, Start: mirrorByte, Len: 1})
}

// unmirror is mirror's opposite.
func (l *lock) unmirror() error {
	return l.do(unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_UNLCK, Start: mirrorByte, Len: 1})
}

// mirrored reports whether another keeper has called mirror.
func (l *lock) mirrored() (bool, error) {
	f := unix.Flock_t{Type: unix.F_WRLCK, Start: mirrorByte, Len: 1}
	err := l.do(unix.F_OFD_GETLK, &f)
	return f.Type != unix.F_UNLCK, err
}

func (l *lock) do(cmd int, f *unix.Flock_t) error {
	f.Whence = unix.SEEK_SET
	if err := unix.FcntlFlock(l.file.Fd(), cmd, f); err != nil {
		return &os.PathError{Op: "lock", Path: l.file.Name(), Err: err}
	}
	return nil
}
