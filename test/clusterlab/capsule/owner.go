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

// owner is a process, the janitor. Its ID alone may be another's tomorrow, or in
// another PID namespace that sees the same files and cgroups.
type owner struct {
	namespace string // inode number
	pid       int
	started   string // in clock ticks since the machine was booted
}

// names matches those of folders and cgroups of capsules.
var names = regexp.MustCompile(`^kube-smcroute-[a-z]+-([0-9]+)-([0-9]+)-([0-9]+)$`)

// self returns this process.
func self() (owner, error) {
	started, err := startOf(os.Getpid())
	return owner{namespace(), os.Getpid(), started}, err
}

// namespace is the inode number of the PID namespace of this process.
func namespace() string {
	link, _ := os.Readlink("/proc/self/ns/pid") // "pid:[4026531836]"
	return strings.Trim(link, "pid:[]")
}

// name is that of the folder and cgroups of a capsule.
func (o owner) name(label string) (string, error) {
	name := fmt.Sprintf("kube-smcroute-%s-%s-%d-%s", label, o.namespace, o.pid, o.started)
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
	pid, err := strconv.Atoi(match[2])
	return owner{match[1], pid, match[3]}, err == nil
}

// here reports whether the process is, or was, one that this one could see.
func (o owner) here() bool { return o.namespace == namespace() }

// lives reports whether the process is here, and has not ended.
func (o owner) lives() bool {
	started, err := startOf(o.pid)
	return o.here() && err == nil && started == o.started
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
		return ok && o.here() && !o.lives()
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
