package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newPIDFile(t *testing.T) *pidfile {
	return &pidfile{path: filepath.Join(t.TempDir(), "test.pid"), uid: -1, gid: -1}
}

func mustWrite(t *testing.T, p *pidfile) {
	t.Helper()
	if err := p.write(); err != nil {
		t.Fatal(err)
	}
}

func TestPIDFileIsOneLine(t *testing.T) {
	for _, before := range []string{"absent", "stale"} {
		t.Run(before, func(t *testing.T) {
			p := newPIDFile(t)
			if before == "stale" {
				if err := os.WriteFile(p.path, []byte("1234567890 and more\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			mustWrite(t, p)
			got, err := os.ReadFile(p.path)
			if want := fmt.Sprintf("%d\n", os.Getpid()); err != nil || string(got) != want {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
			if files, _ := os.ReadDir(filepath.Dir(p.path)); len(files) != 1 {
				t.Errorf("files left: %v", files)
			}
		})
	}
}

func TestPIDFileDoesNotReplaceDevices(t *testing.T) {
	p := newPIDFile(t)
	if err := unix.Mkfifo(p.path, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(p.path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	mustWrite(t, p)
	if info, err := os.Lstat(p.path); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("the pipe is gone: %v, %v", info, err)
	}
}

func TestPIDFileIsTouched(t *testing.T) {
	p := newPIDFile(t)
	mustWrite(t, p)
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(p.path, old, old); err != nil {
		t.Fatal(err)
	}
	if err := p.touch(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(p.path)
	if err != nil || time.Since(info.ModTime()) > time.Minute {
		t.Errorf("modified at %v, %v", info.ModTime(), err)
	}
}

// SMCRoute makes the new one elsewhere.
func TestDeletedPIDFileComesBackWhereItWas(t *testing.T) {
	p := newPIDFile(t)
	mustWrite(t, p)
	os.Remove(p.path)
	if err := p.touch(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p.path); err != nil {
		t.Error(err)
	}
}

func TestPIDFileIsRemovedOnlyIfOurs(t *testing.T) {
	p := newPIDFile(t)
	if err := p.remove(); err != nil {
		t.Errorf("absent: %v", err)
	}
	if err := os.WriteFile(p.path, []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.remove(); err != nil {
		t.Errorf("another's: %v", err)
	}
	if _, err := os.Stat(p.path); err != nil {
		t.Errorf("another's was removed: %v", err)
	}
	mustWrite(t, p)
	if err := p.remove(); err != nil {
		t.Errorf("ours: %v", err)
	}
	if _, err := os.Stat(p.path); !os.IsNotExist(err) {
		t.Errorf("ours is still there: %v", err)
	}
}
