package netlab

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// received is what a capture wants to know of a frame.
type received struct {
	sg       mroute.SG
	ttl      uint8
	payload  int // its length
	seq      uint64
	numbered bool
}

// decode reads a frame. It reports false for anything but UDP over IPv4 or
// IPv6, without extension headers, to a multicast group.
func decode(f []byte) (r received, ok bool) {
	if len(f) < etherHeader {
		return r, false
	}
	ip := f[etherHeader:]
	var udp []byte
	switch binary.BigEndian.Uint16(f[12:]) {
	case etherIPv4:
		if len(ip) < ipv4Header || ip[0]>>4 != 4 || ip[9] != protoUDP || binary.BigEndian.Uint16(ip[6:])&0x1fff != 0 {
			return r, false
		}
		header, total := int(ip[0]&0xf)*4, int(binary.BigEndian.Uint16(ip[2:]))
		if header < ipv4Header || total < header || total > len(ip) {
			return r, false
		}
		r.sg.Source, _ = netip.AddrFromSlice(ip[12:16])
		r.sg.Group, _ = netip.AddrFromSlice(ip[16:20])
		r.ttl = ip[8]
		udp = ip[header:total]
	case etherIPv6:
		if len(ip) < ipv6Header || ip[0]>>4 != 6 || ip[6] != protoUDP {
			return r, false
		}
		total := ipv6Header + int(binary.BigEndian.Uint16(ip[4:]))
		if total > len(ip) {
			return r, false
		}
		r.sg.Source, _ = netip.AddrFromSlice(ip[8:24])
		r.sg.Group, _ = netip.AddrFromSlice(ip[24:40])
		r.ttl = ip[7]
		udp = ip[ipv6Header:total]
	default:
		return r, false
	}
	if len(udp) < udpHeader || !r.sg.Group.IsMulticast() {
		return r, false
	}
	payload := udp[udpHeader:]
	r.payload = len(payload)
	if len(payload) >= len(magic)+8 && bytes.HasPrefix(payload, magic[:]) {
		r.seq, r.numbered = binary.BigEndian.Uint64(payload[len(magic):]), true
	}
	return r, true
}
