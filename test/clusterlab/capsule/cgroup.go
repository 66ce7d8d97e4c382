package capsule

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// hierarchies returns where cgroups are mounted: one place with version 2, else
// one for each hierarchy of version 1.
func hierarchies() ([]string, error) {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var all []string
	seen := map[string]bool{}
	for line := range strings.Lines(string(info)) {
		// "ID PARENT DEV ROOT POINT OPTIONS [TAGS] - TYPE SOURCE OPTIONS"
		before, after, _ := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		kind, _, _ := strings.Cut(after, " ")
		if len(fields) < 5 || (kind != "cgroup" && kind != "cgroup2") || seen[fields[4]] {
			continue
		}
		if strings.HasPrefix(fields[4], "/sys/fs/cgroup") {
			seen[fields[4]] = true
			all = append(all, fields[4])
		}
	}
	if len(all) == 0 {
		return nil, errors.New("no cgroups are mounted at /sys/fs/cgroup: containers need them")
	}
	return all, nil
}

// MakeCgroup makes a cgroup in every hierarchy, and those above it. Kubelets can
// make children in it.
func MakeCgroup(path string) error {
	hierarchies, err := hierarchies()
	if err != nil {
		return err
	}
	unified := len(hierarchies) == 1 && version2(hierarchies[0])
	for _, h := range hierarchies {
		parent := h
		for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
			if unified {
				if err := delegate(parent); err != nil {
					return err
				}
			}
			child := filepath.Join(parent, name)
			if err := os.Mkdir(child, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			if err := copySets(parent, child); err != nil {
				return err
			}
			parent = child
		}
		if unified {
			if err := delegate(parent); err != nil {
				return err
			}
		}
	}
	return nil
}

// delegate lets children of a cgroup of version 2 have all of its controllers.
func delegate(dir string) error {
	controllers, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for name := range strings.FieldsSeq(string(controllers)) {
		err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+name), 0)
		if err != nil {
			return fmt.Errorf("passing controller %s on to the children of %s: %w", name, dir, err)
		}
	}
	return nil
}

// copySets copies the processors and memory nodes, which in version 1 a new
// cgroup has none of.
func copySets(from, to string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		old, err := os.ReadFile(filepath.Join(to, name))
		if err != nil || strings.TrimSpace(string(old)) != "" || version2(to) {
			continue // another hierarchy, or nothing to do
		}
		value, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), value, 0); err != nil {
			return err
		}
	}
	return nil
}

func version2(dir string) bool {
	var s unix.Statfs_t
	return unix.Statfs(dir, &s) == nil && s.Type == unix.CGROUP2_SUPER_MAGIC
}

// RemoveCgroup removes a cgroup with all below it from every hierarchy. It is no
// error if there is none. Its processes must have ended.
func RemoveCgroup(path string) error {
	hierarchies, err := hierarchies()
	if err != nil {
		return err
	}
	var errs []error
	for _, h := range hierarchies {
		errs = append(errs, removeCgroups(filepath.Join(h, path)))
	}
	return errors.Join(errs...)
}

// removeTime is how long the kernel may take to let go of a cgroup whose
// processes are killed.
const removeTime = 10 * time.Second

// removeCgroups removes a directory of a hierarchy, deepest first.
func removeCgroups(dir string) error {
	children, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, c := range children {
		if c.IsDir() {
			if err := removeCgroups(filepath.Join(dir, c.Name())); err != nil {
				return err
			}
		}
	}
	deadline := time.Now().Add(removeTime)
	for {
		err := unix.Rmdir(dir)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return fmt.Errorf("removing the cgroup %s: %w", dir, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
