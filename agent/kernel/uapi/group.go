package uapi

import (
	"encoding/binary"
	"net/netip"
)

const sockaddrStorage = 128 // sizeof(struct sockaddr_storage)

// AppendGroupReq writes struct group_req of linux/in.h: 136 bytes, or 132 on
// 32-bit kernels.
func AppendGroupReq(b []byte, ifindex int, grp netip.Addr, w Word) []byte {
	b = appendInterface(b, ifindex, w)
	return appendStorage(b, grp, grp)
}

// AppendGroupSourceReq writes struct group_source_req of linux/in.h: 264 bytes,
// or 260 on 32-bit kernels.
func AppendGroupSourceReq(b []byte, ifindex int, src, grp netip.Addr, w Word) []byte {
	b = AppendGroupReq(b, ifindex, grp, w)
	return appendStorage(b, src, grp)
}

// appendInterface writes gr_interface and the padding up to an aligned
// struct sockaddr_storage.
func appendInterface(b []byte, ifindex int, w Word) []byte {
	b = binary.NativeEndian.AppendUint32(b, uint32(ifindex))
	return appendZeros(b, int(w)-4)
}

func appendStorage(b []byte, a, like netip.Addr) []byte {
	start := len(b)
	b = appendSockaddr(b, a, like)
	return appendZeros(b, sockaddrStorage-(len(b)-start))
}
