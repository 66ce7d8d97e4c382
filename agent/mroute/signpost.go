package mroute

import "slices"

// Signpost says what becomes of packets, by rules of the kernel ("ip mrule") that are
// not the router's own.
type Signpost struct {
	Family   Family
	Link     string // it is for packets that arrive there; "": for all
	Away     string // why these do not come to the router, for the end of a sentence; "": they do, or some may
	Ruled    bool   // they would, if it were not for a rule
	Priority uint32 // of that rule
}

// Signposts are in the order in which packets meet them. The first that is for a
// packet decides; if none is it comes to the router.
type Signposts []Signpost

// At is what becomes of packets that arrive on a link.
func (ss Signposts) At(f Family, link string) Signpost {
	for _, s := range ss {
		if s.Family == f && (s.Link == "" || s.Link == link) {
			return s
		}
	}
	return Signpost{Family: f}
}

// Any reports whether packets of any link may be led away.
func (ss Signposts) Any() bool {
	return slices.ContainsFunc(ss, func(s Signpost) bool { return s.Away != "" })
}
