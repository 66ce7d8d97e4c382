package program

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// Daemon is a running smcrouted, or another program that tells a service
// manager when it is ready.
type Daemon struct {
	Dir     string        // where its files are
	Started time.Duration // from its start until it was ready

	*programs.Process

	told *manager
}

// ErrLate says that something did not happen in time.
var ErrLate = errors.New("not ready in time")

// Files of a daemon, in its directory.
const (
	ConfFile = "smcroute.conf"
	PIDFile  = "smcroute.pid"
	Socket   = "smcroute.sock"
)

// Start starts the daemon in a namespace and waits until it is ready, which it
// tells as sd_notify(3) describes. It works in dir, whose smcroute.conf it
// reads.
func (p Programs) Start(ns *netlab.NS, dir string, within time.Duration, args ...string) (*Daemon, error) {
	file := func(name string) string { return filepath.Join(dir, name) }
	all := append([]string{"-n", "-f", file(ConfFile), "-P", file(PIDFile), "-u", file(Socket)}, args...)
	return Start(ns, dir, within, exec.Command(p.Smcrouted, all...))
}

// Start starts any program likewise.
func Start(ns *netlab.NS, dir string, within time.Duration, cmd *exec.Cmd) (*Daemon, error) {
	d := &Daemon{Dir: dir}
	var err error
	if d.told, err = listen(filepath.Join(dir, "notify")); err != nil {
		return nil, err
	}
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "NOTIFY_SOCKET="+filepath.Join(dir, "notify"))
	start := time.Now()
	// A child is in the namespace of the thread that starts it.
	err = ns.Do(func() (err error) {
		d.Process, err = programs.Start(cmd)
		return err
	})
	if err != nil {
		d.told.close()
		return nil, err
	}
	ready, err := d.await("READY=1", within)
	if err != nil {
		d.Kill()
		return nil, fmt.Errorf("%w\n%s", err, &d.Log)
	}
	d.Started = ready.Sub(start)
	return d, nil
}

// await waits for a message that has the line. It returns when that came.
func (d *Daemon) await(line string, within time.Duration) (time.Time, error) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		select {
		case m := <-d.told.messages:
			if strings.Contains("\n"+m.text+"\n", "\n"+line+"\n") {
				return m.at, nil
			}
		case <-d.Done():
			return time.Time{}, fmt.Errorf("%s ended: %v", d.Name(), d.State())
		case <-timer.C:
			return time.Time{}, fmt.Errorf("%s, after %v: %w: no %s", d.Name(), within, ErrLate, line)
		}
	}
}

// Reload sends SIGHUP and waits until the reload is done. It returns how long
// that took.
func (d *Daemon) Reload(within time.Duration) (time.Duration, error) {
	start := time.Now()
	if err := d.Signal(unix.SIGHUP); err != nil {
		return 0, err
	}
	done, err := d.Reloaded(within)
	return done.Sub(start), err
}

// Reloaded waits for the end of a reload that somebody asked for.
func (d *Daemon) Reloaded(within time.Duration) (time.Time, error) {
	if _, err := d.await("RELOADING=1", within); err != nil {
		return time.Time{}, err
	}
	return d.await("READY=1", within)
}

// Stop ends the process with SIGTERM. It must end with exit code 0.
func (d *Daemon) Stop(within time.Duration) error {
	defer d.told.close()
	return d.End(unix.SIGTERM, within)
}

// Kill ends the process, if it has not ended, with SIGKILL.
func (d *Daemon) Kill() {
	_ = d.End(unix.SIGKILL, 0) // it cannot but end
	d.told.close()
}
