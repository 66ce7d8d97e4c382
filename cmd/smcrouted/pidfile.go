package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// pidfile tells other programs that the daemon is ready: it appears when the
// configuration is in force, and its modification time changes after a reload.
type pidfile struct {
	path     string
	uid, gid int // owner; -1: whoever writes it
}

// write creates the file, complete from the start.
func (p *pidfile) write() error {
	line := []byte(strconv.Itoa(os.Getpid()) + "\n")
	if _, err := os.Lstat(p.path); !errors.Is(err, fs.ErrNotExist) {
		// Something is there, perhaps a device: don't put a file in its place.
		if err := os.WriteFile(p.path, line, 0o666); err != nil {
			return err
		}
		return p.own(p.path)
	}
	// The umask decides on the mode, so it is not os.CreateTemp's.
	fresh := filepath.Join(filepath.Dir(p.path), fmt.Sprintf(".%s.%d", filepath.Base(p.path), os.Getpid()))
	defer os.Remove(fresh)
	if err := os.WriteFile(fresh, line, 0o666); err != nil {
		return err
	}
	if err := p.own(fresh); err != nil {
		return err
	}
	return os.Rename(fresh, p.path)
}

func (p *pidfile) own(path string) error {
	if p.uid < 0 {
		return nil
	}
	return os.Lchown(path, p.uid, p.gid)
}

// touch acknowledges a reload. A file that was deleted is made again.
func (p *pidfile) touch() error {
	now := time.Now()
	err := os.Chtimes(p.path, now, now)
	if errors.Is(err, fs.ErrNotExist) {
		return p.write()
	}
	return err
}

// remove deletes the file at a clean exit, if it still is this process's. A
// daemon without root's privileges may not delete in most directories: it
// empties the file then, so that nobody takes a later process for the daemon.
func (p *pidfile) remove() error {
	b, err := os.ReadFile(p.path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if strings.TrimSpace(string(b)) != strconv.Itoa(os.Getpid()) {
		return nil
	}
	err = os.Remove(p.path)
	if errors.Is(err, fs.ErrPermission) {
		return os.Truncate(p.path, 0)
	}
	return err
}
