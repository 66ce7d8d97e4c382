package symptoms

import (
	"errors"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// socket is a UDP socket as ordinary programs have it.
type socket struct {
	l    *lab
	ns   *netlab.NS
	fd   int
	six  bool
	file *os.File
}

// socket opens one in a namespace; six: for IPv6.
func (l *lab) socket(ns *netlab.NS, six bool) *socket {
	l.Helper()
	s := &socket{l: l, ns: ns, six: six}
	family := unix.AF_INET
	if six {
		family = unix.AF_INET6
	}
	err := ns.Do(func() (err error) {
		s.fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		return err
	})
	if err != nil {
		l.Fatal(err)
	}
	s.file = os.NewFile(uintptr(s.fd), "UDP socket")
	l.Cleanup(func() { _ = s.file.Close() })
	return s
}

func (s *socket) option(level, name, value int) {
	s.l.Helper()
	if err := unix.SetsockoptInt(s.fd, level, name, value); err != nil {
		s.l.Fatalf("socket option %d of level %d: %v", name, level, err)
	}
}

// send sends size bytes to a group out of a link.
func (s *socket) send(link string, group netip.Addr, size int) error {
	index := s.ns.Index(link)
	var to unix.Sockaddr
	if s.six {
		s.option(unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, index)
		s.option(unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 64)
		to = &unix.SockaddrInet6{Port: netlab.Port, Addr: group.As16()}
	} else {
		if err := unix.SetsockoptIPMreqn(s.fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(index)}); err != nil {
			s.l.Fatal(err)
		}
		s.option(unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 64)
		to = &unix.SockaddrInet4{Port: netlab.Port, Addr: group.As4()}
	}
	return unix.Sendto(s.fd, make([]byte, size), 0, to)
}

// listen binds to netlab's port.
func (s *socket) listen() {
	s.l.Helper()
	if err := unix.Bind(s.fd, &unix.SockaddrInet4{Port: netlab.Port}); err != nil {
		s.l.Fatal(err)
	}
}

// join joins a group of IPv4 on a link, or with "" on the one that the kernel
// takes.
func (s *socket) join(link string, group netip.Addr) error {
	request := &unix.IPMreqn{Multiaddr: group.As4()}
	if link != "" {
		request.Ifindex = int32(s.ns.Index(link))
	}
	return unix.SetsockoptIPMreqn(s.fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, request)
}

// receives reads packets until there is none for the time given, and counts.
func (s *socket) receives(within time.Duration) (n int) {
	s.l.Helper()
	buf := make([]byte, 1<<16)
	for {
		_ = s.file.SetReadDeadline(time.Now().Add(within))
		_, err := s.file.Read(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return n
		case err != nil:
			s.l.Fatal(err)
		}
		n++
	}
}

// How long a socket is read for packets that must not be there, and for those
// that must. In the first case they have reached the link before, as a capture
// has told, and sockets get them in the same breath.
const (
	none = 100 * time.Millisecond
	some = time.Second
)

// ipMulticastAll is IP_MULTICAST_ALL of linux/in.h, which x/sys lacks.
const ipMulticastAll = 49
