// Package netns works inside network namespaces: it opens sockets there, which
// stay in their namespace whichever thread uses them later.
package netns

import (
	"fmt"
	"os"
	"runtime"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Namespace is an open network namespace. It lives on as long as it is open,
// even if the file that stood for it is gone.
type Namespace struct {
	path string
	fd   netns.NsHandle // none: the namespace of the process
}

// Open opens the namespace at path, /run/netns/NAME or /proc/PID/ns/net; "" is
// that of the process.
func Open(path string) (*Namespace, error) {
	ns := &Namespace{path: path, fd: netns.None()}
	if path == "" {
		return ns, nil
	}
	// A FIFO at the path must not hold anybody up.
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("network namespace %s: %w", path, err)
	}
	ns.fd = netns.NsHandle(fd)
	return ns, nil
}

// Do opens the namespace at path for one call of f: see [Namespace.Do].
func Do(path string, f func() error) error {
	ns, err := Open(path)
	if err != nil {
		return err
	}
	defer ns.Close()
	return ns.Do(f)
}

// Close lets go of the namespace.
func (ns *Namespace) Close() {
	if ns.fd.IsOpen() {
		_ = ns.fd.Close()
	}
}

// ID tells the namespace from all others that live: see [mroute.NetNSID].
func (ns *Namespace) ID() (string, error) {
	var st unix.Stat_t
	var err error
	if ns.path == "" {
		// Of the main thread, which never leaves it: see onSpareThread.
		err = unix.Stat("/proc/self/ns/net", &st)
	} else {
		err = unix.Fstat(int(ns.fd), &st)
	}
	if err != nil {
		return "", fmt.Errorf("network namespace %s: %w", ns, os.NewSyscallError("stat", err))
	}
	return mroute.NetNSID(uint64(st.Dev), uint64(st.Ino)), nil
}

// String returns the path.
func (ns *Namespace) String() string {
	if ns.path == "" {
		return "of this process"
	}
	return ns.path
}

// Do calls f on a thread inside the namespace, and not at all if that cannot be
// entered (CAP_SYS_ADMIN is needed). Goroutines which f starts run outside.
func (ns *Namespace) Do(f func() error) error {
	if ns.path == "" {
		return f()
	}
	return onSpareThread(func() error {
		if err := netns.Set(ns.fd); err != nil {
			return fmt.Errorf("entering network namespace %s: %w", ns.path, err)
		}
		return f()
	})
}

// onSpareThread calls f on a thread which nothing else uses and which ends with
// it, so that whatever f does to the thread needs no undoing. The main thread
// is never taken: it cannot end, and /proc/self shows its namespace.
func onSpareThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if unix.Gettid() == unix.Getpid() {
			// While this goroutine waits locked to the main thread, f cannot
			// get it.
			err := onSpareThread(f)
			runtime.UnlockOSThread()
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}
