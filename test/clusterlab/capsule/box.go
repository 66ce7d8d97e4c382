package capsule

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// envSpec has the Spec of a box, for its process 1.
const envSpec = "CAPSULE_BOX"

// Spec says what box to make.
type Spec struct {
	Name string // of the host
	// Disk is a folder below that of the capsule. It stays when the box is
	// killed, for the next of that name. It has what the box sees as /var/lib,
	// and as /var/log.
	Disk string
	// Tunables are files below /proc/sys that concern the whole machine, with
	// what the box is to read there. What it writes there goes nowhere.
	Tunables map[string]string
	// Binds are files and folders of the capsule, by the paths at which the box
	// sees them, and may write them, in the place of what the machine has there.
	Binds map[string]string
	// Init, if there is one, is the program with its arguments that process 1
	// becomes: a service manager. Env is all of its environment. What it has at
	// /sys/fs/cgroup is a hierarchy of version 2, of which it is the root.
	Init, Env []string
}

// Box is a machine within the capsule: PID, mount, network, UTS and IPC
// namespaces, whose process 1 waits for orphans, unless it becomes a program that
// does. In it the file system is that
// of the machine, read only, but for /var/lib, /var/log and an empty /run; names
// of hosts are not looked up anywhere.
type Box struct {
	PID int // of process 1, in the capsule

	cmd *exec.Cmd
}

// Boot starts a box.
func Boot(s Spec) (*Box, error) {
	for _, dir := range []string{"lib", "log"} {
		if err := os.MkdirAll(filepath.Join(s.Disk, dir), 0o755); err != nil {
			return nil, err
		}
	}
	spec, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"init-of-" + s.Name}
	cmd.Env = append(os.Environ(), envRole+"="+roleBox, envSpec+"="+string(spec))
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Setsid: true}
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		return nil, fmt.Errorf("starting process 1 of %s: %w", s.Name, err)
	}
	b := &Box{PID: cmd.Process.Pid, cmd: cmd}
	if said, err := io.ReadAll(r); err != nil || string(said) != ready {
		b.Kill()
		return nil, errors.Join(fmt.Errorf("process 1 of %s: %s", s.Name, said), err)
	}
	return b, nil
}

// ready is what the process 1 of a box says when it is.
const ready = "ready"

// beBox is process 1 of a box.
func beBox() int {
	report := os.NewFile(3, "report")
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	var s Spec
	err := json.Unmarshal([]byte(os.Getenv(envSpec)), &s)
	if err == nil {
		err = mountBox(s)
	}
	if err == nil && s.Init != nil {
		err = become(s, report)
	}
	if err != nil {
		fmt.Fprint(report, err)
		return 1
	}
	fmt.Fprint(report, ready)
	_ = report.Close()
	// All its children are orphans.
	for range children {
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
	}
	return 0
}

func mountBox(s Spec) error {
	if err := mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := mountSysfs(); err != nil {
		return err
	}
	// But for cgroups, /sys has the machine's devices and modules.
	if err := mount("", "/sys", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		return err
	}
	if err := mount("proc", "/proc", "proc", 0, ""); err != nil {
		return err
	}
	if err := mountTunables(s); err != nil {
		return err
	}
	for from, to := range map[string]string{"lib": "/var/lib", "log": "/var/log"} {
		if err := mount(filepath.Join(s.Disk, from), to, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	if err := mount("tmpfs", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	for _, dir := range []string{"/run/lock", TempDir} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if err := hideResolver(); err != nil {
		return err
	}
	if err := bind(s.Binds); err != nil {
		return err
	}
	// Whatever else a program of the box would like to write, it is told.
	if err := mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		return err
	}
	if err := mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return err
	}
	return unix.Sethostname([]byte(s.Name))
}

// TempDir is the folder for temporary files in a box.
const TempDir = "/run/tmp"

// mountTunables makes /proc/sys read only but for /proc/sys/net, which is of the
// box's network alone.
func mountTunables(s Spec) error {
	const sys, network = "/proc/sys", "/proc/sys/net"
	if err := mount(network, network, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	for name, value := range s.Tunables {
		file := filepath.Join(s.Disk, "sys", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		err := mount(file, filepath.Join(sys, name), "", unix.MS_BIND, "")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := mount(sys, sys, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	return mount("", sys, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, "")
}

// hideResolver makes /etc/resolv.conf empty. There is no server of names, and
// waiting for one takes minutes.
func hideResolver() error {
	const resolver = "/etc/resolv.conf"
	if _, err := os.Lstat(resolver); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	// It may be a link into /run.
	if link, err := os.Readlink(resolver); err == nil {
		if !filepath.IsAbs(link) {
			link = filepath.Join(filepath.Dir(resolver), link)
		}
		if _, err := os.Stat(link); errors.Is(err, fs.ErrNotExist) {
			return nil // as good as empty
		}
	}
	empty := filepath.Join(TempDir, "resolv.conf")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		return err
	}
	return mount(empty, resolver, "", unix.MS_BIND, "")
}

// Start starts a program in the box, as cmd.Start does, in all its namespaces.
// It must not ask for a signal at the death of its parent: to the kernel that is
// a thread, which ends.
func (b *Box) Start(cmd *exec.Cmd) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlock: Go ends the thread with the goroutine
		result <- b.startHere(cmd)
	}()
	return <-result
}

// startHere moves the thread into the box. Of the PID namespace it is the child
// that gets there.
func (b *Box) startHere(cmd *exec.Cmd) error {
	fd, err := unix.PidfdOpen(b.PID, 0)
	if err != nil {
		return fmt.Errorf("pidfd_open(%d): %w", b.PID, err)
	}
	defer unix.Close(fd)
	// A mount namespace is entered by threads that share no working directory.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare(CLONE_FS): %w", err)
	}
	if err := unix.Setns(fd, namespaces); err != nil {
		return fmt.Errorf("entering the namespaces of process %d: %w", b.PID, err)
	}
	return cmd.Start()
}

// Root is the path of the box's file system, as seen from the capsule.
func (b *Box) Root() string { return fmt.Sprintf("/proc/%d/root", b.PID) }

// Kill ends all processes of the box at once, and returns when they have ended.
func (b *Box) Kill() {
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait() // the kernel has it wait for the others
}
