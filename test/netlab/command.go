package netlab

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// What execInside needs to know, from Command.
const (
	envExecNS   = "NETLAB_EXEC_NS"   // path of the namespace
	envExecPath = "NETLAB_EXEC_PATH" // the program
)

// Command is like [exec.Command], for a program that runs inside ns. The caller
// ends it; what it forgets is killed when this process has ended, see [Isolate].
// Add to the Env of the result, do not replace it.
func (ns *NS) Command(name string, args ...string) *exec.Cmd {
	// Nothing in package exec enters a namespace. So start this program again:
	// its init does so, and becomes the program asked for.
	cmd := exec.Command(name, args...)
	if cmd.Err != nil {
		return cmd // Start will say that there is no such program
	}
	cmd.Env = append(os.Environ(),
		envExecNS+"="+ns.ProcPath(),
		envExecPath+"="+cmd.Path)
	cmd.Path = "/proc/self/exe"
	return cmd
}

// execInside becomes the program that a Command names, if this process was
// started by one.
func execInside() {
	path, ns := os.Getenv(envExecPath), os.Getenv(envExecNS)
	if path == "" || ns == "" {
		return
	}
	_ = os.Unsetenv(envExecPath)
	_ = os.Unsetenv(envExecNS)
	fail := func(doing string, err error) {
		fmt.Fprintf(os.Stderr, "netlab: %s: %v\n", doing, err)
		os.Exit(127)
	}
	fd, err := unix.Open(ns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		fail("opening "+ns, err)
	}
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		fail("entering "+ns, err)
	}
	fail("starting "+path, syscall.Exec(path, os.Args, os.Environ()))
}
