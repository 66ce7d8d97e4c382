package trace

import "encoding/binary"

// rtp is what of an RTP header is of interest.
type rtp struct {
	ssrc    uint32
	seq     uint16
	kind    uint8 // payload type
	payload []byte
	size    int // of the payload, as far as it was captured or not
}

// decodeRTP reads a header of RTP (RFC 3550, section 5.1) from a UDP payload of size bytes
// of which b was captured. That something looks like RTP does not mean that it is.
func decodeRTP(b []byte, size int) (rtp, bool) {
	const header = 12
	if len(b) < header || b[0]>>6 != 2 {
		return rtp{}, false
	}
	r := rtp{kind: b[1] & 0x7f, seq: binary.BigEndian.Uint16(b[2:]), ssrc: binary.BigEndian.Uint32(b[8:])}
	if 72 <= r.kind && r.kind <= 76 { // RTCP (RFC 5761, section 4)
		return rtp{}, false
	}
	skip := header + int(b[0]&0xf)*4
	if b[0]&0x10 != 0 { // an extension
		if len(b) < skip+4 {
			return rtp{}, false
		}
		skip += 4 + int(binary.BigEndian.Uint16(b[skip+2:]))*4
	}
	if skip > size {
		return rtp{}, false
	}
	r.size = size - skip
	r.payload = b[min(skip, len(b)):]
	if b[0]&0x20 != 0 && len(b) == size { // padding; the last byte counts it
		pad := int(b[size-1])
		if pad == 0 || pad > r.size {
			return rtp{}, false
		}
		r.size -= pad
		r.payload = r.payload[:r.size]
	}
	return r, true
}

// Packets of this project's mcast begin with magic; the number follows in eight bytes,
// big-endian.
const magic = "netlab\x00\x01"

func decodeNumber(b []byte) (uint64, bool) {
	if len(b) < len(magic)+8 || string(b[:len(magic)]) != magic {
		return 0, false
	}
	return binary.BigEndian.Uint64(b[len(magic):]), true
}
