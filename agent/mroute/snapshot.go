package mroute

import (
	"net/netip"
	"time"
)

// Snapshot is the state of a router at one moment, resolved to interface names:
// what listings, metrics and status reports are made from. It is immutable.
type Snapshot struct {
	Time    time.Time
	Rules   []RuleView  // one for each inbound link of a rule, in order of insertion
	Entries []EntryView // the forwarding cache, in order of insertion
	Groups  []GroupView // memberships as configured
	Joined  []GroupView // every single membership that the kernel holds
	Links   []LinkView  // all links of the namespace, by index
	Pending []PendingView
	Foreign []EntryView // what another program has left in the kernel, by (S,G)
	Tables  []uint32    // tables in use beside the router's own, for links that have no room there; ascending
	VIFs    int         // how many VIFs, or MIFs, the table has that has most of them; 0 to [MaxVIFs]
	Flows   FlowCounts  // of the router as a whole
	Limits  []LimitView // one for each rule with a MaxFlows, in order
	Sizes   Sizes
}

// RuleView is a rule on one inbound link.
type RuleView struct {
	Row      int // of the rule among all: those of several tables are listed in this order
	Match    Match
	Scopes   ScopeMask
	Except   []netip.Prefix
	IIF      string
	OIFs     []string      // in order of VIF
	Counters Counters      // of the entry with this very (S,G) or (*,G); zero if there is none
	Age      time.Duration // of that entry; zero if there is none
	Origin   Origin
}

// EntryView is an entry of the forwarding cache.
type EntryView struct {
	SG       SG
	Kind     EntryKind
	IIF      string
	OIFs     []string // in order of VIF
	Counters Counters
	Age      time.Duration // since this daemon installed it, or found it
	Refused  bool          // a stop filter for a flow that would be learned if there was room
	Adopted  bool          // the process before this one left it, and its Counters
	Table    uint32        // which table it is in, if that is one of [Snapshot.Tables]; else 0. Each may have one for SG

	// Origins are those of the rules that cover the flow on IIF, and so make it
	// leave through OIFs: of the exact ones if there are any, else of the
	// templates that decide. Their packets and bytes are the entry's. A stop
	// filter has none, unless a rule without outputs made it. They are there only
	// if the snapshot has counters. The slice may be shared with other entries.
	Origins []Origin
}

// Visit is given entries, some at a time, and of when they are. It must not keep the
// slice, nor their Origins.
type Visit func(now time.Time, entries []EntryView)

// GroupView is a membership. In [Snapshot.Joined] If is the link's name.
type GroupView struct {
	Match Match
	If    string
}

// LinkView is a link and its numbers in a table of each family: in that by which
// packets go that arrive on it, or else, if it is an output only, in the first
// that has it.
type LinkView struct {
	Link
	VIF, MIF VIF    // NoVIF if none
	Table    uint32 // which table that is, if it is one of [Snapshot.Tables]; else 0
}

// PendingKind is the directive that a pending line was written with.
type PendingKind string

// The kinds of pending lines.
const (
	PendingRoute PendingKind = "mroute"
	PendingGroup PendingKind = "mgroup"
)

// PendingView is a rule or membership line that is not wholly in the kernel as
// it was asked for, whatever the cause. What can be had of it is there: a rule
// that lacks one of its outputs forwards to the others.
type PendingView struct {
	Kind   PendingKind
	From   IfPattern
	Match  Match
	Scopes ScopeMask
	Except []netip.Prefix
	To     []IfPattern
	Cause  Cause    // of the first thing that Reason names
	Reason string   // what is missing or was refused, as a sentence
	MRules []uint32 // of CauseDiverted: priorities of the rules of the kernel ("ip mrule") that Reason names
	Origin Origin
}
