package uapi

// Rules that lead packets to tables (linux/rtnetlink.h, linux/fib_rules.h).
const (
	rtmDelRule  = 33 // RTM_DELRULE
	fraTable    = 15 // FRA_TABLE
	fraProtocol = 21 // FRA_PROTOCOL

	sizeFibRuleHdr = 12 // struct fib_rule_hdr
)

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
