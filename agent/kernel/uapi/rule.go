package uapi

import (
	"bytes"
	"encoding/binary"
)

// Rules that lead packets to tables (linux/rtnetlink.h, linux/fib_rules.h).
const (
	rtmDelRule = 33 // RTM_DELRULE

	fraIifname  = 3  // FRA_IIFNAME
	fraGoto     = 4  // FRA_GOTO
	fraPriority = 6  // FRA_PRIORITY
	fraFwmark   = 10 // FRA_FWMARK
	fraTunID    = 12 // FRA_TUN_ID
	fraTable    = 15 // FRA_TABLE
	fraFwmask   = 16 // FRA_FWMASK
	fraOifname  = 17 // FRA_OIFNAME
	fraL3MDev   = 19 // FRA_L3MDEV
	fraUIDRange = 20 // FRA_UID_RANGE
	fraProtocol = 21 // FRA_PROTOCOL

	sizeFibRuleHdr = 12 // struct fib_rule_hdr
	ruleInvert     = 2  // FIB_RULE_INVERT
	ruleUnresolved = 4  // FIB_RULE_UNRESOLVED
)

// RuleAction is what a rule does with packets that fall under it (linux/fib_rules.h).
type RuleAction uint8

// The actions. To multicast routing all others are as RuleBlackhole.
const (
	RuleToTable     RuleAction = 1 // FR_ACT_TO_TBL
	RuleGoto        RuleAction = 2 // FR_ACT_GOTO
	RuleNop         RuleAction = 3 // FR_ACT_NOP
	RuleBlackhole   RuleAction = 6 // FR_ACT_BLACKHOLE
	RuleUnreachable RuleAction = 7 // FR_ACT_UNREACHABLE
	RuleProhibit    RuleAction = 8 // FR_ACT_PROHIBIT
)

// Rule is a rule of FamilyIPMR or FamilyIP6MR, as far as the kernel looks at it there.
// Source, destination, TOS, protocol and ports are not: a rule that was made with
// them holds for all packets (net/ipv4/ipmr.c and net/ipv6/ip6mr.c: ipmr_rule_match,
// ip6mr_rule_match).
type Rule struct {
	Action     RuleAction
	Priority   uint32
	Table      uint32
	Goto       uint32 // of RuleGoto: the priority of the rule that is next
	Unresolved bool   // of RuleGoto: there is none, so that packets pass
	Invert     bool   // it is for all packets but those that the rest tells
	IIF, OIF   string // "": any
	Mark, Mask uint32
	TunID      uint64 // big endian; 0: any
	L3MDev     bool   // it is for links of a VRF, and leads to the VRF's table
	Protocol   uint8  // RTPROT_*: who made it

	HasUID             bool
	FirstUID, FinalUID uint32
}

// Met is the rule as packets that arrive meet it. They have no tunnel's number, and to
// rules they are of root (net/core/fib_rules.c, fib_rule_match): a rule that asks for
// another is for none of them, which is as if it did nothing, and one for all but those
// is for all. A goto that leads nowhere does nothing either: the action is [RuleNop].
func (r *Rule) Met() Rule {
	met := *r
	met.TunID, met.HasUID, met.FirstUID, met.FinalUID = 0, false, 0, 0
	none := r.TunID != 0 || r.HasUID && r.FirstUID > 0
	if none && r.Invert {
		met.Invert, met.IIF, met.OIF, met.Mark, met.Mask = false, "", "", 0, 0
	}
	if none && !r.Invert || r.Action == RuleGoto && r.Unresolved {
		met.Action = RuleNop
	}
	return met
}

// DecodeRule reads the payload of an RTM_NEWRULE.
func DecodeRule(b []byte) (Rule, error) {
	var r Rule
	if len(b) < sizeFibRuleHdr {
		return r, short("struct fib_rule_hdr", len(b), sizeFibRuleHdr)
	}
	r.Table, r.Action = uint32(b[4]), RuleAction(b[7])
	flags := binary.NativeEndian.Uint32(b[8:])
	r.Invert, r.Unresolved = flags&ruleInvert != 0, flags&ruleUnresolved != 0
	for b = b[sizeFibRuleHdr:]; len(b) > 0; {
		var a Attr
		var err error
		if a, b, err = NextAttr(b); err == nil {
			err = r.attr(a)
		}
		if err != nil {
			return r, err
		}
	}
	return r, nil
}

func (r *Rule) attr(a Attr) (err error) {
	text := func() string {
		name, _, _ := bytes.Cut(a.Payload, []byte{0})
		return string(name)
	}
	switch a.Type {
	case fraIifname:
		r.IIF = text()
	case fraOifname:
		r.OIF = text()
	case fraGoto:
		r.Goto, err = a.u32()
	case fraPriority:
		r.Priority, err = a.u32()
	case fraFwmark:
		r.Mark, err = a.u32()
	case fraFwmask:
		r.Mask, err = a.u32()
	case fraTable:
		r.Table, err = a.u32()
	case fraTunID:
		if len(a.Payload) < 8 {
			return short("FRA_TUN_ID", len(a.Payload), 8)
		}
		r.TunID = binary.BigEndian.Uint64(a.Payload)
	case fraUIDRange:
		if len(a.Payload) < 8 {
			return short("FRA_UID_RANGE", len(a.Payload), 8)
		}
		r.HasUID = true
		r.FirstUID, r.FinalUID = binary.NativeEndian.Uint32(a.Payload), binary.NativeEndian.Uint32(a.Payload[4:])
	case fraL3MDev:
		r.L3MDev = len(a.Payload) > 0 && a.Payload[0] != 0
	case fraProtocol:
		if len(a.Payload) > 0 {
			r.Protocol = a.Payload[0]
		}
	}
	return err
}

// AppendDelRule writes an RTM_DELRULE for one of the rules of a family, FamilyIPMR or
// FamilyIP6MR, that lead to a table and bear the mark of multicast routers,
// RTPROT_MROUTED. The kernel answers ENOENT if there is none. A table of 0 is any.
func AppendDelRule(b []byte, seq uint32, family uint8, table uint32) []byte {
	start := len(b)
	b = appendHeader(b, rtmDelRule, NLMFRequest|NLMFAck, seq)
	b = append(b, family)
	b = appendZeros(b, sizeFibRuleHdr-1)
	b = appendAttr32(b, fraTable, table)
	b = append(appendAttrHeader(b, fraProtocol, 1), RTProtMrouted, 0, 0, 0)
	return finish(b, start)
}
