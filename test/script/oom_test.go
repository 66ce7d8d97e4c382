package script

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// memory is where cgroups of version 1 that limit memory are mounted.
const memory = "/sys/fs/cgroup/memory"

// canLimitMemory reports whether this process may make such cgroups.
func canLimitMemory() bool {
	return unix.Access(filepath.Join(memory, "memory.limit_in_bytes"), unix.W_OK) == nil
}

// runOOM gives a daemon so little memory that the kernel kills it as soon as it
// has to do something.
func runOOM(l *lab, args []string) (result, error) {
	d, err := l.running(args[0])
	if err != nil {
		return result{}, err
	}
	pid := strconv.Itoa(d.PID())
	dir := filepath.Join(memory, "kube-smcroute-script-"+pid)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return result{}, err
	}
	// It may take a moment to be empty.
	l.env.Defer(func() {
		await(func() bool { err := os.Remove(dir); return err == nil || errors.Is(err, os.ErrNotExist) })
	})
	for _, set := range []struct{ file, value string }{{"memory.limit_in_bytes", "4096"}, {"cgroup.procs", pid}} {
		if err := os.WriteFile(filepath.Join(dir, set.file), []byte(set.value), 0); err != nil {
			return result{}, err
		}
	}
	if err := d.Signal(unix.SIGHUP); err != nil {
		return result{}, err
	}
	if !await(d.Ended) {
		return result{}, fmt.Errorf("smcrouted in %s lives on without memory", args[0])
	}
	delete(l.daemons, args[0]) // its exit code is no surprise
	if status := d.State().Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != unix.SIGKILL {
		return result{}, fmt.Errorf("smcrouted in %s ended with %v, expected to be killed", args[0], d.State())
	}
	return result{}, nil
}
