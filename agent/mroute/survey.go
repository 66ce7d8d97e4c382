package mroute

import (
	"net/netip"
	"time"
)

// Survey says what to go over in a router. Of what may be very much some is given at a
// time, so that it is never there all together: the functions must not keep the slices,
// nor what these point to. Rules come before entries.
//
// What else there is comes as a [Snapshot] at the end, of that moment: what is pending
// if rules were asked for, entries of other programs if entries were.
type Survey struct {
	About About

	Rules   func(now time.Time, rules []RuleView) // nil: none
	Entries Visit                                 // nil: none

	// Whole asks for all that a snapshot has: the counters of rules, and entries in
	// order of insertion.
	Whole bool

	Plain bool // without counters and origins
}

// About are the flows that somebody asks about. The zero value is all.
type About struct {
	Source, Group netip.Prefix // the zero Prefix: any
}

// IsZero reports whether a is all flows.
func (a About) IsZero() bool { return a == About{} }

// Takes reports whether something is about one of them.
func (a About) Takes(m Match) bool { return meet(a.Group, m.Group) && meet(a.Source, m.Source) }

// TakesSG is Takes for one flow.
func (a About) TakesSG(sg SG) bool { return a.IsZero() || a.Takes(MatchSG(sg)) }

// meet reports whether both have an address in common. A prefix of length 0 has one with
// all of both families, as [Match] says of groups.
func meet(want, got netip.Prefix) bool {
	return !want.IsValid() || !got.IsValid() || got.Bits() == 0 || want.Overlaps(got)
}

// Sizes are how much there is in all, whatever was asked about.
type Sizes struct {
	Rules   int // as they were written, whatever interfaces there are
	Entries int // of the forwarding cache, those of other programs included
}
