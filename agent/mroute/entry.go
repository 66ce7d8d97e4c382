package mroute

import "time"

// EntryKind says why an entry is in the forwarding cache.
type EntryKind uint8

const (
	// Static entries come from an exact (S,G) rule. That of a (*,G), without a
	// source, comes from a rule that forwards natively; its IIF is among its OIFs.
	Static EntryKind = iota
	// Learned entries were made for a flow that a template covers.
	Learned
	// StopFilter entries have no output; they keep the kernel from asking
	// again about a flow that no rule covers.
	StopFilter
)

// String returns "static", "learned" or "stop-filter".
func (k EntryKind) String() string {
	switch k {
	case Static:
		return "static"
	case Learned:
		return "learned"
	case StopFilter:
		return "stop-filter"
	}
	return "unknown kind"
}

// Entry is what the forwarding cache holds for an (S,G).
type Entry struct {
	IIF  VIF  // where packets must arrive
	OIFs OIFs // where copies leave
	Kind EntryKind
}

// Forwards reports whether e and other treat packets alike. Kind does not
// matter to the kernel.
func (e Entry) Forwards(other Entry) bool { return e.IIF == other.IIF && e.OIFs == other.OIFs }

// UpcallKind is the type of a message from the kernel to the table's owner.
type UpcallKind uint8

// Upcalls, numbered like IGMPMSG_* of mroute.h and MRT6MSG_* of mroute6.h.
const (
	NoCache    UpcallKind = 1 // no entry for this (S,G)
	WrongVIF   UpcallKind = 2 // arrived on another interface than the entry's IIF
	WholePkt   UpcallKind = 3 // PIM register
	WrVIFWhole UpcallKind = 4 // wrong interface, with the whole packet; IPv4 only
)

// Upcall is a question of the kernel about a packet of SG that arrived on VIF.
type Upcall struct {
	Kind UpcallKind
	SG   SG
	VIF  VIF
}

// Counters are the kernel's counts of one entry.
type Counters struct {
	Packets, Bytes uint64
	WrongIf        uint64        // packets that arrived on another interface than the IIF; part of Packets
	Idle           time.Duration // time since the entry was last used; -1 if unknown
}
