package netlab

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
)

// Packet is a UDP packet to a multicast group.
type Packet struct {
	Src     netip.Addr // any; need not be an address of the sender
	Group   netip.Addr
	TTL     uint8  // or hop limit; 0 stands for 64
	Payload []byte // nil: a sequence number, see [NS.Stream]
	VLAN    uint16 // number in a tag of 802.1Q; 0: no tag. Of [NS.Send] only
}

// tagged is a frame with the tag of a VLAN behind its MAC addresses (IEEE 802.1Q).
func tagged(frame []byte, vlan uint16) []byte {
	tag := binary.BigEndian.AppendUint16([]byte{0x81, 0x00}, vlan)
	return slices.Insert(frame, 12, tag...)
}

// Port is the source and destination port of all packets.
const Port = 5001

const (
	etherHeader = 14
	ipv4Header  = 20
	ipv6Header  = 40
	udpHeader   = 8

	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
	protoUDP  = 17
)

// frame makes the Ethernet frame of p: the group's MAC address by RFC 1112,
// section 6.4, or RFC 2464, section 7, and correct checksums.
func (p Packet) frame(mac [6]byte) ([]byte, error) {
	if p.Src.BitLen() != p.Group.BitLen() || !p.Group.IsMulticast() || p.Src.Is4In6() || p.Group.Is4In6() {
		return nil, fmt.Errorf("cannot send from %v to %v: expected a source and a multicast group of one family", p.Src, p.Group)
	}
	ttl := p.TTL
	if ttl == 0 {
		ttl = 64
	}
	length := udpHeader + len(p.Payload)
	if length > 0xffff-ipv4Header {
		return nil, fmt.Errorf("cannot send a payload of %d bytes: the limit is %d", len(p.Payload), 0xffff-ipv4Header-udpHeader)
	}
	var f []byte
	group := p.Group.AsSlice()
	if p.Group.Is4() {
		f = append(f, 0x01, 0x00, 0x5e, group[1]&0x7f, group[2], group[3])
		f = append(f, mac[:]...)
		f = binary.BigEndian.AppendUint16(f, etherIPv4)
		f = append(f, 0x45, 0)
		f = binary.BigEndian.AppendUint16(f, uint16(ipv4Header+length))
		f = append(f, 0, 0, 0, 0, ttl, protoUDP, 0, 0)
		f = append(f, p.Src.AsSlice()...)
		f = append(f, group...)
		binary.BigEndian.PutUint16(f[etherHeader+10:], checksum(f[etherHeader:], 0))
	} else {
		f = append(f, 0x33, 0x33, group[12], group[13], group[14], group[15])
		f = append(f, mac[:]...)
		f = binary.BigEndian.AppendUint16(f, etherIPv6)
		f = append(f, 0x60, 0, 0, 0)
		f = binary.BigEndian.AppendUint16(f, uint16(length))
		f = append(f, protoUDP, ttl)
		f = append(f, p.Src.AsSlice()...)
		f = append(f, group...)
	}
	udp := len(f)
	f = binary.BigEndian.AppendUint16(f, Port)
	f = binary.BigEndian.AppendUint16(f, Port)
	f = binary.BigEndian.AppendUint16(f, uint16(length))
	f = append(f, 0, 0)
	f = append(f, p.Payload...)
	binary.BigEndian.PutUint16(f[udp+6:], udpChecksum(p.Src, p.Group, f[udp:]))
	return f, nil
}

// udpChecksum is that of RFC 768, and of RFC 8200, section 8.1: never 0, which
// would mean that there is none.
func udpChecksum(src, dst netip.Addr, udp []byte) uint16 {
	sum := checksum(udp, partial(src.AsSlice())+partial(dst.AsSlice())+protoUDP+uint64(len(udp)))
	if sum == 0 {
		return 0xffff
	}
	return sum
}

// checksum is the Internet checksum of RFC 1071 over b, and over what has been
// summed up before.
func checksum(b []byte, before uint64) uint16 {
	sum := before + partial(b)
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func partial(b []byte) (sum uint64) {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint64(b[0]) << 8
	}
	return sum
}

// magic begins the payload of a numbered packet; the number follows in eight
// bytes, big-endian.
var magic = [8]byte{'n', 'e', 't', 'l', 'a', 'b', 0, 1}

func sequencePayload(seq uint64) []byte {
	return binary.BigEndian.AppendUint64(magic[:len(magic):len(magic)], seq)
}
