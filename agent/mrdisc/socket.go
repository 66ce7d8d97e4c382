package mrdisc

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/netns"
)

// conn sends and receives messages on one interface, in one family.
type conn interface {
	Send(Message) error
	// Receive waits for a valid message. It fails when the conn is closed.
	Receive() (Message, error)
	Close() error
}

// sendTimeout is how long a full transmit queue may hold up a message.
const sendTimeout = time.Second

// sockopt is a socket option with its bytes.
type sockopt struct {
	level, name int
	value       []byte
}

// wire is what differs between the families on a socket.
type wire struct {
	network    string // for package net
	local      string
	snoopers   netip.Addr // All-Snoopers, where routers speak (RFC 4286, section 3.3.2)
	routers    netip.Addr // all routers, where solicitations go (section 4.2.2)
	sockopts   []sockopt
	membership func(group netip.Addr, ifindex int) sockopt
	outgoing   func(ifindex int) sockopt
}

// wires is by family. TTL and hop limit are 1, and each packet has the Router
// Alert option (RFC 4286, section 3.3; RFC 2113; RFC 2711).
var wires = map[mroute.Family]wire{
	mroute.IPv4: {
		network:  "ip4:2", // IGMP
		local:    "0.0.0.0",
		snoopers: netip.MustParseAddr("224.0.0.106"),
		routers:  netip.MustParseAddr("224.0.0.2"),
		sockopts: []sockopt{
			{unix.IPPROTO_IP, unix.IP_OPTIONS, []byte{0x94, 4, 0, 0}},
			{unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, native(1)},
			{unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, native(0)},
			{unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, native(0)},
		},
		membership: func(group netip.Addr, ifindex int) sockopt {
			// struct ip_mreqn: group, local address, ifindex
			return sockopt{unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP,
				append(append(group.AsSlice(), 0, 0, 0, 0), native(ifindex)...)}
		},
		outgoing: func(ifindex int) sockopt {
			return sockopt{unix.IPPROTO_IP, unix.IP_MULTICAST_IF, append(make([]byte, 8), native(ifindex)...)}
		},
	},
	mroute.IPv6: {
		network:  "ip6:58", // ICMPv6
		local:    "::",
		snoopers: netip.MustParseAddr("ff02::6a"),
		routers:  netip.MustParseAddr("ff02::2"),
		sockopts: []sockopt{
			// Hop-by-hop options: next header, length, Router Alert with
			// value 0 (MLD), and PadN to 8 bytes.
			{unix.IPPROTO_IPV6, unix.IPV6_HOPOPTS, []byte{0, 0, 5, 2, 0, 0, 1, 0}},
			{unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, native(1)},
			{unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, native(0)},
			{unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, native(0)},
			{unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, onlyType(firstType(mroute.IPv6) + uint8(Solicitation))},
		},
		membership: func(group netip.Addr, ifindex int) sockopt {
			// struct ipv6_mreq: group, ifindex
			return sockopt{unix.IPPROTO_IPV6, unix.IPV6_ADD_MEMBERSHIP,
				append(group.AsSlice(), native(ifindex)...)}
		},
		outgoing: func(ifindex int) sockopt {
			return sockopt{unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, native(ifindex)}
		},
	},
}

// native is a C int in the byte order of this machine.
func native(i int) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(int32(i))) }

// onlyType is a struct icmp6_filter that lets one type pass: a set bit blocks.
func onlyType(t uint8) []byte {
	var b []byte
	for word := range uint8(8) {
		block := ^uint32(0)
		if t/32 == word {
			block &^= 1 << (t % 32)
		}
		b = binary.NativeEndian.AppendUint32(b, block)
	}
	return b
}

// socket is a conn on the kernel's network.
type socket struct {
	family mroute.Family
	to     *net.IPAddr
	pc     net.PacketConn
	buf    [1500]byte
}

// openSocket opens a raw socket that is bound to link, in the network namespace
// at path. The binding is by index (SO_BINDTOIFINDEX), so that it survives a new
// name of the link.
func openSocket(path string, link mroute.Link, f mroute.Family) (conn, error) {
	w := wires[f]
	opts := append([]sockopt{
		{unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, native(link.Index)},
		w.outgoing(link.Index),
		w.membership(w.routers, link.Index),
		w.membership(w.snoopers, link.Index),
	}, w.sockopts...)
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return setAll(c, opts) }}

	s := &socket{family: f, to: &net.IPAddr{IP: w.snoopers.AsSlice()}}
	err := netns.Do(path, func() (err error) {
		s.pc, err = lc.ListenPacket(context.Background(), w.network, w.local)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func setAll(c syscall.RawConn, opts []sockopt) error {
	var err error
	ctrlErr := c.Control(func(fd uintptr) {
		for _, o := range opts {
			if err = unix.SetsockoptString(int(fd), o.level, o.name, string(o.value)); err != nil {
				return
			}
		}
	})
	if ctrlErr != nil {
		return ctrlErr
	}
	return err
}

func (s *socket) Send(m Message) error {
	if err := s.pc.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return err
	}
	_, err := s.pc.WriteTo(Append(nil, s.family, m), s.to)
	return err
}

func (s *socket) Receive() (Message, error) {
	for {
		n, _, err := s.pc.ReadFrom(s.buf[:])
		if err != nil {
			return Message{}, err
		}
		if m, err := Parse(s.family, s.buf[:n]); err == nil {
			return m, nil
		}
	}
}

func (s *socket) Close() error { return s.pc.Close() }
