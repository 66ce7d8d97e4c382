package netlab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Leaves watches a link for messages that give up memberships, on which switches
// stop sending: IGMP (RFC 2236, 3376) and MLD (RFC 2710, 3810).
type Leaves struct {
	tb   TB
	link string
	file *os.File
	seen []string
}

// Leaves watches link from now until the end of the test.
func (ns *NS) Leaves(link string) *Leaves {
	ns.tb.Helper()
	l := &Leaves{tb: ns.tb, link: link}
	index := ns.Index(link)
	err := ns.Do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("socket: %w", err)
		}
		l.file = os.NewFile(uintptr(fd), "leaves on "+link)
		filter, err := sockFilter(membershipFilter)
		if err != nil {
			return err
		}
		if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, filter); err != nil {
			return fmt.Errorf("attaching the filter: %w", err)
		}
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: index})
	})
	if l.file != nil {
		ns.tb.Cleanup(func() { _ = l.file.Close() })
	}
	if err != nil {
		ns.tb.Fatalf("netlab: watching %s for leaves: %v", link, err)
	}
	return l
}

// membershipFilter passes IGMP, and of IPv6 ICMP and what has options, as MLD
// has.
var membershipFilter = []bpf.Instruction{
	bpf.LoadAbsolute{Off: 12, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: etherIPv4, SkipTrue: 2},
	bpf.LoadAbsolute{Off: etherHeader + 9, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: protoIGMP, SkipTrue: 4, SkipFalse: 5},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: etherIPv6, SkipTrue: 4},
	bpf.LoadAbsolute{Off: etherHeader + 6, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 1},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protoICMP6, SkipTrue: 1},
	bpf.RetConstant{Val: maxFrame},
	bpf.RetConstant{Val: 0},
}

const (
	protoIGMP  = 2
	protoICMP6 = 58
)

// Seen lists what gave up memberships until now, in the order in which it was
// sent: "IGMPv3 225.1.2.3".
func (l *Leaves) Seen() []string {
	l.tb.Helper()
	raw, err := l.file.SyscallConn()
	if err == nil {
		buf := make([]byte, maxFrame)
		controlErr := raw.Control(func(fd uintptr) {
			for err == nil {
				var n int
				if n, _, err = unix.Recvfrom(int(fd), buf, 0); err == nil {
					l.seen = append(l.seen, leaves(buf[:n])...)
				}
			}
		})
		err = errors.Join(err, controlErr)
	}
	if !errors.Is(err, unix.EAGAIN) {
		l.tb.Fatalf("netlab: leaves on %s: %v", l.link, err)
	}
	return l.seen
}

// leaves lists what a frame gives up.
func leaves(f []byte) []string {
	if len(f) < etherHeader {
		return nil
	}
	ip := f[etherHeader:]
	switch binary.BigEndian.Uint16(f[12:]) {
	case etherIPv4:
		if len(ip) < ipv4Header || ip[9] != protoIGMP || len(ip) < int(ip[0]&0xf)*4 {
			return nil
		}
		return membership{leave: 0x17, report: 0x22, group: 4, size: 4, names: [2]string{"IGMPv2", "IGMPv3"}}.leaves(ip[int(ip[0]&0xf)*4:])
	case etherIPv6:
		if len(ip) < ipv6Header {
			return nil
		}
		next, rest := ip[6], ip[ipv6Header:]
		if next == 0 && len(rest) >= 8 && len(rest) >= (int(rest[1])+1)*8 { // hop-by-hop options
			next, rest = rest[0], rest[(int(rest[1])+1)*8:]
		}
		if next != protoICMP6 {
			return nil
		}
		return membership{leave: 132, report: 143, group: 8, size: 16, names: [2]string{"MLDv1", "MLDv2"}}.leaves(rest)
	}
	return nil
}

// membership is how the messages of a protocol look.
type membership struct {
	leave, report byte // types: of the old version, and of the present one
	group         int  // where the address is in leave
	size          int  // of an address
	names         [2]string
}

// Record types of RFC 3376, section 4.2.12, and RFC 3810, section 5.2.12.
const (
	changeToInclude = 3
	blockOldSources = 6
)

func (m membership) leaves(b []byte) (seen []string) {
	if len(b) < 8 {
		return nil
	}
	switch b[0] {
	case m.leave:
		if len(b) >= m.group+m.size {
			g, _ := netip.AddrFromSlice(b[m.group : m.group+m.size])
			seen = append(seen, m.names[0]+" "+g.String())
		}
	case m.report:
		records := b[8:]
		for range binary.BigEndian.Uint16(b[6:]) {
			if len(records) < 4+m.size {
				break
			}
			sources := int(binary.BigEndian.Uint16(records[2:]))
			kind, length := records[0], 4+m.size*(1+sources)+4*int(records[1])
			g, _ := netip.AddrFromSlice(records[4 : 4+m.size])
			if kind == blockOldSources || kind == changeToInclude && sources == 0 {
				seen = append(seen, m.names[1]+" "+g.String())
			}
			records = records[min(length, len(records)):]
		}
	}
	return seen
}
