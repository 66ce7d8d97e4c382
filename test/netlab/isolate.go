package netlab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// envInside marks a process that Isolate started.
const envInside = "NETLAB_INSIDE"

// unavailable is why namespaces cannot be made here, or nil. New skips then.
var unavailable error

func init() {
	// Keep the main goroutine on the main thread, so that no other goroutine
	// can move that thread, which stands for the process in /proc, to another
	// namespace.
	runtime.LockOSThread()
	execInside()
}

// Main is for TestMain. It runs the tests of m in namespaces of their own, see
// [Isolate], and ends the process with their exit code. Where the system does
// not allow that, the tests run all the same, and those that call [New] are
// skipped with the reason.
func Main(m interface{ Run() int }) {
	unavailable = Isolate()
	os.Exit(m.Run())
}

// Isolate returns nil when the process is in namespaces of its own. To get
// there it runs the program again, with the same arguments, in a new network
// and mount namespace if it is root's, else in a new user namespace as well;
// that call never returns: at the end it kills what the program left running,
// and passes on its exit code. An error says what the system refuses.
func Isolate() error {
	if os.Getenv(envInside) != "" {
		return probe()
	}
	for _, arg := range os.Args[1:] {
		if strings.HasPrefix(arg, "-test.fuzzworker") {
			return errors.New("a fuzz worker has descriptors that cannot be passed on; run the test without -fuzz")
		}
	}
	var errs []error
	if os.Geteuid() == 0 {
		err := rerun(&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS})
		errs = append(errs, fmt.Errorf("new network namespace as root: %w", err))
	}
	err := rerun(&syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	})
	errs = append(errs, fmt.Errorf("new user namespace: %w", err))
	return errors.Join(errs...)
}

// rerun starts this program again with attr and exits with its code, or
// returns why it could not be started.
func rerun(attr *syscall.SysProcAttr) error {
	// Safe, because this is the main thread: it lives as long as the process.
	attr.Pdeathsig = syscall.SIGKILL
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = append([]string{os.Args[0]}, os.Args[1:]...)
	cmd.Env = append(os.Environ(), envInside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = attr
	// Orphans become children of this process, so that it can find them.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl(PR_SET_CHILD_SUBREAPER): %w", err)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT, unix.SIGHUP)
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	_ = cmd.Wait() // the state says it all
	killOrphans()
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		os.Exit(128 + int(status.Signal()))
	}
	os.Exit(status.ExitStatus())
	return nil
}

// killOrphans ends the processes that the isolated program left behind.
func killOrphans() {
	for {
		killed := false
		processes, _ := filepath.Glob("/proc/[0-9]*/stat")
		for _, file := range processes {
			stat, err := os.ReadFile(file)
			if err != nil {
				continue // it has just ended
			}
			// "PID (NAME) STATE PPID ...", and NAME may hold anything.
			fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			if len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
				_ = unix.Kill(pid, unix.SIGKILL)
				_, _ = unix.Wait4(pid, nil, 0, nil)
				killed = true
			}
		}
		if !killed { // else its own children are orphans now
			return
		}
	}
}

// probe tells whether the namespaces are of use: some systems let anybody make
// a user namespace but give no capabilities in it.
func probe() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("the new namespaces give no capabilities: making mounts private: %w", err)
	}
	ns, err := open()
	if err != nil {
		return fmt.Errorf("the new namespaces give no capabilities: %w", err)
	}
	ns.close()
	return nil
}
