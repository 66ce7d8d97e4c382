package uapi

import (
	"encoding/binary"
	"fmt"
)

// Message types (linux/netlink.h, linux/rtnetlink.h).
const (
	NLMsgError  = 2  // NLMSG_ERROR
	NLMsgDone   = 3  // NLMSG_DONE
	RTMNewLink  = 16 // RTM_NEWLINK
	RTMDelLink  = 17 // RTM_DELLINK
	RTMGetLink  = 18 // RTM_GETLINK
	RTMNewRoute = 24 // RTM_NEWROUTE
	RTMDelRoute = 25 // RTM_DELROUTE
	RTMGetRoute = 26 // RTM_GETROUTE
)

// Flags of a request.
const (
	NLMFRequest = 0x1   // NLM_F_REQUEST
	NLMFAck     = 0x4   // NLM_F_ACK
	NLMFDump    = 0x300 // NLM_F_ROOT | NLM_F_MATCH
)

const (
	sizeNlmsghdr = 16 // struct nlmsghdr
	sizeRtmsg    = 12 // struct rtmsg
	sizeIfinfo   = 16 // struct ifinfomsg
	sizeNexthop  = 8  // struct rtnexthop
	nlaTypeMask  = 0x3fff
)

// Message is one netlink message.
type Message struct {
	Type    uint16
	Flags   uint16
	Seq     uint32
	Payload []byte // behind struct nlmsghdr; part of the buffer it was read from
}

// NextMessage takes the first message off b.
func NextMessage(b []byte) (m Message, rest []byte, err error) {
	if len(b) < sizeNlmsghdr {
		return m, nil, short("struct nlmsghdr", len(b), sizeNlmsghdr)
	}
	n := binary.NativeEndian.Uint32(b)
	if n < sizeNlmsghdr || uint64(n) > uint64(len(b)) {
		return m, nil, &FormatError{"nlmsg_len", fmt.Sprintf("%d, expected %d to %d", n, sizeNlmsghdr, len(b))}
	}
	m = Message{
		Type:    binary.NativeEndian.Uint16(b[4:]),
		Flags:   binary.NativeEndian.Uint16(b[6:]),
		Seq:     binary.NativeEndian.Uint32(b[8:]),
		Payload: b[sizeNlmsghdr:n],
	}
	return m, b[min(align4(int(n)), len(b)):], nil
}

// Errno reads the error number of an NLMSG_ERROR or NLMSG_DONE message, 0 for
// an acknowledgement.
func (m Message) Errno() (int, error) {
	if len(m.Payload) < 4 {
		if m.Type == NLMsgDone {
			return 0, nil // older kernels send no status
		}
		return 0, short("struct nlmsgerr", len(m.Payload), 4)
	}
	return -int(int32(binary.NativeEndian.Uint32(m.Payload))), nil
}

// Attr is one attribute, struct rtattr.
type Attr struct {
	Type    uint16 // without the NLA_F_* bits
	Payload []byte
}

// NextAttr takes the first attribute off b.
func NextAttr(b []byte) (a Attr, rest []byte, err error) {
	if len(b) < 4 {
		return a, nil, short("struct rtattr", len(b), 4)
	}
	n := int(binary.NativeEndian.Uint16(b))
	if n < 4 || n > len(b) {
		return a, nil, &FormatError{"rta_len", fmt.Sprintf("%d, expected 4 to %d", n, len(b))}
	}
	a = Attr{Type: binary.NativeEndian.Uint16(b[2:]) & nlaTypeMask, Payload: b[4:n]}
	return a, b[min(align4(n), len(b)):], nil
}

// u32 reads the attribute's value of 4 bytes.
func (a Attr) u32() (uint32, error) {
	if len(a.Payload) < 4 {
		return 0, short(fmt.Sprintf("attribute %d", a.Type), len(a.Payload), 4)
	}
	return binary.NativeEndian.Uint32(a.Payload), nil
}

func align4(n int) int { return (n + 3) &^ 3 }

// appendHeader writes struct nlmsghdr with a length of 0, which finish fills in.
func appendHeader(b []byte, typ, flags uint16, seq uint32) []byte {
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = binary.NativeEndian.AppendUint32(b, seq)
	return binary.NativeEndian.AppendUint32(b, 0) // nlmsg_pid: the kernel's business
}

// finish writes the length of the message that begins at start. Every part was
// padded to 4 bytes, so that the next message may follow.
func finish(b []byte, start int) []byte {
	binary.NativeEndian.PutUint32(b[start:], uint32(len(b)-start))
	return b
}

func appendAttrHeader(b []byte, typ uint16, payload int) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+payload))
	return binary.NativeEndian.AppendUint16(b, typ)
}

func appendAttr32(b []byte, typ uint16, v uint32) []byte {
	return binary.NativeEndian.AppendUint32(appendAttrHeader(b, typ, 4), v)
}
