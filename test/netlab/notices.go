package netlab

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
)

// Notices are what the kernel tells of the entries of its IPv4 tables. Unlike the
// files of /proc/net, which are read in pieces while entries come and go, they say
// how many there were at any one time.
type Notices struct {
	tb   TB
	fd   int
	held map[entryKey]struct{}
	set  int
	most int
}

type entryKey struct {
	table    uint32
	src, dst netip.Addr
}

// Notices begins to listen, to RTNLGRP_IPV4_MROUTE of rtnetlink(7). It ends with the
// test.
func (ns *NS) Notices() *Notices {
	ns.tb.Helper()
	n := &Notices{tb: ns.tb, held: map[entryKey]struct{}{}}
	err := ns.Do(func() (err error) {
		if n.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE); err != nil {
			return err
		}
		// Only root may go beyond net.core.rmem_max. Too small a buffer shows: as ENOBUFS.
		const buffer = 64 << 20
		if unix.SetsockoptInt(n.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer) != nil {
			if err := unix.SetsockoptInt(n.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer); err != nil {
				return err
			}
		}
		return unix.Bind(n.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.RTNLGRP_IPV4_MROUTE - 1)})
	})
	if err != nil {
		ns.tb.Fatalf("netlab: listening to RTNLGRP_IPV4_MROUTE: %v", err)
	}
	ns.tb.Cleanup(func() { _ = unix.Close(n.fd) })
	return n
}

// Set is how many entries were set since the beginning, or the last call. The
// kernel tells of a change before the call that makes it returns.
func (n *Notices) Set() int {
	n.tb.Helper()
	n.read()
	set := n.set
	n.set = 0
	return set
}

// Most is how many entries there were at most at one time, without those that wait for
// a router's answer, and those that were there before.
func (n *Notices) Most() int {
	n.tb.Helper()
	n.read()
	return n.most
}

func (n *Notices) read() {
	n.tb.Helper()
	buf := make([]byte, 64<<10)
	for {
		size, err := unix.Read(n.fd, buf)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return
		case err == nil:
			err = n.note(buf[:size])
		}
		if err != nil {
			n.tb.Fatalf("netlab: RTNLGRP_IPV4_MROUTE: %v", err)
		}
	}
}

func (n *Notices) note(b []byte) error {
	for len(b) > 0 {
		m, rest, err := uapi.NextMessage(b)
		if err != nil {
			return err
		}
		b = rest
		if m.Type != uapi.RTMNewRoute && m.Type != uapi.RTMDelRoute {
			continue
		}
		var r uapi.Route
		if err := uapi.DecodeRoute(m.Payload, &r); err != nil {
			return err
		}
		key := entryKey{r.Table, r.Src, r.Dst}
		switch {
		case m.Type == uapi.RTMDelRoute:
			delete(n.held, key)
		case !r.Unresolved:
			n.held[key] = struct{}{}
			n.set++
			n.most = max(n.most, len(n.held))
		}
	}
	return nil
}
