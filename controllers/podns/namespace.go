package podns

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// identity tells namespaces apart for as long as they live.
type identity struct{ dev, inode uint64 }

// String returns "device:inode".
func (id identity) String() string { return fmt.Sprintf("%d:%d", id.dev, id.inode) }

// identify returns the identity of what is at path now.
func identify(path string) (identity, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return identity{}, err
	}
	return identity{uint64(st.Dev), st.Ino}, nil
}

// ownNamespace is the namespace of this thread: /proc/self would be that of the
// main thread.
func ownNamespace() (identity, error) {
	id, err := identify("/proc/thread-self/ns/net")
	if err != nil {
		return id, fmt.Errorf("looking at the agent's own network namespace: %w", err)
	}
	return id, nil
}

// isMissing reports whether there is nothing at a path, or nothing to be seen.
func isMissing(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
}

// examine checks that a network namespace is at path, that it is not the node's
// and that it holds one of the addresses.
func (f *Finder) examine(path string, ips []netip.Addr) (identity, error) {
	// Nothing but a namespace is expected there; a FIFO would block.
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return identity{}, fmt.Errorf("network namespace %s: %w", path, err)
	}
	defer unix.Close(fd)
	if !isNetworkNamespace(fd) {
		return identity{}, fmt.Errorf("%s is not a network namespace", path)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return identity{}, fmt.Errorf("network namespace %s: %w", path, err)
	}
	id := identity{uint64(st.Dev), st.Ino}
	if id == f.own {
		return id, fmt.Errorf("%s is the node's own network namespace, not the pod's", path)
	}
	// With the node's PID namespace at hand this is the node's own, whichever
	// the agent is in.
	if first, err := identify("/proc/1/ns/net"); err == nil && id == first {
		return id, fmt.Errorf("%s is the node's own network namespace, not the pod's", path)
	}
	held, err := addresses(fd)
	if err != nil {
		return id, fmt.Errorf("network namespace %s: %w", path, err)
	}
	if !slices.ContainsFunc(ips, func(ip netip.Addr) bool { return slices.Contains(held, ip.Unmap()) }) {
		return id, fmt.Errorf("%s does not hold %s", path, join(ips))
	}
	return id, nil
}

// isNetworkNamespace needs Linux 4.11 for NS_GET_NSTYPE.
func isNetworkNamespace(fd int) bool {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil || fs.Type != unix.NSFS_MAGIC {
		return false
	}
	kind, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE)
	return err == nil && kind == unix.CLONE_NEWNET
}

// addresses lists those of all links in a namespace.
func addresses(fd int) (held []netip.Addr, err error) {
	err = onSpareThread(func() error {
		if err := netns.Set(netns.NsHandle(fd)); err != nil {
			return fmt.Errorf("entering it: %w", err)
		}
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("rtnetlink inside: %w", err)
		}
		defer h.Close()
		list, err := h.AddrList(nil, netlink.FAMILY_ALL)
		if err != nil {
			return fmt.Errorf("listing the addresses inside: %w", err)
		}
		for _, a := range list {
			if ip, ok := netip.AddrFromSlice(a.IP); ok {
				held = append(held, ip.Unmap())
			}
		}
		return nil
	})
	return held, err
}

// onSpareThread calls f on a thread which nothing else uses and which ends with
// it, so that the thread's network namespace needs no restoring. The main
// thread is never taken: it cannot end, and /proc/self shows its namespace.
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

func join(ips []netip.Addr) string {
	words := make([]string, len(ips))
	for i, ip := range ips {
		words[i] = ip.String()
	}
	return strings.Join(words, " or ")
}
