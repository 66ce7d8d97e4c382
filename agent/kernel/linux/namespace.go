package linux

import (
	"fmt"
	"runtime"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// namespace is where sockets are opened. They stay in it, whichever thread uses
// them later.
type namespace struct {
	path string
	fd   netns.NsHandle // none: the namespace of the process
}

// openNamespace opens the namespace at path; "" is that of the process.
func openNamespace(path string) (*namespace, error) {
	ns := &namespace{path: path, fd: netns.None()}
	if path == "" {
		return ns, nil
	}
	fd, err := netns.GetFromPath(path)
	if err != nil {
		return nil, fmt.Errorf("network namespace %s: %w", path, err)
	}
	ns.fd = fd
	return ns, nil
}

func (ns *namespace) close() {
	if ns.fd.IsOpen() {
		_ = ns.fd.Close()
	}
}

// do calls f on a thread inside ns. Goroutines which f starts run outside.
func (ns *namespace) do(f func() error) error {
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
