package core

import (
	"net/netip"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// table is what the kernel's table of one family is believed to hold, and the
// flows seen there.
type table struct {
	family mroute.Family
	vifs   plan.VIFs
	cells  mroute.BySG[*cell]
	flows  mroute.BySG[*flow]
	groups map[netip.Addr]*flow // first of the flows of each group
	limits *limits              // of the router
	most   most

	refused map[mroute.SG]error  // why entries could not be set
	blocked map[mroute.SG]error  // why (*,G) entries are not set
	noVIF   map[int]plan.Problem // why links lack a VIF that they need, by ifindex

	noRoom, noRoomLogged string // names of links that found no free VIF

	found
}

// cell is one entry of the forwarding cache. It exists while the kernel holds
// the entry, or may hold it.
//
// There is one for each of what may be very many entries, so it is small: 64
// bytes without a pointer.
type cell struct {
	entry     mroute.Entry
	installed bool          // the kernel confirmed it, or another, once
	unknown   bool          // not confirmed: the kernel may hold this, what was before, or nothing
	adopted   bool          // it was there when the router started
	hidden    bool          // so it was, and not set since: see found
	seq       uint64        // in order of insertion, if it is installed
	since     time.Duration // of insertion, from the router's start
	round     uint64        // of the last comparison, so that none is made twice
}

// names reports whether the kernel's entry may name the VIF.
func (c *cell) names(n mroute.VIF) bool {
	return c.unknown || c.entry.IIF == n || c.entry.OIFs[n] != 0
}

func newTable(f mroute.Family, l *limits) *table {
	return &table{
		family: f,
		limits: l,
		groups: make(map[netip.Addr]*flow),

		refused: make(map[mroute.SG]error),
	}
}
