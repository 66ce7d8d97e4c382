package capsule

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// namespaces are those of a capsule, and of a box.
const namespaces = unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC

// beInit is process 1 of a capsule. It starts the program, and ends with its exit
// code when it ends.
func beInit() int {
	// That its death is signalled is asked for when this process is there.
	janitor, ok := ownerOf(filepath.Base(Dir()))
	if started, err := startOf(janitor.pid); !ok || err != nil || started != janitor.started {
		fmt.Fprintln(os.Stderr, "capsule: the process that would tidy up has ended:", Dir())
		return 1
	}
	if err := mountCapsule(); err != nil {
		fmt.Fprintln(os.Stderr, "capsule:", err)
		return 1
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = os.Args
	cmd.Env = append(os.Environ(), envNetlab+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT, unix.SIGHUP)
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "capsule: starting the program again:", err)
		return 1
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	return reap(cmd.Process.Pid)
}

// reap waits for all children, since orphans become children of process 1, until
// one of them is pid, and returns its exit code.
func reap(pid int) int {
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			fmt.Fprintln(os.Stderr, "capsule: waiting for children:", err)
			return 1
		case ended == pid:
			return exitCode(status)
		}
	}
}

// mountCapsule makes the capsule's own view of the file system.
func mountCapsule() error {
	if err := mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := mount("tmpfs", Disk(), "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	if err := mount("proc", "/proc", "proc", 0, ""); err != nil {
		return err
	}
	if err := mountSysfs(); err != nil {
		return err
	}
	return unix.Sethostname([]byte("lab"))
}

// mountSysfs mounts the sysfs of the process's network namespace, with the
// cgroups that were there.
func mountSysfs() error {
	aside, err := os.MkdirTemp(Disk(), "cgroup-")
	if err != nil {
		return err
	}
	const cgroups = "/sys/fs/cgroup"
	if err := mount(cgroups, aside, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if err := mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
		return err
	}
	if err := mount(aside, cgroups, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if err := unix.Unmount(aside, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmounting %s: %w", aside, err)
	}
	return os.Remove(aside)
}

// mount is mount(2) with an error that says which.
func mount(source, target, kind string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mounting %s %q on %s with flags %#x: %w", kind, source, target, flags, err)
	}
	return nil
}
