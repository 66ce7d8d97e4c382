// Package ip reads the headers of IP packets, as far as telling streams and their
// packets apart needs it. Packets are whoever's who can send one: nothing in them is
// trusted, and nothing that a header says is read beyond what was captured.
//
// The package is pure: no system calls, clocks, loggers or goroutines.
package ip

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// UDP is the number of the protocol that has ports here.
const UDP = 17

// Packet is what the headers of a packet say.
type Packet struct {
	Source, Group netip.Addr
	TTL           uint8 // or hop limit
	Protocol      uint8 // of what the packet carries; that of the whole packet in a fragment
	Length        int   // bytes of the packet, its header included, as the header says

	// ID is the Identification of IPv4 (RFC 791, section 3.1), or that of IPv6's Fragment
	// header, 0 without one. Routers leave it as it is.
	ID       uint32
	Offset   int  // of a fragment in what was fragmented, in bytes
	More     bool // fragments follow
	PortFrom uint16
	PortTo   uint16 // ports of UDP; 0 in other protocols, and in fragments but the first

	// Payload is what was captured of what UDP carries, or IP if there is no header of UDP.
	Payload []byte
	// Size is the length of the payload as the headers say: more than that of Payload if
	// not all was captured, or is in fragments to come.
	Size int
}

// Errors of [Decode], for errors.Is.
var (
	ErrShort   = errors.New("the packet ends within its headers")
	ErrVersion = errors.New("the packet is neither IPv4 nor IPv6")
	ErrHeader  = errors.New("the packet's header has an impossible length")
)

// Decode reads the headers of an IP packet of which b was captured, from its first byte
// on. Payload is a part of b.
func Decode(b []byte) (Packet, error) {
	if len(b) == 0 {
		return Packet{}, ErrShort
	}
	var p Packet
	var err error
	switch b[0] >> 4 {
	case 4:
		err = p.decode4(b)
	case 6:
		err = p.decode6(b)
	default:
		err = ErrVersion
	}
	if err == nil {
		err = p.decodeUDP()
	}
	if err != nil {
		return Packet{}, err
	}
	return p, nil
}

// decode4 reads the header of IPv4 (RFC 791, section 3.1).
func (p *Packet) decode4(b []byte) error {
	const least = 20
	if len(b) < least {
		return ErrShort
	}
	header := int(b[0]&0xf) * 4
	p.Length = int(binary.BigEndian.Uint16(b[2:]))
	switch {
	case header < least || p.Length < header:
		return ErrHeader
	case len(b) < header:
		return ErrShort
	}
	p.ID = uint32(binary.BigEndian.Uint16(b[4:]))
	fragment := binary.BigEndian.Uint16(b[6:])
	p.More = fragment&0x2000 != 0
	p.Offset = int(fragment&0x1fff) * 8
	p.TTL, p.Protocol = b[8], b[9]
	p.Source = netip.AddrFrom4([4]byte(b[12:16]))
	p.Group = netip.AddrFrom4([4]byte(b[16:20]))
	p.Size = p.Length - header
	p.Payload = b[header:min(len(b), p.Length)]
	return nil
}

// Extension headers of IPv6 (RFC 8200, section 4; RFC 4302 and the registry of IANA
// "IPv6 Extension Header Types" for the others). ESP hides what follows.
const (
	hopByHop    = 0
	routing     = 43
	fragment    = 44
	authentic   = 51
	destination = 60
	mobility    = 135
	hip         = 139
	shim6       = 140
)

// decode6 reads the header of IPv6 and its extension headers (RFC 8200, sections 3 and 4).
func (p *Packet) decode6(b []byte) error {
	const header = 40
	if len(b) < header {
		return ErrShort
	}
	p.Size = int(binary.BigEndian.Uint16(b[4:]))
	p.Length = header + p.Size
	p.Protocol, p.TTL = b[6], b[7]
	p.Source = netip.AddrFrom16([16]byte(b[8:24]))
	p.Group = netip.AddrFrom16([16]byte(b[24:40]))
	p.Payload = b[header:min(len(b), p.Length)]
	for {
		length := 0
		switch p.Protocol {
		case hopByHop, routing, destination, mobility, hip, shim6:
			if len(p.Payload) < 8 {
				return ErrShort
			}
			length = 8 + int(p.Payload[1])*8
		case authentic:
			if len(p.Payload) < 8 {
				return ErrShort
			}
			length = 8 + int(p.Payload[1])*4
		case fragment:
			if len(p.Payload) < 8 {
				return ErrShort
			}
			length = 8
			offset := binary.BigEndian.Uint16(p.Payload[2:])
			p.Offset, p.More = int(offset&^7), offset&1 != 0
			p.ID = binary.BigEndian.Uint32(p.Payload[4:])
		default:
			return nil
		}
		switch {
		case length > p.Size:
			return ErrHeader
		case length > len(p.Payload):
			return ErrShort
		}
		p.Protocol = p.Payload[0]
		p.Payload, p.Size = p.Payload[length:], p.Size-length
		if p.Offset > 0 {
			return nil // what follows is the middle of something
		}
	}
}

// decodeUDP reads the header of UDP (RFC 768), if there is one.
func (p *Packet) decodeUDP() error {
	if p.Protocol != UDP || p.Offset > 0 {
		return nil
	}
	const header = 8
	if p.Size < header {
		return ErrHeader
	}
	if len(p.Payload) < header {
		return ErrShort
	}
	p.PortFrom = binary.BigEndian.Uint16(p.Payload)
	p.PortTo = binary.BigEndian.Uint16(p.Payload[2:])
	length := int(binary.BigEndian.Uint16(p.Payload[4:]))
	if length < header || length > p.Size && !p.More {
		return ErrHeader
	}
	p.Size = length - header
	p.Payload = p.Payload[header:min(len(p.Payload), length)]
	return nil
}
