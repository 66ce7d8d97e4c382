package capsule

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// owner is a process, the janitor. Its ID alone may be another's tomorrow.
type owner struct {
	pid     int
	started string // in clock ticks since the machine was booted
}

// names matches those of folders and cgroups of capsules.
var names = regexp.MustCompile(`^kube-smcroute-[a-z]+-([0-9]+)-([0-9]+)$`)

// name is that of the folder and cgroups of a capsule of a living owner.
func (o owner) name(label string) (string, error) {
	started, err := startOf(o.pid)
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("kube-smcroute-%s-%d-%s", label, o.pid, started)
	if !names.MatchString(name) {
		return "", fmt.Errorf("label %q of a capsule: expected lower case letters", label)
	}
	return name, nil
}

// ownerOf parses a name, and reports whether it is one of a capsule.
func ownerOf(name string) (owner, bool) {
	match := names.FindStringSubmatch(name)
	if match == nil {
		return owner{}, false
	}
	pid, err := strconv.Atoi(match[1])
	return owner{pid, match[2]}, err == nil
}

// lives reports whether the process is still there.
func (o owner) lives() bool {
	started, err := startOf(o.pid)
	return err == nil && started == o.started
}

// startOf returns when a process that runs was started: field 22 of proc(5)'s
// /proc/PID/stat. One that has ended, but was not waited for, is an error, too.
func startOf(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// "PID (NAME) STATE ...", and NAME may hold anything.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 {
		return "", fmt.Errorf("/proc/%d/stat has %d fields after the name: expected 20 or more", pid, len(fields))
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return "", fmt.Errorf("process %d has ended", pid)
	}
	return fields[19], nil
}

// Living returns the folders of the capsules with this label that are in use.
func Living(label string) ([]string, error) {
	var living []string
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), "kube-smcroute-"+label+"-*"))
	for _, dir := range dirs {
		if o, ok := ownerOf(filepath.Base(dir)); ok && o.lives() {
			living = append(living, dir)
		}
	}
	return living, err
}

// PID returns the process ID of the janitor of the capsule with this folder.
func PID(dir string) (int, error) {
	o, ok := ownerOf(filepath.Base(dir))
	if !ok {
		return 0, fmt.Errorf("%s is no folder of a capsule", dir)
	}
	return o.pid, nil
}

// Sweep removes the folders and cgroups of capsules whose janitor is no more. All
// else of them has ended with the janitor.
func Sweep() error {
	var errs []error
	stale := func(name string) bool {
		o, ok := ownerOf(name)
		return ok && !o.lives()
	}
	hierarchies, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range hierarchies {
		children, err := os.ReadDir(h)
		if err != nil {
			return err
		}
		for _, c := range children {
			if stale(c.Name()) {
				errs = append(errs, removeCgroups(filepath.Join(h, c.Name())))
			}
		}
	}
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), "kube-smcroute-*"))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if stale(filepath.Base(dir)) {
			errs = append(errs, os.RemoveAll(dir))
		}
	}
	return errors.Join(errs...)
}
