package uapi

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Attributes of links (linux/if_link.h).
const (
	iflaIfname  = 3  // IFLA_IFNAME
	iflaAFSpec  = 26 // IFLA_AF_SPEC
	iflaExtMask = 29 // IFLA_EXT_MASK

	extFilterSkipStats = 8 // RTEXT_FILTER_SKIP_STATS
)

// Attributes of a table in RTM_NEWLINK of RTNL_FAMILY_IPMR (linux/mroute.h).
const (
	ipmraTableID     = 1 // IPMRA_TABLE_ID
	ipmraTableVIFs   = 6 // IPMRA_TABLE_VIFS
	ipmraVIF         = 1 // IPMRA_VIF
	ipmraVIFAIfindex = 1 // IPMRA_VIFA_IFINDEX
	ipmraVIFAID      = 2 // IPMRA_VIFA_VIF_ID
)

// Flags of a link (linux/if.h).
const (
	IFFUp        = 0x1    // IFF_UP
	IFFLoopback  = 0x8    // IFF_LOOPBACK
	IFFMulticast = 0x1000 // IFF_MULTICAST
)

// AppendDumpLinks writes an RTM_GETLINK for all interfaces, without statistics.
func AppendDumpLinks(b []byte, seq uint32) []byte {
	start := len(b)
	b = appendHeader(b, RTMGetLink, NLMFRequest|NLMFDump, seq)
	b = appendZeros(b, sizeIfinfo)
	b = appendAttr32(b, iflaExtMask, extFilterSkipStats)
	return finish(b, start)
}

// Link is an interface.
type Link struct {
	Index int32
	Flags uint32 // IFF_*
	Name  string
}

// DecodeLink reads the payload of an RTM_NEWLINK.
func DecodeLink(b []byte) (Link, error) {
	var l Link
	if len(b) < sizeIfinfo {
		return l, short("struct ifinfomsg", len(b), sizeIfinfo)
	}
	l.Index = int32(binary.NativeEndian.Uint32(b[4:]))
	l.Flags = binary.NativeEndian.Uint32(b[8:])
	for b = b[sizeIfinfo:]; len(b) > 0; {
		var a Attr
		var err error
		if a, b, err = NextAttr(b); err != nil {
			return l, err
		}
		if a.Type == iflaIfname {
			name, _, _ := bytes.Cut(a.Payload, []byte{0})
			l.Name = string(name)
		}
	}
	if l.Name == "" {
		return l, &FormatError{"RTM_NEWLINK", fmt.Sprintf("link %d has no IFLA_IFNAME", l.Index)}
	}
	return l, nil
}

// AppendDumpVIFs writes an RTM_GETLINK of RTNL_FAMILY_IPMR, which lists the
// tables of IPv4 and their VIFs. IPv6 has no such request.
func AppendDumpVIFs(b []byte, seq uint32) []byte {
	start := len(b)
	b = appendHeader(b, RTMGetLink, NLMFRequest|NLMFDump, seq)
	b = append(b, FamilyIPMR)
	b = appendZeros(b, sizeIfinfo-1)
	return finish(b, start)
}

// VIFs are the VIFs of a table.
type VIFs struct {
	Table   uint32
	Ifindex [MaxVIFs]int32 // 0 where there is none
}

// DecodeVIFs reads the payload of an RTM_NEWLINK of RTNL_FAMILY_IPMR.
func DecodeVIFs(b []byte) (VIFs, error) {
	var v VIFs
	if len(b) < sizeIfinfo {
		return v, short("struct ifinfomsg", len(b), sizeIfinfo)
	}
	err := eachAttr(b[sizeIfinfo:], func(a Attr) error {
		if a.Type != iflaAFSpec {
			return nil
		}
		return eachAttr(a.Payload, v.table)
	})
	return v, err
}

func (v *VIFs) table(a Attr) (err error) {
	switch a.Type {
	case ipmraTableID:
		v.Table, err = a.u32()
	case ipmraTableVIFs:
		err = eachAttr(a.Payload, func(a Attr) error {
			if a.Type != ipmraVIF {
				return nil
			}
			return v.vif(a.Payload)
		})
	}
	return err
}

func (v *VIFs) vif(b []byte) error {
	id, ifindex := uint32(MaxVIFs), uint32(0)
	err := eachAttr(b, func(a Attr) (err error) {
		switch a.Type {
		case ipmraVIFAID:
			id, err = a.u32()
		case ipmraVIFAIfindex:
			ifindex, err = a.u32()
		}
		return err
	})
	if err != nil {
		return err
	}
	if id >= MaxVIFs {
		return &FormatError{"IPMRA_VIFA_VIF_ID", fmt.Sprintf("%d, expected 0 to %d", id, MaxVIFs-1)}
	}
	v.Ifindex[id] = int32(ifindex)
	return nil
}

func eachAttr(b []byte, f func(Attr) error) error {
	for len(b) > 0 {
		var a Attr
		var err error
		if a, b, err = NextAttr(b); err != nil {
			return err
		}
		if err := f(a); err != nil {
			return err
		}
	}
	return nil
}

// DecodeGone reads the ifindex from an RTM_DELLINK message, of which b needs to
// be the beginning only. It is false for other messages, and for those with
// which a bridge tells that a port leaves it while the link is still there.
func DecodeGone(b []byte) (int32, bool) {
	if len(b) < sizeNlmsghdr+sizeIfinfo || binary.NativeEndian.Uint16(b[4:]) != RTMDelLink || b[sizeNlmsghdr] != 0 {
		return 0, false
	}
	return int32(binary.NativeEndian.Uint32(b[sizeNlmsghdr+4:])), true
}
