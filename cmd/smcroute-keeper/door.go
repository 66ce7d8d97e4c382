package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"time"

	"github.com/smcroute/kube-smcroute/agent/keep/wire"
)

// lookTime is how often the active keeper looks whether its socket is still there.
const lookTime = 500 * time.Millisecond

// door is where programs and mirrors come in: the socket in the file system. One
// that somebody has removed is no use to those who come later, so it is made again.
type door struct {
	path string

	mu       sync.Mutex
	listener *net.UnixListener
	made     os.FileInfo
	shut     bool // for good
}

// open replaces what a dead keeper left, in one step: whoever connects does so
// either to nobody or to this one.
func (d *door) open() error {
	switch info, err := os.Lstat(d.path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is in the way: expected a socket, or nothing", d.path)
	}
	made := d.path + "~"
	if err := remove(made); err != nil {
		return err
	}
	l, err := net.ListenUnix(wire.Network, &net.UnixAddr{Name: made, Net: wire.Network})
	if err != nil {
		return err
	}
	l.SetUnlinkOnClose(false) // it would unlink a successor's
	info, err := os.Lstat(made)
	if err := errors.Join(err, os.Chmod(made, 0o600), os.Rename(made, d.path)); err != nil {
		return errors.Join(err, l.Close(), remove(made))
	}
	if d.listener != nil {
		_ = d.listener.Close()
	}
	d.listener, d.made = l, info
	return nil
}

// look opens the door again if it is gone, and reports whether it was. may says
// whether this keeper is still to have it.
func (d *door) look(may func() error) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut {
		return false, nil
	}
	// As long as this process listens no other file has the number of that one.
	if info, err := os.Lstat(d.path); err == nil && os.SameFile(info, d.made) {
		return false, nil
	}
	if err := may(); err != nil {
		return false, err
	}
	return true, d.open()
}

// accept returns the next connection. Without an error there is none when the
// door is shut.
func (d *door) accept() (*net.UnixConn, error) {
	for {
		d.mu.Lock()
		l, shut := d.listener, d.shut
		d.mu.Unlock()
		if shut {
			return nil, nil
		}
		c, err := l.AcceptUnix()
		if !errors.Is(err, net.ErrClosed) {
			return c, err
		}
	}
}

// close shuts the door for good.
func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = true
	_ = d.listener.Close()
}
