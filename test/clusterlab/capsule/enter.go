package capsule

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// What the processes of a capsule need to know.
const (
	envRole = "CAPSULE_ROLE" // roleInit or roleBox, for a process 1
	envDir  = "CAPSULE_DIR"  // the capsule's folder, for all within

	roleInit = "init"
	roleBox  = "box"

	// envNetlab tells package netlab that it is in namespaces of its own.
	envNetlab = "NETLAB_INSIDE"
)

func init() {
	// The main goroutine stays on the main thread, which lives as long as the
	// process: to the kernel, a thread is the parent whose death is signalled.
	runtime.LockOSThread()
	role := os.Getenv(envRole)
	_ = os.Unsetenv(envRole)
	switch role {
	case roleInit:
		os.Exit(beInit())
	case roleBox:
		os.Exit(beBox())
	}
}

// Options of a capsule.
type Options struct {
	// Label is part of the names of the folder and of the cgroups: lower case
	// letters.
	Label string
	// Before, if not nil, is called once, by the janitor, in the machine's
	// namespaces, with the capsule's folder. What it puts into the environment
	// is there for the program. Programs that it runs should be tied, see [Tie].
	Before func(dir string) error
}

// Inside reports whether the program runs in a capsule.
func Inside() bool { return os.Getenv(envDir) != "" }

// Dir is the capsule's folder, which is of the machine and there on both sides.
func Dir() string { return os.Getenv(envDir) }

// Disk is a folder that is on a tmpfs in the capsule, and empty elsewhere.
func Disk() string { return filepath.Join(Dir(), "disk") }

// Cgroup is the path of the capsule's cgroup, "/NAME", in every hierarchy.
func Cgroup() string { return "/" + filepath.Base(Dir()) }

// Enter returns nil in a program that is in a capsule. To get there it runs the
// program again, with the same arguments; that call does not return, but removes
// what is left when the program has ended, and passes on its exit code. An error
// says what the system refuses, or is that of Before.
//
// Call it on the main goroutine, early.
func Enter(o Options) error {
	if Inside() {
		return nil
	}
	if os.Geteuid() != 0 {
		return errors.New("only root can do this")
	}
	for _, arg := range os.Args[1:] {
		if strings.HasPrefix(arg, "-test.fuzzworker") {
			return errors.New("a fuzz worker has descriptors that cannot be passed on; run the test without -fuzz")
		}
	}
	if err := Sweep(); err != nil {
		return err
	}
	j, err := newJanitor(o.Label)
	if err != nil {
		return err
	}
	if o.Before != nil {
		if err := o.Before(j.dir); err != nil {
			return errors.Join(err, j.tidy())
		}
	}
	if err := j.start(); err != nil {
		return errors.Join(err, j.tidy())
	}
	os.Exit(j.wait())
	return nil
}

// janitor is the process outside.
type janitor struct {
	dir string
	cmd *exec.Cmd
	one atomic.Pointer[os.Process] // process 1, once there is one
}

func newJanitor(label string) (*janitor, error) {
	me, err := self()
	if err != nil {
		return nil, err
	}
	name, err := me.name(label)
	if err != nil {
		return nil, err
	}
	j := &janitor{dir: filepath.Join(os.TempDir(), name)}
	if err := os.Mkdir(j.dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.Mkdir(filepath.Join(j.dir, "disk"), 0o755); err != nil {
		return nil, errors.Join(err, j.tidy())
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT, unix.SIGHUP)
	go func() {
		for s := range signals {
			if one := j.one.Load(); one != nil {
				_ = one.Signal(s) // it passes it on
				continue
			}
			_ = j.tidy()
			os.Exit(128 + int(s.(syscall.Signal)))
		}
	}()
	return j, nil
}

// start starts process 1.
func (j *janitor) start() error {
	j.cmd = exec.Command("/proc/self/exe")
	j.cmd.Args = append([]string{os.Args[0]}, os.Args[1:]...)
	j.cmd.Env = append(os.Environ(), envRole+"="+roleInit, envDir+"="+j.dir)
	j.cmd.Stdin, j.cmd.Stdout, j.cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	j.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Pdeathsig: syscall.SIGKILL}
	if err := j.cmd.Start(); err != nil {
		return fmt.Errorf("starting a process in new PID, mount, network, UTS and IPC namespaces: %w", err)
	}
	j.one.Store(j.cmd.Process)
	return nil
}

// Tie has a program, that was not started yet, end with this one however that
// ends, and with it all that it starts. It is for Options.Before, or what compiles
// there would go on, and write into a folder that was removed. Start the program
// on the main goroutine, as that calls Before.
func Tie(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
}

// wait waits for process 1, and so for all others of its namespace, and removes
// what is left. It returns the exit code.
func (j *janitor) wait() int {
	_ = j.cmd.Wait() // the state says it all
	code := exitCode(j.cmd.ProcessState.Sys().(syscall.WaitStatus))
	if err := j.tidy(); err != nil {
		fmt.Fprintln(os.Stderr, "capsule:", err)
		code = max(code, 1)
	}
	return code
}

func (j *janitor) tidy() error {
	return errors.Join(RemoveCgroup("/"+filepath.Base(j.dir)), os.RemoveAll(j.dir))
}

// exitCode is what a shell makes of a process's end.
func exitCode(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
