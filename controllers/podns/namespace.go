package podns

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/netns"
)

// identify returns the "device:inode" of the namespace that is at path now; ""
// is the path of the agent's own.
func identify(path string) (string, error) {
	ns, err := netns.Open(path)
	if err != nil {
		return "", err
	}
	defer ns.Close()
	return ns.ID()
}

// isMissing reports whether there is nothing at a path.
func isMissing(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
}

// examine checks that a network namespace is at path, that it is not the node's
// and that it holds one of the addresses. It returns its "device:inode".
func (f *Finder) examine(path string, ips []netip.Addr) (string, error) {
	ns, err := netns.Open(path)
	if err != nil {
		return "", err
	}
	defer ns.Close()
	id, err := ns.ID()
	if err != nil {
		return "", err
	}
	if slices.Contains(f.nodes(), id) {
		return "", fmt.Errorf("%s is the node's own network namespace, not the pod's", path)
	}
	held, err := addresses(ns)
	switch {
	case errors.Is(err, unix.EINVAL):
		return "", fmt.Errorf("%s is not a network namespace: %w", path, err)
	case errors.Is(err, unix.EPERM):
		return "", fmt.Errorf("%w: the agent needs CAP_SYS_ADMIN for that", err)
	case err != nil:
		return "", err
	}
	if !slices.ContainsFunc(ips, func(ip netip.Addr) bool { return slices.Contains(held, ip.Unmap()) }) {
		return "", fmt.Errorf("%s does not hold %s", path, join(ips))
	}
	return id, nil
}

// nodes returns the identities of the node's own namespace: of the agent's, and
// of that of process 1, which differs if the agent has the node's PID namespace
// but not its network.
func (f *Finder) nodes() []string {
	ids := []string{f.own}
	if id, err := identify("/proc/1/ns/net"); err == nil {
		ids = append(ids, id)
	}
	return ids
}

// addresses lists those of all links in a namespace.
func addresses(ns *netns.Namespace) (held []netip.Addr, err error) {
	err = ns.Do(func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("network namespace %s: opening rtnetlink: %w", ns, err)
		}
		defer h.Close()
		list, err := h.AddrList(nil, netlink.FAMILY_ALL)
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			return fmt.Errorf("network namespace %s: listing addresses: %w", ns, err)
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

func join(ips []netip.Addr) string {
	words := make([]string, len(ips))
	for i, ip := range ips {
		words[i] = ip.String()
	}
	return strings.Join(words, " or ")
}
