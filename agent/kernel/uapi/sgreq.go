package uapi

import (
	"encoding/binary"
	"net/netip"
)

// SGCount is the answer of SIOCGETSGCNT and SIOCGETSGCNT_IN6: the counters of
// one entry, as wide as the kernel's unsigned long.
type SGCount struct {
	Packets, Bytes, WrongIf uint64
}

// AppendSGReq writes struct sioc_sg_req (32 bytes, 20 on 32-bit kernels) or
// sioc_sg_req6 (80 bytes, or 68), with zero counters.
func AppendSGReq(b []byte, src, grp netip.Addr, w Word) []byte {
	if grp.Is4() {
		b = append4(b, src)
		b = append4(b, grp)
	} else {
		b = appendSockaddr(b, src, grp)
		b = appendSockaddr(b, grp, grp)
	}
	return appendZeros(b, 3*int(w))
}

// DecodeSGReq reads the counters which the kernel wrote into b, which is what
// AppendSGReq wrote.
func DecodeSGReq(b []byte, w Word) (SGCount, error) {
	n := 3 * int(w)
	if len(b) < 8+n {
		return SGCount{}, short("struct sioc_sg_req", len(b), 8+n)
	}
	b = b[len(b)-n:] // the counters are the last members in both families
	return SGCount{
		Packets: word(b, 0, w),
		Bytes:   word(b, 1, w),
		WrongIf: word(b, 2, w),
	}, nil
}

// word reads the i-th unsigned long of b.
func word(b []byte, i int, w Word) uint64 {
	if w == 4 {
		return uint64(binary.NativeEndian.Uint32(b[4*i:]))
	}
	return binary.NativeEndian.Uint64(b[8*i:])
}
