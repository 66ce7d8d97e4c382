package mroute

import "slices"

// Signpost is a rule of the kernel ("ip mrule") that is not the router's own, as
// far as it is about where packets arrive.
type Signpost struct {
	Family Family
	Link   string // it is for packets that arrive there; "": for all
	Away   string // why these do not come to the router, for the end of a sentence; "": they do, or some may
}

// Signposts are in the order in which packets meet them. The first that is for a
// packet decides; if none is it comes to the router.
type Signposts []Signpost

// Away is why packets that arrive on a link do not come to the router, or "".
func (ss Signposts) Away(f Family, link string) string {
	for _, s := range ss {
		if s.Family == f && (s.Link == "" || s.Link == link) {
			return s.Away
		}
	}
	return ""
}

// Any reports whether packets of any link may be led away.
func (ss Signposts) Any() bool {
	return slices.ContainsFunc(ss, func(s Signpost) bool { return s.Away != "" })
}
