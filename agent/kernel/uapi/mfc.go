package uapi

import (
	"encoding/binary"
	"net/netip"
)

// Sizes in bytes.
const (
	SizeMfcctl  = 60
	SizeMf6cctl = 92
)

const (
	afInet     = 2   // AF_INET
	afInet6    = 10  // AF_INET6
	ifSetSize  = 256 // IF_SETSIZE
	sockaddrIn = 16  // sizeof(struct sockaddr_in)
	sockaddr6  = 28  // sizeof(struct sockaddr_in6)
)

// MFC is the value of MRT_ADD_MFC and MRT_DEL_MFC: struct mfcctl of mroute.h if
// Group is IPv4, struct mf6cctl of mroute6.h if it is IPv6. A zero Origin is any
// source. IPv6 has a set of interfaces, those with a TTL other than 0.
type MFC struct {
	Origin, Group netip.Addr
	Parent        uint16
	TTLs          [MaxVIFs]uint8
}

// Append writes 60 bytes for IPv4, 92 for IPv6.
func (m *MFC) Append(b []byte) []byte {
	if m.Group.Is4() {
		b = append4(b, m.Origin)
		b = append4(b, m.Group)
		b = binary.NativeEndian.AppendUint16(b, m.Parent)
		b = append(b, m.TTLs[:]...)
		return appendZeros(b, 2+4*4) // padding, counters, mfcc_expire
	}
	b = appendSockaddr(b, m.Origin, m.Group)
	b = appendSockaddr(b, m.Group, m.Group)
	b = binary.NativeEndian.AppendUint16(b, m.Parent)
	b = append(b, 0, 0)
	var set uint32
	for i, ttl := range m.TTLs {
		if ttl != 0 {
			set |= 1 << i
		}
	}
	b = binary.NativeEndian.AppendUint32(b, set)
	return appendZeros(b, ifSetSize/8-4)
}

// append4 writes struct in_addr; the zero Addr is INADDR_ANY.
func append4(b []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return append(b, 0, 0, 0, 0)
	}
	x := a.As4()
	return append(b, x[:]...)
}

// append16 writes struct in6_addr; the zero Addr is in6addr_any.
func append16(b []byte, a netip.Addr) []byte {
	x := a.As16()
	if !a.IsValid() {
		x = [16]byte{}
	}
	return append(b, x[:]...)
}

// appendAddr writes an address of the family of like.
func appendAddr(b []byte, a, like netip.Addr) []byte {
	if like.Is4() {
		return append4(b, a)
	}
	return append16(b, a)
}

// appendSockaddr writes struct sockaddr_in or sockaddr_in6 of the family of like.
func appendSockaddr(b []byte, a, like netip.Addr) []byte {
	if like.Is4() {
		b = binary.NativeEndian.AppendUint16(b, afInet)
		b = append(b, 0, 0) // sin_port
		b = append4(b, a)
		return appendZeros(b, sockaddrIn-8)
	}
	b = binary.NativeEndian.AppendUint16(b, afInet6)
	b = appendZeros(b, 2+4) // sin6_port, sin6_flowinfo
	b = append16(b, a)
	return appendZeros(b, 4) // sin6_scope_id
}
