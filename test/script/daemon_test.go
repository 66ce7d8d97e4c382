package script

import (
	"errors"
	"fmt"
	"os"
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
	*programs.Process
	pidFile string
}

// startDaemon starts smcrouted in the namespace called name and waits until it
// is ready, which it tells by writing its PID file.
func (l *lab) startDaemon(name string, args []string) (*daemon, error) {
	ns, err := l.namespace(name)
	if err != nil {
		return nil, err
	}
	if d := l.daemons[name]; d != nil && !d.Ended() {
		return nil, usagef("smcrouted already runs in %s", name)
	}
	pidFile := l.file(name + ".pid")
	if err := os.Remove(pidFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	defaults := []string{"-n", "-f", l.file(name + ".conf"), "-P", pidFile, "-u", l.file(name + ".sock")}
	if slices.Contains(args, "-k") {
		defaults = append(defaults, "--keeper", l.keeper(name))
	}
	cmd := ns.Command(filepath.Join(l.dir, "smcrouted"), append(defaults, args...)...)
	cmd.Dir = l.ts.MkAbs(".")
	p, err := programs.Start(cmd)
	if err != nil {
		return nil, err
	}
	d := &daemon{p, pidFile}
	l.daemons[name] = d
	err = p.AwaitReady(pidFile, deadline)
	if d.Ended() {
		delete(l.daemons, name)
	}
	return d, err
}

// file is a path in the script's work directory, whatever its present one.
func (l *lab) file(name string) string { return filepath.Join(l.env.WorkDir, name) }

// running finds the daemon of a namespace.
func (l *lab) running(name string) (*daemon, error) {
	d := l.daemons[name]
	if d == nil {
		return nil, usagef("no smcrouted was started in %s", name)
	}
	if d.Ended() {
		return nil, fmt.Errorf("smcrouted in %s has ended: %v", name, d.State())
	}
	return d, nil
}

// stop ends the daemon with SIGTERM. Ended by itself is fine if it was with exit code 0.
func (d *daemon) stop() error { return d.End(unix.SIGTERM, deadline) }

// reload sends SIGHUP and waits for the sign that the reload is done: a new
// modification time of the PID file.
func (d *daemon) reload() error {
	past := time.Unix(1_000_000_000, 0)
	if err := os.Chtimes(d.pidFile, past, past); err != nil {
		return err
	}
	if err := d.Signal(unix.SIGHUP); err != nil {
		return err
	}
	touched := func() bool {
		info, err := os.Stat(d.pidFile)
		return err == nil && !info.ModTime().Equal(past)
	}
	if !await(func() bool { return touched() || d.Ended() }) {
		return fmt.Errorf("reload was not done after %v", deadline)
	}
	if d.Ended() {
		return fmt.Errorf("ended instead of reloading: %v", d.State())
	}
	return nil
}

// await polls until cond holds, or reports false after the deadline.
func await(cond func() bool) bool { return netlab.Poll(deadline, cond) }
