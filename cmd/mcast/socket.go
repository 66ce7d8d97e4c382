package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// socket receives the packets to one group.
type socket struct {
	group netip.Addr
	conn  net.PacketConn
	read  func([]byte) (packet, error)
}

// packet is what a socket has read into a buffer.
type packet struct {
	n      int // bytes
	ttl    int
	source netip.AddrPort
	group  netip.Addr
}

// join opens a socket and joins a group, for all sources if there are none.
// The kernel lets a socket join 20 groups (net.ipv4.igmp_max_memberships), so
// each group has its own.
func join(group netip.Addr, sources []netip.Addr, link *net.Interface, port uint16) (*socket, error) {
	network := "udp6"
	if group.Is4() {
		network = "udp4"
	}
	// Given a group, package net sets SO_REUSEADDR and binds to all addresses.
	conn, err := net.ListenPacket(network, net.JoinHostPort(group.String(), strconv.Itoa(int(port))))
	if err != nil {
		return nil, fmt.Errorf("port %d of %v: %w", port, group, cause(err))
	}
	s := &socket{group: group, conn: conn}
	open := s.open6
	if group.Is4() {
		open = s.open4
	}
	if err := errors.Join(s.prepare(), open(sources, link)); err != nil {
		_ = conn.Close()
		return nil, explain("joining", group, link, err)
	}
	return s, nil
}

// receiveBuffer holds packets for as long as the program gets no time.
const receiveBuffer = 8 << 20

// prepare sets options that package net does not know.
func (s *socket) prepare() error {
	raw, err := s.conn.(*net.UDPConn).SyscallConn()
	if err != nil {
		return err
	}
	controlErr := raw.Control(func(fd uintptr) {
		// Only root may go beyond net.core.rmem_max.
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
		}
		// Else it would also get what others have joined on this machine.
		level, option := unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL
		if s.group.Is4() {
			level, option = unix.IPPROTO_IP, unix.IP_MULTICAST_ALL
		}
		err = unix.SetsockoptInt(int(fd), level, option, 0)
	})
	return errors.Join(controlErr, err)
}

func (s *socket) open4(sources []netip.Addr, link *net.Interface) error {
	conn := ipv4.NewPacketConn(s.conn)
	s.read = func(b []byte) (p packet, err error) {
		n, control, from, err := conn.ReadFrom(b)
		if err != nil {
			return p, err
		}
		p = packet{n: n, source: addrPort(from)}
		if control != nil {
			p.ttl, p.group = control.TTL, address(control.Dst)
		}
		return p, nil
	}
	if err := conn.SetControlMessage(ipv4.FlagTTL|ipv4.FlagDst, true); err != nil {
		return err
	}
	return s.join(conn, sources, link)
}

func (s *socket) open6(sources []netip.Addr, link *net.Interface) error {
	conn := ipv6.NewPacketConn(s.conn)
	s.read = func(b []byte) (p packet, err error) {
		n, control, from, err := conn.ReadFrom(b)
		if err != nil {
			return p, err
		}
		p = packet{n: n, source: addrPort(from)}
		if control != nil {
			p.ttl, p.group = control.HopLimit, address(control.Dst)
		}
		return p, nil
	}
	if err := conn.SetControlMessage(ipv6.FlagHopLimit|ipv6.FlagDst, true); err != nil {
		return err
	}
	return s.join(conn, sources, link)
}

// member is what a socket of either family joins groups by.
type member interface {
	JoinGroup(link *net.Interface, group net.Addr) error
	JoinSourceSpecificGroup(link *net.Interface, group, source net.Addr) error
}

// join joins the group, for the sources alone if there are any.
func (s *socket) join(conn member, sources []netip.Addr, link *net.Interface) error {
	group := &net.UDPAddr{IP: s.group.AsSlice()}
	if len(sources) == 0 {
		return conn.JoinGroup(link, group)
	}
	var errs []error
	for _, source := range sources {
		errs = append(errs, conn.JoinSourceSpecificGroup(link, group, &net.UDPAddr{IP: source.AsSlice()}))
	}
	return errors.Join(errs...)
}

// dial opens a socket that sends to a group. Its local address is the source of
// the packets.
func dial(ctx context.Context, group netip.Addr, o *options) (*net.UDPConn, error) {
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		controlErr := raw.Control(func(fd uintptr) { err = o.aim(int(fd), group.Is4()) })
		return errors.Join(controlErr, err)
	}}
	conn, err := dialer.DialContext(ctx, "udp", netip.AddrPortFrom(group, o.port).String())
	if err != nil {
		return nil, explain("sending to", group, o.link, err)
	}
	return conn.(*net.UDPConn), nil
}

// aim sets TTL and interface of a socket that is not yet connected, so that the
// kernel takes the interface's address for the source.
func (o *options) aim(fd int, ipv4 bool) error {
	if ipv4 {
		err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, o.ttl)
		if o.link != nil {
			err = errors.Join(err, unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(o.link.Index)}))
		}
		return err
	}
	err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, o.ttl)
	if o.link != nil {
		err = errors.Join(err, unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, o.link.Index))
	}
	return err
}

// explain says what to do about errors that people meet.
func explain(doing string, group netip.Addr, link *net.Interface, err error) error {
	on, hint := "", ""
	if link != nil {
		on = " on " + link.Name
	}
	switch {
	case link == nil && (errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EADDRNOTAVAIL) ||
		errors.Is(err, unix.EINVAL) && group.Is6()): // which is of links, as ff02::42
		hint = "; no route tells the interface: name it with -i"
	case link != nil && errors.Is(err, unix.EADDRNOTAVAIL):
		hint = "; the interface has no address of that family"
	case errors.Is(err, unix.ENOBUFS) && group.Is4():
		hint = "; more sources than net.ipv4.igmp_max_msf allows"
	case errors.Is(err, unix.ENOBUFS):
		hint = "; more sources than net.ipv6.mld_max_msf allows"
	}
	return fmt.Errorf("%s %v%s: %w%s", doing, group, on, cause(err), hint)
}

// address converts what package net has. It is the zero Addr if there is none.
func address(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

func addrPort(a net.Addr) netip.AddrPort {
	udp, ok := a.(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(address(udp.IP), uint16(udp.Port))
}
