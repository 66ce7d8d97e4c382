package uapi

import "encoding/binary"

// Kinds and attributes of notices (linux/rtnetlink.h, linux/netconf.h).
const (
	rtmNewRule    = 32 // RTM_NEWRULE
	rtmNewNetconf = 80 // RTM_NEWNETCONF
	rtmDelNetconf = 81 // RTM_DELNETCONF

	sizeNetconf          = 4          // struct netconfmsg, with what aligns attributes
	netconfaIfindex      = 1          // NETCONFA_IFINDEX
	netconfaMCForwarding = 4          // NETCONFA_MC_FORWARDING
	netconfaAll          = 0xffffffff // NETCONFA_IFINDEX_ALL
)

// Notice is what a message of rtnetlink is about that nobody asked for.
type Notice uint8

// The kinds of notices.
const (
	NoticeOther  Notice = iota // links, addresses
	NoticeRules                // a rule of multicast routing has come or gone
	NoticeRouter               // a program has taken a table of multicast routing, or left one
	NoticeVoid                 // rules of other routing, settings of links
)

// NoticeOf tells what a message is about, of which b needs to be the beginning only.
func NoticeOf(b []byte) Notice {
	if len(b) <= sizeNlmsghdr {
		return NoticeOther
	}
	switch binary.NativeEndian.Uint16(b[4:]) {
	case rtmNewRule, rtmDelRule:
		if family := b[sizeNlmsghdr]; family == FamilyIPMR || family == FamilyIP6MR {
			return NoticeRules
		}
		return NoticeVoid
	case rtmNewNetconf:
		if forwardsAll(b[sizeNlmsghdr:]) {
			return NoticeRouter
		}
		return NoticeVoid
	case rtmDelNetconf:
		return NoticeVoid
	}
	return NoticeOther
}

// forwardsAll reports whether a struct netconfmsg tells of mc_forwarding of "all",
// which counts the tables that programs have.
func forwardsAll(b []byte) bool {
	if len(b) < sizeNetconf {
		return false
	}
	all, forwarding := false, false
	err := eachAttr(b[sizeNetconf:], func(a Attr) error {
		switch a.Type {
		case netconfaIfindex:
			ifindex, err := a.u32()
			all = ifindex == netconfaAll
			return err
		case netconfaMCForwarding:
			forwarding = true
		}
		return nil
	})
	return err == nil && all && forwarding
}
