// Package hook runs the script of smcrouted -e. It is the only place in the
// agent that starts programs.
package hook

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// MaxQueue is how many calls may wait for the one that runs. Beyond it the
// oldest are dropped.
const MaxQueue = 1024

// event is one call of the script. The zero event is a reload.
type event struct {
	install bool
	sg      mroute.SG
}

// Runner calls a script, one call at a time, in order. Its methods may be
// called from any goroutine and never wait for the script. The zero Runner and
// the nil Runner have no script: nothing happens.
type Runner struct {
	cmd string
	log *slog.Logger

	mu      sync.Mutex
	queue   []event
	queued  map[event]bool // what is in queue, to collapse duplicates
	running bool           // a goroutine works on queue
	closed  bool
	dropped int  // since the last time queue was empty
	broken  bool // the last call could not be started
}

// New returns a Runner for the script at path cmd, which is executed directly,
// without arguments of its own and without a shell. An empty cmd means none. A
// cmd that is not an executable file is logged, and then ignored.
func New(cmd string, logger *slog.Logger) *Runner {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	r := &Runner{cmd: cmd, log: logger, queued: make(map[event]bool)}
	if cmd != "" {
		if err := executable(cmd); err != nil {
			logger.Error("The script cannot be executed and is ignored", "script", cmd, "error", err)
			r.cmd = ""
		}
	}
	return r
}

// executable is nil if path is a file that this process may execute.
func executable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	return unix.Access(path, unix.X_OK)
}

// Reload calls "cmd reload": the configuration was read anew.
func (r *Runner) Reload() { r.add(event{}) }

// Install calls "cmd install" with source and group in the environment: a
// learned route is in the kernel.
func (r *Runner) Install(sg mroute.SG) { r.add(event{install: true, sg: sg}) }

// Close drops what waits, and makes later calls void. A script that runs is
// left to its own end.
func (r *Runner) Close() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.queue = nil
	clear(r.queued)
}

func (r *Runner) add(e event) {
	if r == nil || r.cmd == "" {
		return
	}
	if r.enqueue(e) == 1 {
		r.log.Warn("The script is too slow: its oldest calls are dropped", "script", r.cmd, "waiting", MaxQueue)
	}
}

// enqueue returns which of the calls dropped in a row this one pushed out: 0 if
// none, 1 if the first.
func (r *Runner) enqueue(e event) (nth int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.queued[e] {
		return 0
	}
	if len(r.queue) == MaxQueue {
		delete(r.queued, r.queue[0])
		r.queue = r.queue[1:]
		r.dropped++
		nth = r.dropped
	}
	r.queue = append(r.queue, e)
	r.queued[e] = true
	if !r.running {
		r.running = true
		go r.work()
	}
	return nth
}

// work runs the script until nothing waits.
func (r *Runner) work() {
	for {
		e, dropped, ok := r.take()
		if dropped > 0 {
			r.log.Info("The script has caught up", "script", r.cmd, "dropped", dropped)
		}
		if !ok {
			return
		}
		r.call(e)
	}
}

// take removes the first call from the queue. If there is none, dropped tells
// how many were dropped since the last time that was so.
func (r *Runner) take() (e event, dropped int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		dropped, r.dropped = r.dropped, 0
		r.running = false
		return event{}, dropped, false
	}
	e = r.queue[0]
	r.queue = r.queue[1:]
	delete(r.queued, e)
	return e, 0, true
}

// call runs the script once and waits for its end.
func (r *Runner) call(e event) {
	cmd := exec.Command(r.cmd, e.argument())
	cmd.Env = e.environment(os.Environ())
	// Files, so that no goroutine of ours copies, and a grandchild that keeps
	// them open doesn't hold up Wait.
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	r.log.Debug("Calling the script", "script", r.cmd, "argument", e.argument())
	if err := cmd.Start(); err != nil {
		if !r.broken {
			r.log.Error("The script could not be started", "script", r.cmd, "error", err)
		}
		r.broken = true
		return
	}
	r.broken = false
	if err := cmd.Wait(); err != nil {
		r.log.Info("The script failed", "script", r.cmd, "argument", e.argument(), "error", err)
	}
}

func (e event) argument() string {
	if e.install {
		return "install"
	}
	return "reload"
}

// private are variables that the script must not inherit: the sockets with
// which only the daemon may speak to its service manager, and those which say
// what an install is about.
var private = []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "source", "group"}

// environment is what the script gets for e from a process with env.
func (e event) environment(env []string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(private, name)
	})
	if e.install {
		env = append(env, "source="+e.sg.Source.String(), "group="+e.sg.Group.String())
	}
	return env
}
