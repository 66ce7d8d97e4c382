package script

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// deadline is how long anything may take that should happen at once. It is
// long, because machines can be slow; a script that passes does not wait.
const deadline = 20 * time.Second

// daemon is an smcrouted that the script started.
type daemon struct {
	cmd     *exec.Cmd
	pidFile string
	log     programs.Output
	done    chan struct{} // closed when it has ended
}

// startDaemon starts smcrouted in the namespace called name and waits until it
// is ready, which it tells by writing its PID file.
func (l *lab) startDaemon(name string, args []string) (*daemon, error) {
	ns, err := l.namespace(name)
	if err != nil {
		return nil, err
	}
	if d := l.daemons[name]; d != nil && !d.ended() {
		return nil, usagef("smcrouted already runs in %s", name)
	}
	d := &daemon{pidFile: l.file(name + ".pid"), done: make(chan struct{})}
	if err := os.Remove(d.pidFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	defaults := []string{"-n", "-f", l.file(name + ".conf"), "-P", d.pidFile, "-u", l.file(name + ".sock")}
	if slices.Contains(args, "-k") {
		defaults = append(defaults, "--keeper", l.keeper(name))
	}
	d.cmd = ns.Command(filepath.Join(l.dir, "smcrouted"), append(defaults, args...)...)
	d.cmd.Dir = l.ts.MkAbs(".")
	d.cmd.Stdout, d.cmd.Stderr = &d.log, &d.log
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	l.daemons[name] = d
	go func() {
		_ = d.cmd.Wait() // its state is looked at in stop
		close(d.done)
	}()
	ready := await(func() bool { _, err := os.Stat(d.pidFile); return err == nil || d.ended() })
	switch {
	case d.ended():
		delete(l.daemons, name)
		return nil, fmt.Errorf("smcrouted ended before it was ready: %v\n%s", d.cmd.ProcessState, d.log.String())
	case !ready:
		return nil, fmt.Errorf("smcrouted was not ready after %v: no %s\n%s", deadline, d.pidFile, d.log.String())
	}
	return d, nil
}

// file is a path in the script's work directory, whatever its present one.
func (l *lab) file(name string) string { return filepath.Join(l.env.WorkDir, name) }

// running finds the daemon of a namespace.
func (l *lab) running(name string) (*daemon, error) {
	d := l.daemons[name]
	if d == nil {
		return nil, usagef("no smcrouted was started in %s", name)
	}
	if d.ended() {
		return nil, fmt.Errorf("smcrouted in %s has ended: %v", name, d.cmd.ProcessState)
	}
	return d, nil
}

func (d *daemon) ended() bool {
	select {
	case <-d.done:
		return true
	default:
		return false
	}
}

// stop ends the daemon with SIGTERM, and with SIGKILL if that does not help.
// Ended by itself is fine if it was with exit code 0.
func (d *daemon) stop() error {
	if !d.ended() {
		if err := d.cmd.Process.Signal(unix.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		if !await(d.ended) {
			_ = d.cmd.Process.Kill()
			<-d.done
			return fmt.Errorf("did not end within %v of SIGTERM", deadline)
		}
	}
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("ended with %v, want exit code 0", d.cmd.ProcessState)
	}
	return nil
}

// reload sends SIGHUP and waits for the sign that the reload is done: a new
// modification time of the PID file.
func (d *daemon) reload() error {
	past := time.Unix(1_000_000_000, 0)
	if err := os.Chtimes(d.pidFile, past, past); err != nil {
		return err
	}
	if err := d.cmd.Process.Signal(unix.SIGHUP); err != nil {
		return err
	}
	touched := func() bool {
		info, err := os.Stat(d.pidFile)
		return err == nil && !info.ModTime().Equal(past)
	}
	if !await(func() bool { return touched() || d.ended() }) {
		return fmt.Errorf("reload was not done after %v", deadline)
	}
	if d.ended() {
		return fmt.Errorf("ended instead of reloading: %v", d.cmd.ProcessState)
	}
	return nil
}

// await polls until cond holds, or reports false after the deadline.
func await(cond func() bool) bool { return netlab.Poll(deadline, cond) }
