package mroute

import (
	"net/netip"
)

// Family is an address family. Both families go through the same code; where
// they differ in what the kernel offers, a method of Family says so.
type Family uint8

// The two families, numbered like their IP versions.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

// Families lists both, in the order in which the agent goes through them.
var Families = [...]Family{IPv4, IPv6}

// FamilyOf returns the family of a. The zero Addr has none: 0.
func FamilyOf(a netip.Addr) Family {
	switch {
	case a.Is4():
		return IPv4
	case a.Is6():
		return IPv6
	}
	return 0
}

// String returns "IPv4" or "IPv6".
func (f Family) String() string {
	switch f {
	case IPv4:
		return "IPv4"
	case IPv6:
		return "IPv6"
	}
	return "unknown family"
}

// Bits is the length of an address: 32 or 128.
func (f Family) Bits() int {
	if f == IPv4 {
		return 32
	}
	return 128
}

// HasThresholds reports whether the kernel keeps a TTL threshold for each
// output. IPv6's struct mf6cctl has an interface set instead.
func (f Family) HasThresholds() bool { return f == IPv4 }

// Multicast is the prefix of all multicast groups: 224.0.0.0/4 (RFC 5771) or
// ff00::/8 (RFC 4291, section 2.7).
func (f Family) Multicast() netip.Prefix {
	if f == IPv4 {
		return multicast4
	}
	return multicast6
}

// Unspecified is 0.0.0.0 or ::, which the kernel takes for "any source".
func (f Family) Unspecified() netip.Addr {
	if f == IPv4 {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

var (
	multicast4 = netip.MustParsePrefix("224.0.0.0/4")
	multicast6 = netip.MustParsePrefix("ff00::/8")
)

// SG is a source and a group, the key of the kernel's multicast forwarding
// cache. A zero Source means any source, (*,G).
type SG struct {
	Source, Group netip.Addr
}

// Family is that of the group.
func (sg SG) Family() Family { return FamilyOf(sg.Group) }

// Compare orders by group, then by source.
func (sg SG) Compare(other SG) int {
	if c := sg.Group.Compare(other.Group); c != 0 {
		return c
	}
	return sg.Source.Compare(other.Source)
}

// CompareBySource orders by source, then by group.
func (sg SG) CompareBySource(other SG) int {
	if c := sg.Source.Compare(other.Source); c != 0 {
		return c
	}
	return sg.Group.Compare(other.Group)
}

// String returns "(S, G)" as in listings, with * for any source.
func (sg SG) String() string {
	return "(" + star(sg.Source) + ", " + sg.Group.String() + ")"
}

func star(a netip.Addr) string {
	if !a.IsValid() {
		return "*"
	}
	return a.String()
}
