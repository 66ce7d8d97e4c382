package mroute

// Cause is why something that is wanted is not in the kernel.
type Cause uint8

// The causes. The zero Cause is none.
const (
	CauseNoInterface  Cause = iota + 1 // an interface is missing; it is waited for
	CauseNotMulticast                  // an interface lacks IFF_MULTICAST
	CauseVIFTableFull                  // all VIFs of the table are taken
	CauseTableInUse                    // another process owns the table
	CauseNotSupported                  // the kernel lacks the feature
	CausePermission                    // CAP_NET_ADMIN or CAP_NET_RAW is missing
	CauseKernel                        // the kernel refused a call; it is tried again
	CauseInProgress                    // many memberships are being joined: the rest follows
	CauseLimit                         // more memberships are asked for than a router takes
	CauseNoMatch                       // a wildcard output matches no interface, which is all that lacks
	CauseFlowLimit                     // as many flows are learned as may be: idle ones make room, others are refused
	CauseDiverted                      // a rule of somebody else leads packets to another table, or drops them
)

var causeNames = [...]string{
	CauseNoInterface:  "no_interface",
	CauseNotMulticast: "not_multicast",
	CauseVIFTableFull: "vif_table_full",
	CauseTableInUse:   "table_in_use",
	CauseNotSupported: "not_supported",
	CausePermission:   "permission",
	CauseKernel:       "kernel",
	CauseInProgress:   "in_progress",
	CauseLimit:        "limit",
	CauseNoMatch:      "no_match",
	CauseFlowLimit:    "flow_limit",
	CauseDiverted:     "diverted",
}

// String returns c as a word for labels of metrics and fields of documents, like
// "no_interface", and "" for none.
func (c Cause) String() string {
	if int(c) < len(causeNames) {
		return causeNames[c]
	}
	return "unknown"
}

// Causes are all but none.
func Causes() []Cause {
	all := make([]Cause, 0, len(causeNames)-1)
	for c := CauseNoInterface; int(c) < len(causeNames); c++ {
		all = append(all, c)
	}
	return all
}
