package mrdisc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Type is the kind of a message.
type Type uint8

// The three messages. Their numbers on the wire depend on the family.
const (
	Advertisement Type = iota // a router is here (RFC 4286, section 3)
	Solicitation              // are there routers? (section 4)
	Termination               // the router goes away (section 5)
)

// String returns the name that RFC 4286 gives the message.
func (t Type) String() string {
	switch t {
	case Advertisement:
		return "Advertisement"
	case Solicitation:
		return "Solicitation"
	case Termination:
		return "Termination"
	}
	return "unknown message"
}

// Message is a message of Multicast Router Discovery. Only an Advertisement
// has the fields after Type.
type Message struct {
	Type          Type
	Interval      uint8  // seconds between advertisements, 4 to 180 (RFC 4286, section 3.2.2)
	QueryInterval uint16 // seconds between the router's IGMP or MLD queries; 0 if it sends none (section 3.2.4)
	Robustness    uint16 // robustness variable of IGMP or MLD; 0 if unused (section 3.2.5)
}

// The lengths of messages, in bytes.
const (
	lenAdvertisement = 8
	lenOther         = 4
)

// Errors of [Parse], for errors.Is.
var (
	ErrShort    = errors.New("the message is too short")
	ErrChecksum = errors.New("the checksum is wrong")
	ErrType     = errors.New("not a message of multicast router discovery")
)

// firstType is what Advertisement is on the wire: an IGMP type, or an ICMPv6
// type. The two other messages follow it (RFC 4286, IANA Considerations).
func firstType(f mroute.Family) uint8 {
	if f == mroute.IPv4 {
		return 0x30
	}
	return 151
}

// Append appends m as the payload of an IP packet: IGMP in IPv4, ICMPv6 in
// IPv6. The checksum of IPv6, which covers the packet's addresses too, is left
// 0: the kernel fills it in for ICMPv6 sockets (RFC 3542, section 3.1), others
// set bytes 2 and 3 to [Checksum].
func Append(b []byte, f mroute.Family, m Message) []byte {
	start := len(b)
	b = append(b, firstType(f)+uint8(m.Type), 0, 0, 0)
	if m.Type == Advertisement {
		b[start+1] = m.Interval
		b = binary.BigEndian.AppendUint16(b, m.QueryInterval)
		b = binary.BigEndian.AppendUint16(b, m.Robustness)
	}
	if f == mroute.IPv4 {
		binary.BigEndian.PutUint16(b[start+2:], Checksum(b[start:], netip.Addr{}, netip.Addr{}))
	}
	return b
}

// Parse reads the payload of an IP packet. It accepts messages longer than
// needed, as RFC 4286 asks for, and ignores reserved fields. The checksum is
// verified in IPv4 only; an ICMPv6 socket does that for IPv6, others compare
// [Checksum] with 0. Errors wrap ErrShort, ErrChecksum or ErrType.
func Parse(f mroute.Family, b []byte) (Message, error) {
	if len(b) < lenOther {
		return Message{}, fmt.Errorf("%w: %d bytes, expected at least %d", ErrShort, len(b), lenOther)
	}
	if b[0] < firstType(f) || b[0] > firstType(f)+uint8(Termination) {
		return Message{}, fmt.Errorf("%w: type %d, expected %d to %d in %v",
			ErrType, b[0], firstType(f), firstType(f)+uint8(Termination), f)
	}
	m := Message{Type: Type(b[0] - firstType(f))}
	if m.Type == Advertisement {
		if len(b) < lenAdvertisement {
			return Message{}, fmt.Errorf("%w: %d bytes, expected at least %d in an %v",
				ErrShort, len(b), lenAdvertisement, m.Type)
		}
		m.Interval = b[1]
		m.QueryInterval = binary.BigEndian.Uint16(b[4:])
		m.Robustness = binary.BigEndian.Uint16(b[6:])
	}
	if f == mroute.IPv4 && Checksum(b, netip.Addr{}, netip.Addr{}) != 0 {
		return Message{}, fmt.Errorf("%w: found %#04x", ErrChecksum, binary.BigEndian.Uint16(b[2:]))
	}
	return m, nil
}

// Checksum is the Internet checksum (RFC 1071) of a message. If dst is IPv6 it
// covers the pseudo header of RFC 8200, section 8.1, too. Over a message with a
// valid checksum it is 0.
func Checksum(b []byte, src, dst netip.Addr) uint16 {
	var sum uint32
	if dst.Is6() {
		s, d := src.As16(), dst.As16()
		sum = add(add(sum, s[:]), d[:])
		sum += uint32(len(b)) + protocolICMPv6
	}
	sum = add(sum, b)
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// protocolICMPv6 is the next header value of ICMPv6.
const protocolICMPv6 = 58

// add sums up the 16-bit words of b. Messages are short, so that it can't overflow.
func add(sum uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}
