package netlab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// NS is a network namespace. Its methods may be called from any goroutine.
type NS struct {
	tb TB
	fd int             // the namespace
	nl *netlink.Handle // rtnetlink inside

	mu      sync.Mutex
	senders map[string]*sender // by link
	closed  bool
}

// New makes an empty network namespace, with loopback up, that lives until the
// end of the test. It skips the test if the system doesn't allow that.
func New(tb TB) *NS {
	tb.Helper()
	if unavailable != nil {
		tb.Skipf("needs network namespaces: run as root, or allow user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns): %v", unavailable)
	}
	ns, err := open()
	if err != nil {
		tb.Fatalf("netlab: %v", err)
	}
	ns.tb = tb
	tb.Cleanup(ns.close)
	return ns
}

// At gives access to a namespace that exists, by the path of a file that stands
// for it: of [NS.ProcPath], /proc/PID/ns/net, /run/netns/NAME. It is of use to
// the children of a program that made the namespace.
func At(tb TB, path string) *NS {
	tb.Helper()
	ns := &NS{tb: tb, fd: -1, senders: map[string]*sender{}}
	tb.Cleanup(ns.close)
	var err error
	if ns.fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		tb.Fatalf("netlab: opening network namespace %s: %v", path, err)
	}
	err = ns.Do(func() (err error) {
		ns.nl, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		tb.Fatalf("netlab: network namespace %s: %v", path, err)
	}
	return ns
}

// Own gives access to the namespace that the program itself runs in, which
// [Main] or [Isolate] made, with loopback up as in others.
func Own(tb TB) *NS {
	tb.Helper()
	if unavailable != nil {
		New(tb) // skips
	}
	if os.Getenv(envInside) == "" {
		tb.Fatalf("netlab: the program is still in the namespace that it was started in: call Main or Isolate first")
	}
	ns := At(tb, "/proc/self/ns/net")
	ns.SetUp("lo", true)
	return ns
}

// open makes a namespace without a TB.
func open() (*NS, error) {
	ns := &NS{fd: -1, senders: map[string]*sender{}}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("unshare(CLONE_NEWNET): %w", err)
		}
		fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("opening the new network namespace: %w", err)
		}
		ns.fd = fd
		if err := setSysctls(); err != nil {
			return err
		}
		if ns.nl, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
			return fmt.Errorf("rtnetlink socket: %w", err)
		}
		lo, err := ns.nl.LinkByName("lo")
		if err != nil {
			return fmt.Errorf("finding lo: %w", err)
		}
		if err := ns.nl.LinkSetUp(lo); err != nil {
			return fmt.Errorf("setting lo up: %w", err)
		}
		return nil
	})
	if err != nil {
		ns.close()
		return nil, err
	}
	return ns, nil
}

func (ns *NS) close() {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.closed {
		return
	}
	ns.closed = true
	for _, s := range ns.senders {
		s.close()
	}
	if ns.nl != nil {
		ns.nl.Close()
	}
	if ns.fd >= 0 {
		_ = unix.Close(ns.fd)
	}
}

// Path names the namespace to setns and to other code of this process.
func (ns *NS) Path() string { return fmt.Sprintf("/proc/self/fd/%d", ns.fd) }

// ProcPath names the namespace to other processes, as long as this one lives.
// To start a program inside there is [NS.Command].
func (ns *NS) ProcPath() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), ns.fd) }

// Do calls f on a thread inside ns and returns its error. Sockets that f opens
// stay in ns and work from everywhere. Goroutines that f starts run outside.
// The thread is thrown away afterwards, so no child process of this one should
// ask for a signal at the death of its parent: to the kernel that is a thread.
func (ns *NS) Do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(ns.fd, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering network namespace: %w", err)
		}
		return f()
	})
}

// onThread calls f on a thread that ends with it, so f may change the thread's
// namespaces. A Goexit in f, as from t.FailNow, gives an error.
func onThread(f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlock: Go ends the thread with the goroutine
		err := errors.New("netlab: the function inside the namespace ended its goroutine")
		defer func() { result <- err }()
		err = f()
	}()
	return <-result
}

// sysctls of a new namespace. Absent files are no error: the kernel lacks the
// feature, IPv6 mostly.
var sysctls = []struct{ path, value string }{
	{"ipv4/conf/all/rp_filter", "0"},
	{"ipv4/conf/default/rp_filter", "0"},
	{"ipv6/conf/all/disable_ipv6", "0"},
	{"ipv6/conf/default/disable_ipv6", "0"},
	{"ipv6/conf/all/accept_dad", "0"},
	{"ipv6/conf/default/accept_dad", "0"},
	{"ipv6/conf/all/accept_ra", "0"},
	{"ipv6/conf/default/accept_ra", "0"},
}

func setSysctls() error {
	for _, s := range sysctls {
		if err := writeSysctl(s.path, s.value); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// writeSysctl works on the namespace of the calling thread.
func writeSysctl(path, value string) error {
	file := filepath.Join("/proc/sys/net", path)
	if old, err := os.ReadFile(file); err == nil && string(old) == value+"\n" {
		return nil
	}
	return os.WriteFile(file, []byte(value), 0)
}

// Sysctl sets net.PATH, with slashes: "ipv4/conf/eth0/force_igmp_version".
func (ns *NS) Sysctl(path, value string) {
	ns.tb.Helper()
	if err := ns.Do(func() error { return writeSysctl(path, value) }); err != nil {
		ns.tb.Fatalf("netlab: setting net/%s to %s: %v", path, value, err)
	}
}
