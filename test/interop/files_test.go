package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/test/interop/program"
)

// TestFiles follows PID file and socket through the life of each daemon.
func TestFiles(t *testing.T) {
	ours, debian := both(t)
	for _, p := range []program.Programs{debian, ours} {
		t.Run(p.Name, func(t *testing.T) {
			l := newLab(t)
			l.start(p, commandsConf)
			pid, socket := filepath.Join(l.dir, program.PIDFile), filepath.Join(l.dir, program.Socket)

			// Both daemons write the file just before they say that they are ready.
			if b, err := os.ReadFile(pid); err != nil || string(b) != fmt.Sprintf("%d\n", l.daemon.PID()) {
				t.Errorf("PID file holds %q, %v; want %d and a newline", b, err, l.daemon.PID())
			}
			if fi, err := os.Stat(socket); err != nil || fi.Mode().Type() != os.ModeSocket || fi.Mode().Perm()&0o022 != 0 {
				t.Errorf("socket: %v, %v; want one that only its owner may write to", fi, err)
			}

			for name, reload := range map[string]func() error{
				"SIGHUP":       func() error { return l.daemon.Signal(unix.SIGHUP) },
				"client":       func() error { l.control(ours, "", "reload"); return nil },
				"other client": func() error { l.control(debian, "", "restart"); return nil },
			} {
				past := time.Unix(1_000_000_000, 0)
				if err := os.Chtimes(pid, past, past); err != nil {
					t.Fatal(err)
				}
				if err := reload(); err != nil {
					t.Fatal(err)
				}
				if _, err := l.daemon.Reloaded(patience); err != nil {
					t.Fatal(err)
				}
				if fi, err := os.Stat(pid); err != nil || fi.ModTime().Equal(past) {
					t.Errorf("reload by %s: PID file not touched: %v", name, err)
				}
			}

			// SMCRoute makes a new one elsewhere (spec 3).
			if p.Name == ours.Name {
				if err := os.Remove(pid); err != nil {
					t.Fatal(err)
				}
				if _, err := l.daemon.Reload(patience); err != nil {
					t.Fatal(err)
				}
				if b, err := os.ReadFile(pid); err != nil || string(b) != fmt.Sprintf("%d\n", l.daemon.PID()) {
					t.Errorf("after a reload the PID file that was deleted holds %q, %v", b, err)
				}
			}

			if err := l.daemon.Stop(patience); err != nil {
				t.Error(err)
			}
			for _, path := range []string{pid, socket} {
				if _, err := os.Stat(path); !os.IsNotExist(err) {
					t.Errorf("%s is still there after the end: %v", filepath.Base(path), err)
				}
			}
		})
	}
}

// TestNoConfiguration starts the daemons without a file, which is no failure.
func TestNoConfiguration(t *testing.T) {
	ours, debian := both(t)
	for _, p := range []program.Programs{debian, ours} {
		t.Run(p.Name, func(t *testing.T) {
			l := newLab(t)
			l.start(p, "", "-f", filepath.Join(l.dir, "nonexistent.conf"))
			if r := l.control(debian, "", "-t", "show"); r != (program.Result{}) {
				t.Errorf("show of nothing: %+v, want nothing and exit code 0", r)
			}
			if r := l.control(debian, "", "add", "eth0", "192.0.2.1", "225.1.1.1", "eth1"); r != (program.Result{}) {
				t.Errorf("add: %+v, want nothing and exit code 0", r)
			}
		})
	}
}
