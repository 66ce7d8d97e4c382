package uapi

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Families of rtnetlink for multicast routing (linux/rtnetlink.h).
const (
	FamilyIPMR  = 128 // RTNL_FAMILY_IPMR
	FamilyIP6MR = 129 // RTNL_FAMILY_IP6MR
)

// Attributes of routes (linux/rtnetlink.h).
const (
	rtaDst       = 1  // RTA_DST
	rtaSrc       = 2  // RTA_SRC
	rtaIif       = 3  // RTA_IIF
	rtaMultipath = 9  // RTA_MULTIPATH
	rtaTable     = 15 // RTA_TABLE
	rtaMFCStats  = 17 // RTA_MFC_STATS: struct rta_mfc_stats
	rtaExpires   = 23 // RTA_EXPIRES: u64, clock ticks
)

// RTProtMrouted is RTPROT_MROUTED, the mark of multicast routers: such an entry goes
// with the table's owner, and rules for tables bear it.
const RTProtMrouted = 17

const (
	rtprotStatic   = 4  // RTPROT_STATIC: the entry outlives it
	rtnMulticast   = 5  // RTN_MULTICAST
	rtnhUnresolved = 32 // RTNH_F_UNRESOLVED
)

// ClockTicks is the unit of RTA_EXPIRES: USER_HZ, 100 a second everywhere.
const ClockTicks = 100

// MaxNetlinkVIFs is how many outputs RTM_NEWROUTE can address: the kernel
// refuses a list with all 32 (ipmr_nla_get_ttls of net/ipv4/ipmr.c), so VIF 31
// is reached with MRT_ADD_MFC only.
const MaxNetlinkVIFs = MaxVIFs - 1

// SizeNewRoute is the most bytes that AppendNewRoute writes.
const SizeNewRoute = sizeNlmsghdr + sizeRtmsg + 4*8 + 4 + MaxNetlinkVIFs*sizeNexthop

// SizeGetRoute is the most bytes that AppendGetRoute writes.
const SizeGetRoute = sizeNlmsghdr + sizeRtmsg + 2*20 + 8

// RouteRequest is an RTM_NEWROUTE or RTM_DELROUTE of RTNL_FAMILY_IPMR. There is
// none for IPv6.
type RouteRequest struct {
	Table    uint32
	Src, Dst netip.Addr     // a zero Src is any source
	Iif      uint32         // ifindex of the link whose VIF is the parent
	TTLs     [MaxVIFs]uint8 // by VIF; the last must be 0
	Static   bool           // RTPROT_STATIC instead of RTPROT_MROUTED
}

// AppendNewRoute writes an RTM_NEWROUTE that adds or replaces an entry.
func (r *RouteRequest) AppendNewRoute(b []byte, seq uint32, flags uint16) []byte {
	start := len(b)
	b = r.appendCommon(b, RTMNewRoute, seq, flags)
	b = appendAttr32(b, rtaIif, r.Iif)
	n := MaxNetlinkVIFs
	for n > 0 && r.TTLs[n-1] == 0 {
		n--
	}
	if n > 0 {
		b = appendAttrHeader(b, rtaMultipath, n*sizeNexthop)
		for _, ttl := range r.TTLs[:n] {
			b = append(b, sizeNexthop, 0, 0, ttl, 0, 0, 0, 0)
			binary.NativeEndian.PutUint16(b[len(b)-sizeNexthop:], sizeNexthop)
		}
	}
	return finish(b, start)
}

// Where addresses are in what AppendNewRoute writes.
const (
	offSrc = sizeNlmsghdr + sizeRtmsg + 4
	offDst = offSrc + 4 + 4
)

// AppendSameRoute writes once more the RTM_NEWROUTE with which b ends, and which begins
// at start, now of the entry (src, grp). Tables are large, and their entries much alike:
// this takes a fraction of what AppendNewRoute takes.
func AppendSameRoute(b []byte, start int, seq uint32, flags uint16, src, grp netip.Addr) []byte {
	next := len(b)
	b = append(b, b[start:]...)
	m := b[next:]
	finish(appendHeader(m[:0], RTMNewRoute, NLMFRequest|flags, seq)[:len(m)], 0)
	append4(m[:offSrc], src)
	append4(m[:offDst], grp)
	return b
}

// AppendDelRoute writes an RTM_DELROUTE of the entry (Src, Dst).
func (r *RouteRequest) AppendDelRoute(b []byte, seq uint32, flags uint16) []byte {
	start := len(b)
	return finish(r.appendCommon(b, RTMDelRoute, seq, flags), start)
}

func (r *RouteRequest) appendCommon(b []byte, typ uint16, seq uint32, flags uint16) []byte {
	b = appendHeader(b, typ, NLMFRequest|flags, seq)
	proto := byte(RTProtMrouted)
	if r.Static {
		proto = rtprotStatic
	}
	b = appendRtmsg(b, FamilyIPMR, 32, 32, proto, rtnMulticast)
	b = append4(appendAttrHeader(b, rtaSrc, 4), r.Src)
	b = append4(appendAttrHeader(b, rtaDst, 4), r.Dst)
	return appendAttr32(b, rtaTable, r.Table)
}

func appendRtmsg(b []byte, family, dstLen, srcLen, proto, typ byte) []byte {
	// rtm_family, rtm_dst_len, rtm_src_len, rtm_tos,
	// rtm_table, rtm_protocol, rtm_scope, rtm_type, rtm_flags
	b = append(b, family, dstLen, srcLen, 0, 0, proto, 0, typ)
	return binary.NativeEndian.AppendUint32(b, 0)
}

