package capsule

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// bind has the box see files and folders elsewhere.
func bind(binds map[string]string) error {
	// All are found before the first is mounted, which may hide others.
	open := map[string]*os.File{}
	for path, source := range binds {
		fd, err := unix.Open(source, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("opening %s: %w", source, err)
		}
		open[path] = os.NewFile(uintptr(fd), source)
		defer open[path].Close()
	}
	for _, path := range slices.Sorted(maps.Keys(binds)) {
		if err := mount(fmt.Sprintf("/proc/self/fd/%d", open[path].Fd()), path, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	return nil
}

// become has this process, the first of a box, become the program that the Spec
// names. If it returns that has failed.
func become(s Spec, report io.WriteCloser) error {
	if err := enterCgroup(filepath.Join(Cgroup(), s.Name)); err != nil {
		return err
	}
	fmt.Fprint(report, ready)
	_ = report.Close()
	err := syscall.Exec(s.Init[0], s.Init, s.Env)
	return fmt.Errorf("starting %s: %w", s.Init[0], err)
}

// Unified says why boxes can have no Init.
func Unified() error {
	hierarchies, err := hierarchies()
	if err == nil && !slices.ContainsFunc(hierarchies, version2) {
		err = fmt.Errorf("cgroups of version 2 are mounted nowhere at %v", hierarchies)
	}
	return err
}

// enterCgroup has this process see a cgroup of version 2, which is made, as the
// root of all.
func enterCgroup(path string) error {
	if err := Unified(); err != nil {
		return err
	}
	hierarchies, _ := hierarchies()
	dir := filepath.Join(hierarchies[slices.IndexFunc(hierarchies, version2)], path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0); err != nil {
		return fmt.Errorf("entering the cgroup %s: %w", dir, err)
	}
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("unshare(CLONE_NEWCGROUP): %w", err)
	}
	return mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, "")
}
