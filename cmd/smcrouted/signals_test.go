package main

import (
	"bufio"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	hup  = syscall.SIGHUP
	term = syscall.SIGTERM
)

func TestTerminateEndsGracefully(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			d := command(t, nil, "-n")
			d.start(t)
			if got := readPID(t, d.pidfile); got != d.Process.Pid {
				t.Errorf("the PID file has %d, want %d", got, d.Process.Pid)
			}
			d.Process.Signal(sig)
			if code := d.code(t); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if _, err := os.Stat(d.pidfile); !os.IsNotExist(err) {
				t.Errorf("the PID file is still there: %v", err)
			}
			if !strings.Contains(d.stderr.String(), "]: Exiting.\n") {
				t.Errorf("no last line: %q", d.stderr)
			}
		})
	}
}

func TestHangupReloads(t *testing.T) {
	d := command(t, nil, "-n")
	d.start(t)
	for range 3 {
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(d.pidfile, old, old); err != nil {
			t.Fatal(err)
		}
		d.Process.Signal(hup)
		await(t, "the PID file is touched", func() bool {
			info, err := os.Stat(d.pidfile)
			return err == nil && time.Since(info.ModTime()) < time.Minute
		})
	}
}

func TestSecondTerminateKills(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	d := command(t, []string{envSlow + "=1"}, "-n", "-l", "none")
	d.Stderr = w
	d.start(t)
	w.Close()
	d.Process.Signal(term)
	buf := make([]byte, 100)
	if n, err := r.Read(buf); string(buf[:n]) != "slow end\n" {
		t.Fatalf("got %q, %v", buf[:n], err)
	}
	// One that comes at once is the same to the daemon, so go on.
	for d.Process.Signal(term) == nil {
		time.Sleep(sameEnd / 10)
		if ended(d.Process.Pid) {
			break
		}
	}
	d.code(t)
	if ws := d.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != term {
		t.Errorf("ended with %v", d.ProcessState)
	}
}

// Who has ended by itself was not killed by a signal that came too late.
func TestTerminateAfterTheEnd(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	d := command(t, nil, "-n", "-D", "1")
	d.Stderr = w
	d.start(t)
	w.Close()
	for s := bufio.NewScanner(r); s.Scan(); {
		if strings.HasSuffix(s.Text(), "]: Exiting.") {
			break
		}
	}
	// For less than sameEnd: the last one is the same as the first.
	for first := time.Now(); !ended(d.Process.Pid) && time.Since(first) < sameEnd/2; {
		d.Process.Signal(term)
	}
	if code := d.code(t); code != 0 {
		t.Errorf("ended with %v", d.ProcessState)
	}
}

// ended reports whether the child is dead, without waiting for it.
func ended(pid int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err != nil || info.Signo != 0
}

// timeout(1) sends its signal twice, without a pause.
func TestTerminateTwiceAtOnceIsOne(t *testing.T) {
	for n := 0; n < 5; n++ { // the first and the second may be one to the kernel
		d := command(t, nil, "-n")
		d.start(t)
		first := time.Now()
		for range 2 {
			d.Process.Signal(term)
		}
		pause := time.Since(first)
		code := d.code(t)
		if pause > sameEnd/2 { // this program was held off, and the two were not at once
			n--
			continue
		}
		if code != 0 {
			t.Fatalf("ended with %v", d.ProcessState)
		}
		if _, err := os.Stat(d.pidfile); !os.IsNotExist(err) {
			t.Errorf("the PID file is still there: %v", err)
		}
	}
}

func TestReaderOfStderrMayGoAway(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	d := command(t, nil, "-n")
	d.Stderr = w
	d.start(t)
	w.Close()
	r.Close()
	d.Process.Signal(term) // it logs that it ends
	if code := d.code(t); code != 0 {
		t.Errorf("ended with %v", d.ProcessState)
	}
}

func TestSignalEndsTheDelay(t *testing.T) {
	needCapabilities(t)
	d := command(t, nil, "-n", "-d", "3600")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	d.Stderr = w
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	defer d.Process.Kill()
	w.Close()
	buf := make([]byte, 1000)
	if n, err := r.Read(buf); err != nil || !strings.Contains(string(buf[:n]), versionLine()) {
		t.Fatalf("got %q, %v", buf[:n], err)
	}
	if _, err := os.Stat(d.pidfile); !os.IsNotExist(err) {
		t.Errorf("a PID file before the start: %v", err)
	}
	d.Process.Signal(hup) // must not kill it
	d.Process.Signal(term)
	if code := d.code(t); code != 0 {
		t.Errorf("ended with %v", d.ProcessState)
	}
}

func TestExitAfter(t *testing.T) {
	needCapabilities(t)
	d := command(t, nil, "-n", "-D", "1")
	start := time.Now()
	if code := d.exit(t); code != 0 {
		t.Errorf("exit code %d, stderr %q", code, d.stderr)
	}
	if lived := time.Since(start); lived < time.Second {
		t.Errorf("ended after %v", lived)
	}
}

// Go's runtime raises the soft limit by itself; thousands of group memberships
// depend on it.
func TestOpenFilesLimitIsRaised(t *testing.T) {
	needCapabilities(t)
	d := command(t, nil, "-n")
	d.start(t)
	var l unix.Rlimit
	if err := unix.Prlimit(d.Process.Pid, unix.RLIMIT_NOFILE, nil, &l); err != nil {
		t.Fatal(err)
	}
	if l.Cur+1 < l.Max {
		t.Errorf("soft limit %d, hard limit %d", l.Cur, l.Max)
	}
}
