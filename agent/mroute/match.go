package mroute

import (
	"fmt"
	"net/netip"
)

// Match is what a rule applies to: sources and groups. A zero Source means any
// source. Bits beyond a prefix's length are kept, so that listings show a rule
// as its author wrote it; Contains ignores them.
//
// A Group of length 0 (::/0) is the (*,*) rule, which only a route with a
// [ScopeMask] may have.
type Match struct {
	Source, Group netip.Prefix
}

// MatchSG is the match of one source, or any if sg.Source is zero, and one group.
func MatchSG(sg SG) Match {
	m := Match{Group: netip.PrefixFrom(sg.Group, sg.Group.BitLen())}
	if sg.Source.IsValid() {
		m.Source = netip.PrefixFrom(sg.Source, sg.Source.BitLen())
	}
	return m
}

// Family is that of the group.
func (m Match) Family() Family { return FamilyOf(m.Group.Addr()) }

// IsExact reports whether m is one source and one group, which can be in the
// kernel before any traffic comes. Every other match is a template.
func (m Match) IsExact() bool {
	return m.Source.IsValid() && m.Source.IsSingleIP() && m.Group.IsSingleIP()
}

// SG returns the pair of an exact match, or of a single group the pair (*,G).
func (m Match) SG() SG { return SG{Source: m.Source.Addr(), Group: m.Group.Addr()} }

// Contains reports whether sg falls under m.
func (m Match) Contains(sg SG) bool {
	return m.Group.Contains(sg.Group) && (!m.Source.IsValid() || m.Source.Contains(sg.Source))
}

// String returns "(S, G)" as in listings: * for any, and a length only where it
// is shorter than the address.
func (m Match) String() string {
	return "(" + FormatPrefix(m.Source) + ", " + FormatPrefix(m.Group) + ")"
}

// FormatPrefix returns p without its length if that is the full one, and * if
// p is zero or of length 0.
func FormatPrefix(p netip.Prefix) string { return string(AppendPrefix(nil, p)) }

// AppendPrefix appends what [FormatPrefix] returns to dst.
func AppendPrefix(dst []byte, p netip.Prefix) []byte {
	switch {
	case !p.IsValid(), p.Bits() == 0:
		return append(dst, '*')
	case p.IsSingleIP():
		return p.Addr().AppendTo(dst)
	}
	return p.AppendTo(dst)
}

// ScopeMask limits a (*,*) rule of IPv6 to groups of certain scopes: bit s of
// Bits set means that a group of scope s (RFC 7346: the low nibble of the
// group's second byte) may be forwarded. It is absent unless Set.
type ScopeMask struct {
	Set  bool
	Bits uint16
}

// Allows reports whether group may be forwarded under the mask. An absent mask
// allows every group.
func (s ScopeMask) Allows(group netip.Addr) bool {
	if !s.Set {
		return true
	}
	if !group.Is6() {
		return false
	}
	b := group.As16()
	return s.Bits>>(b[1]&0xf)&1 == 1
}

// String returns "<FFF0>" as in listings, or nothing if the mask is absent.
func (s ScopeMask) String() string {
	if !s.Set {
		return ""
	}
	return fmt.Sprintf("<%04X>", s.Bits)
}
