package mrdisc

import (
	"fmt"
	"runtime"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// inNetNS calls f on a thread inside the network namespace at path, or right
// here if path is "". Sockets that f opens stay in that namespace. f must not
// start goroutines that depend on it.
func inNetNS(path string, f func() error) error {
	if path == "" {
		return f()
	}
	done := make(chan error, 1)
	go func() { done <- visitNetNS(path, f) }()
	return <-done
}

// visitNetNS locks the goroutine to its thread for good, so that the thread
// ends with it and need not find back. The main thread cannot end, and
// /proc/self shows its namespace: it is left alone.
func visitNetNS(path string, f func() error) error {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// Locked, this goroutine keeps the main thread from the next.
		defer runtime.UnlockOSThread()
		return inNetNS(path, f)
	}
	there, err := netns.GetFromPath(path)
	if err != nil {
		return fmt.Errorf("network namespace %s: %w", path, err)
	}
	defer there.Close()
	if err := netns.Set(there); err != nil {
		return fmt.Errorf("entering network namespace %s: %w", path, err)
	}
	return f()
}
