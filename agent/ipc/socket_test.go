package ipc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func mustListen(t *testing.T, path string) *Server {
	t.Helper()
	s, err := Listen(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// abandon leaves a socket file that nobody listens behind.
func abandon(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	abandon(t, path)
	mustListen(t, path)
	dial(t, path)
}

func TestLiveSocketIsNotReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	mustListen(t, path)
	_, err := Listen(path, Options{})
	if !errors.Is(err, ErrInUse) {
		t.Fatalf("error %v, want ErrInUse", err)
	}
	if want := fmt.Sprintf("process %d", os.Getpid()); !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %q, want the path and %q in it", err, want)
	}
	dial(t, path)
}

func TestOtherFilesAreNotReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, Options{}); !errors.Is(err, syscall.EEXIST) {
		t.Fatalf("error %v, want EEXIST", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "precious" {
		t.Errorf("the file holds %q, error %v", b, err)
	}
}

func TestCloseRemovesOnlyItsOwnFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")

	if err := mustListen(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close: %v, want no file", err)
	}

	old := mustListen(t, path)
	if err := os.Rename(path, filepath.Join(dir, "moved")); err != nil {
		t.Fatal(err)
	}
	mustListen(t, path)
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	dial(t, path)
}

func TestModeFollowsUmask(t *testing.T) {
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	path := filepath.Join(t.TempDir(), "s")
	mustListen(t, path)
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o750 {
		t.Errorf("mode %v, want 0750", got)
	}
}

func TestListenSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	abandon(t, path)
	l, err := ListenSocket(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode %v, want 0600", got)
	}
	dial(t, path)
	if _, err := ListenSocket(path, 0o600); !errors.Is(err, ErrInUse) {
		t.Errorf("error %v, want ErrInUse", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close: %v, want no file", err)
	}
}

func TestBadPaths(t *testing.T) {
	for _, path := range []string{"", "/" + strings.Repeat("x", maxPath)} {
		if _, err := Listen(path, Options{}); !errors.Is(err, syscall.EINVAL) || !strings.Contains(err.Error(), "expected 1 to 107") {
			t.Errorf("Listen(%q): %v", path, err)
		}
		if _, err := Dial(context.Background(), path); err == nil || !strings.Contains(err.Error(), "expected 1 to 107") {
			t.Errorf("Dial(%q): %v", path, err)
		}
	}
	if _, err := Listen(filepath.Join(t.TempDir(), "none", "s"), Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want ErrNotExist", err)
	}
}

// TestPathWithAt: no detour into the abstract namespace.
func TestPathWithAt(t *testing.T) {
	t.Chdir(t.TempDir())
	mustListen(t, "@s")
	if _, err := os.Lstat("@s"); err != nil {
		t.Error(err)
	}
	c, err := Dial(t.Context(), "@s")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
