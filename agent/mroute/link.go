package mroute

import (
	"strconv"
	"strings"
)

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
//
// A pinned one, "eth0/17", names the interface of that name and ifindex, and no
// later one of that name: see [Pinned]. No interface has a "/" in its name, so
// that files and clients, whose names may not have one either, cannot pin.
type IfPattern string

// Pinned returns the pattern for the link of that name and ifindex. If either
// changes it matches no more, so that traffic meant for the link never reaches
// another which got its name or, in another network namespace and back, its
// index. Whoever pins looks the link up again when links change. As an output
// it leaves out the inbound link, like a wildcard: who is behind the link has
// the packet already.
func Pinned(name string, index int) IfPattern {
	return IfPattern(name + "/" + strconv.Itoa(index))
}

// IsWildcard reports whether p ends in "+".
func (p IfPattern) IsWildcard() bool { return strings.HasSuffix(string(p), "+") }

// Pin returns the ifindex of a pinned pattern, and whether p is one.
func (p IfPattern) Pin() (index int, ok bool) {
	i := strings.LastIndexByte(string(p), '/')
	if i < 0 {
		return 0, false
	}
	index, err := strconv.Atoi(string(p[i+1:]))
	if err != nil {
		return -1, true // that no link has
	}
	return index, true
}

// Name is p as listings and messages show it: without a pin.
func (p IfPattern) Name() string {
	if i := strings.LastIndexByte(string(p), '/'); i >= 0 {
		return string(p[:i])
	}
	return string(p)
}

// Matches reports whether p names the interface of that name and ifindex. An
// alias, "eth0:1", stands for its parent.
func (p IfPattern) Matches(name string, index int) bool {
	s := string(p)
	switch {
	case s == name:
		return true
	case p.IsWildcard():
		return strings.HasPrefix(name, s[:len(s)-1])
	case strings.HasPrefix(s, name) && s[len(name)] == '/':
		pin, _ := p.Pin()
		return pin == index && p.Name() == name
	case strings.HasPrefix(s, name) && s[len(name)] == ':':
		return !strings.Contains(s, "/")
	}
	return false
}

// Within reports whether q names every interface that p names.
func (p IfPattern) Within(q IfPattern) bool {
	if p == q {
		return true
	}
	if _, pinned := q.Pin(); pinned {
		return false
	}
	return q.Matches(p.Name(), 0)
}

// Common is what both p and q name; ok is false if that is nothing.
func (p IfPattern) Common(q IfPattern) (both IfPattern, ok bool) {
	switch {
	case p.Within(q):
		return p, true
	case q.Within(p):
		return q, true
	}
	return "", false
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
