package translate

import "net/netip"

// span is a range of groups. Objects whose spans do not meet have no (S,G) in common.
type span struct{ first, last netip.Addr }

// add adds the groups of a prefix.
func (s *span) add(p netip.Prefix) {
	first, last := p.Masked().Addr(), lastOf(p)
	if !s.first.IsValid() || first.Less(s.first) {
		s.first = first
	}
	if !s.last.IsValid() || s.last.Less(last) {
		s.last = last
	}
}

// lastOf is the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := range b {
		host := min(max(8*(i+1)-p.Bits(), 0), 8)
		b[i] |= 1<<host - 1
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}

// meets reports whether a group is in both.
func (s span) meets(o span) bool {
	return s.first.IsValid() && o.first.IsValid() && !s.last.Less(o.first) && !o.last.Less(s.first)
}
