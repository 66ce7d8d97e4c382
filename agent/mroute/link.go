package mroute

import "strings"

// Link is a network interface of the namespace, as rtnetlink lists it.
type Link struct {
	Index     int    // ifindex, 1 or greater; never given twice while the link lives
	Name      string // up to 15 bytes (IFNAMSIZ)
	Up        bool   // IFF_UP
	Multicast bool   // IFF_MULTICAST; without it a link cannot have a VIF
	Loopback  bool   // IFF_LOOPBACK
}

// IfPattern names one interface, or with one trailing "+" every interface whose
// name begins with what is before it: "eth+". A lone "+" matches all.
type IfPattern string

// IsWildcard reports whether p ends in "+".
func (p IfPattern) IsWildcard() bool { return strings.HasSuffix(string(p), "+") }

// Matches reports whether p names the interface called name. An alias, "eth0:1",
// stands for its parent.
func (p IfPattern) Matches(name string) bool {
	s := string(p)
	if prefix, ok := strings.CutSuffix(s, "+"); ok {
		return strings.HasPrefix(name, prefix)
	}
	if s == name {
		return true
	}
	parent, _, ok := strings.Cut(s, ":")
	return ok && parent == name
}

// VIF is the number of an interface in a kernel multicast routing table, 0 to
// [MaxVIFs]-1. IPv6 calls it MIF.
type VIF uint16

// MaxVIFs is the size of a table (MAXVIFS of mroute.h, MAXMIFS of mroute6.h).
const MaxVIFs = 32

// NoVIF stands for "none" where a VIF may be absent.
const NoVIF VIF = 0xffff

// Threshold is a TTL threshold, 1 to 255: a packet leaves only if its TTL is
// greater. 0 means that the interface is no output (OIF) at all.
type Threshold uint8

// OIFs are the outputs of an entry, by VIF. It is comparable: a difference is !=.
type OIFs [MaxVIFs]Threshold

// Empty reports whether there is no output.
func (o *OIFs) Empty() bool { return *o == OIFs{} }
