package ipc

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// scripted is a daemon that sends one fixed reply and closes.
func scripted(t *testing.T, reply string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = Decode(c)
			_, _ = io.WriteString(c, reply)
			c.Close()
		}
	}()
	return path
}

func TestDo(t *testing.T) {
	for _, tt := range []struct {
		name    string
		command Command
		reply   string
		out     string
		err     error
		refusal string
	}{
		{"success", Flush, "\x00", "", nil, ""},
		{"refusal", Flush, "no\nlast log line\x00", "", nil, "no"},
		{"refusal without NUL", Flush, "no", "", nil, "no"},
		{"listing", Show, "a\nb\n\x00", "a\nb\n", nil, ""},
		{"empty listing", Show, "\x00", "", nil, ""},
		{"listing cut short", Show, "a\nb\n", "a\nb\n", ErrNoReply, ""},
		{"closed without a reply", Flush, "", "", ErrNoReply, ""},
		{"huge listing", ShowDetail, strings.Repeat("x", 1<<20) + "\x00", strings.Repeat("x", 1<<20), nil, ""},
		{"JSON", ShowJSON, "{}\n\x00", "{}\n", nil, ""},
		{"no JSON", ShowJSON, "\x00", "", nil, ""},
		{"daemon without JSON", ShowJSON, "Unknown message 'J'\x00", "", nil, "Unknown message 'J'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Dial(t.Context(), scripted(t, tt.reply))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			var out strings.Builder
			err = c.Do(t.Context(), Request{Command: tt.command}, &out)
			var refusal *Refusal
			switch {
			case errors.As(err, &refusal):
				if refusal.Error() != tt.refusal {
					t.Errorf("refusal %q, want %q", refusal, tt.refusal)
				}
			case tt.refusal != "", !errors.Is(err, tt.err):
				t.Errorf("error %v, want %v %s", err, tt.err, tt.refusal)
			}
			if out.String() != tt.out {
				t.Errorf("out %d bytes, want %d", out.Len(), len(tt.out))
			}
		})
	}
}

func TestDoRefusesLongRequests(t *testing.T) {
	c, err := Dial(t.Context(), scripted(t, "\x00"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Do(t.Context(), Request{Add, []string{strings.Repeat("x", MaxRequest)}}, nil); !errors.Is(err, ErrTooLong) {
		t.Errorf("error %v, want ErrTooLong", err)
	}
}

func TestDoEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	path := start(t, Options{}, func(ctx context.Context, _ Request) (string, error) {
		cancel()
		<-ctx.Done()
		return "", nil
	})
	c, err := Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Do(ctx, Request{Flush, nil}, nil); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error %v, want the connection's deadline", err)
	}
}

func TestDialWithoutSocket(t *testing.T) {
	if _, err := Dial(t.Context(), filepath.Join(t.TempDir(), "s")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want ErrNotExist", err)
	}
}

func TestDialRefusedTriesAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	abandon(t, path)
	t.Run("daemon stays away", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := Dial(ctx, path); !errors.Is(err, ErrNotRunning) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want ErrNotRunning and the deadline", err)
		}
	})
	t.Run("daemon comes back", func(t *testing.T) {
		back := make(chan *Server)
		time.AfterFunc(dialInterval/2, func() {
			s, err := Listen(path, Options{})
			if err != nil {
				t.Error(err)
			}
			back <- s
		})
		c, err := Dial(t.Context(), path)
		if err != nil {
			t.Error(err)
		} else {
			c.Close()
		}
		if s := <-back; s != nil {
			s.Close()
		}
	})
}

func TestDialGivesUpAfterThreeSeconds(t *testing.T) {
	if testing.Short() {
		t.Skip("takes three seconds; run without -short")
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	abandon(t, path)
	began := time.Now()
	if _, err := Dial(t.Context(), path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("error %v, want ErrNotRunning", err)
	}
	if took := time.Since(began); took < (dialAttempts-1)*dialInterval {
		t.Errorf("gave up after %v", took)
	}
}

// TestDialNeedsWritePermission runs itself anew as nobody.
func TestDialNeedsWritePermission(t *testing.T) {
	if path := os.Getenv("IPC_TEST_SOCKET"); path != "" {
		if _, err := Dial(t.Context(), path); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("error %v, want ErrPermission", err)
		}
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root to become another user; run as root")
	}
	dir, err := os.MkdirTemp("", "ipc")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(dir, "test")
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exe, self, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	mustListen(t, path)
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^TestDialNeedsWritePermission$", "-test.v")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "IPC_TEST_SOCKET="+path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EINVAL) {
		t.Skip("there is no user 65534 in this user namespace; run as root of the machine")
	}
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}
