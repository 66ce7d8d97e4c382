package uapi

import (
	"encoding/binary"
	"net/netip"
)

// Sizes in bytes.
const (
	SizeIgmpmsg = 20
	SizeMrt6msg = 40
)

// Upcall is struct igmpmsg of mroute.h or struct mrt6msg of mroute6.h.
type Upcall struct {
	Type     uint8 // IGMPMSG_* or MRT6MSG_*, 1 to 4
	VIF      uint16
	Src, Dst netip.Addr
}

// The types of upcalls: IGMPMSG_NOCACHE to IGMPMSG_WRVIFWHOLE, MRT6MSG_NOCACHE
// to MRT6MSG_WRMIFWHOLE.
const (
	upcallFirst = 1
	upcallLast  = 4
)

// DecodeUpcall4 reads what a raw IGMP socket received. It is false for anything
// but an upcall: the socket also gets real IGMP packets, whose IP protocol, at
// the place of im_mbz, is not 0.
func DecodeUpcall4(b []byte) (Upcall, bool) {
	if len(b) < SizeIgmpmsg || b[9] != 0 || b[8] < upcallFirst || b[8] > upcallLast {
		return Upcall{}, false
	}
	u := Upcall{
		Type: b[8],
		VIF:  uint16(b[10]) | uint16(b[11])<<8, // im_vif, im_vif_hi
		Src:  netip.AddrFrom4([4]byte(b[12:16])),
		Dst:  netip.AddrFrom4([4]byte(b[16:20])),
	}
	return u, u.Dst.IsMulticast()
}

// DecodeUpcall6 reads what a raw ICMPv6 socket received. It is false for
// anything but an upcall: real ICMPv6 messages have a type other than 0 at the
// place of im6_mbz.
func DecodeUpcall6(b []byte) (Upcall, bool) {
	if len(b) < SizeMrt6msg || b[0] != 0 || b[1] < upcallFirst || b[1] > upcallLast {
		return Upcall{}, false
	}
	u := Upcall{
		Type: b[1],
		VIF:  binary.NativeEndian.Uint16(b[2:]),
		Src:  netip.AddrFrom16([16]byte(b[8:24])),
		Dst:  netip.AddrFrom16([16]byte(b[24:40])),
	}
	return u, u.Dst.IsMulticast()
}
