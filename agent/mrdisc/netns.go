package mrdisc

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/vishvananda/netns"
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

// visitNetNS runs on a goroutine of its own, which it ends: a thread that can't
// find back stays locked to it, and dies with it.
func visitNetNS(path string, f func() error) error {
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("network namespace of this thread: %w", err)
	}
	defer home.Close()
	there, err := netns.GetFromPath(path)
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("network namespace %s: %w", path, err)
	}
	defer there.Close()
	if err := netns.Set(there); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("entering network namespace %s: %w", path, err)
	}
	err = f()
	if back := netns.Set(home); back != nil {
		return errors.Join(err, fmt.Errorf("leaving network namespace %s: %w", path, back))
	}
	runtime.UnlockOSThread()
	return err
}