// AppendGetRoute writes an RTM_GETROUTE for the entry (src, grp) of a table.
// A zero src is any source.
func AppendGetRoute(b []byte, seq uint32, table uint32, src, grp netip.Addr) []byte {
	start := len(b)
	b = appendHeader(b, RTMGetRoute, NLMFRequest, seq)
	bits := byte(grp.BitLen())
	b = appendRtmsg(b, mrFamily(grp), bits, bits, 0, 0)
	b = appendAddr(appendAttrHeader(b, rtaSrc, int(bits/8)), src, grp)
	b = appendAddr(appendAttrHeader(b, rtaDst, int(bits/8)), grp, grp)
	b = appendAttr32(b, rtaTable, table)
	return finish(b, start)
}

func mrFamily(grp netip.Addr) byte {
	if grp.Is4() {
		return FamilyIPMR
	}
	return FamilyIP6MR
}

// AppendDumpRoutes writes an RTM_GETROUTE for all entries. A socket without
// NETLINK_GET_STRICT_CHK gets those of all tables.
func AppendDumpRoutes(b []byte, seq uint32, family byte, table uint32) []byte {
	start := len(b)
	b = appendHeader(b, RTMGetRoute, NLMFRequest|NLMFDump, seq)
	b = appendRtmsg(b, family, 0, 0, 0, 0)
	b = appendAttr32(b, rtaTable, table)
	return finish(b, start)
}

// Nexthop is an output of an entry: struct rtnexthop.
type Nexthop struct {
	TTL     uint8 // rtnh_hops
	Ifindex int32
}

// Route is an entry of the forwarding cache as the kernel tells it.
type Route struct {
	Table      uint32
	Src, Dst   netip.Addr // Src is the unspecified address for any source
	Iif        uint32     // ifindex; 0 if the parent VIF is gone
	Unresolved bool       // a flow that waits for an answer to an upcall
	Static     bool       // RTPROT_STATIC: it outlives the table's owner
	Hops       [MaxVIFs]Nexthop
	NumHops    int // of Hops; those whose VIF is gone are not told
	SGCount
	Expires uint64 // clock ticks since the entry was last used
}

// DecodeRoute reads the payload of an RTM_NEWROUTE of RTNL_FAMILY_IPMR or
// RTNL_FAMILY_IP6MR into r. r holds nothing of b afterwards.
func DecodeRoute(b []byte, r *Route) error {
	*r = Route{}
	if len(b) < sizeRtmsg {
		return short("struct rtmsg", len(b), sizeRtmsg)
	}
	family := b[0]
	r.Table = uint32(b[4])
	r.Static = b[5] == rtprotStatic
	r.Unresolved = binary.NativeEndian.Uint32(b[8:])&rtnhUnresolved != 0
	switch family {
	case FamilyIPMR:
		r.Src, r.Dst = netip.IPv4Unspecified(), netip.IPv4Unspecified()
	case FamilyIP6MR:
		r.Src, r.Dst = netip.IPv6Unspecified(), netip.IPv6Unspecified()
	default:
		return &FormatError{"rtm_family", fmt.Sprintf("%d, expected %d or %d", family, FamilyIPMR, FamilyIP6MR)}
	}
	for b = b[sizeRtmsg:]; len(b) > 0; {
		var a Attr
		var err error
		if a, b, err = NextAttr(b); err != nil {
			return err
		}
		if err = r.attr(a); err != nil {
			return err
		}
	}
	return nil
}

func (r *Route) attr(a Attr) (err error) {
	switch a.Type {
	case rtaTable:
		r.Table, err = a.u32()
	case rtaIif:
		r.Iif, err = a.u32()
	case rtaSrc:
		r.Src, err = a.addr(r.Src)
	case rtaDst:
		r.Dst, err = a.addr(r.Dst)
	case rtaMultipath:
		err = r.multipath(a.Payload)
	case rtaMFCStats:
		if len(a.Payload) < 24 {
			return short("struct rta_mfc_stats", len(a.Payload), 24)
		}
		r.Packets = word(a.Payload, 0, 8)
		r.Bytes = word(a.Payload, 1, 8)
		r.WrongIf = word(a.Payload, 2, 8)
	case rtaExpires:
		if len(a.Payload) < 8 {
			return short("RTA_EXPIRES", len(a.Payload), 8)
		}
		r.Expires = word(a.Payload, 0, 8)
	}
	return err
}

// addr reads an address of the family of like.
func (a Attr) addr(like netip.Addr) (netip.Addr, error) {
	if n := like.BitLen() / 8; len(a.Payload) != n {
		return like, &FormatError{"address", fmt.Sprintf("%d bytes, expected %d", len(a.Payload), n)}
	}
	addr, _ := netip.AddrFromSlice(a.Payload)
	return addr, nil
}

func (r *Route) multipath(b []byte) error {
	for len(b) > 0 {
		if len(b) < sizeNexthop {
			return short("struct rtnexthop", len(b), sizeNexthop)
		}
		n := int(binary.NativeEndian.Uint16(b))
		if n < sizeNexthop || n > len(b) {
			return &FormatError{"rtnh_len", fmt.Sprintf("%d, expected %d to %d", n, sizeNexthop, len(b))}
		}
		if r.NumHops == MaxVIFs {
			return &FormatError{"RTA_MULTIPATH", "more than 32 outputs"}
		}
		r.Hops[r.NumHops] = Nexthop{TTL: b[3], Ifindex: int32(binary.NativeEndian.Uint32(b[4:]))}
		r.NumHops++
		b = b[min(align4(n), len(b)):]
	}
	return nil
}
