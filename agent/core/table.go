package core

import (
	"iter"
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
	flows  map[mroute.SG]*flow
	groups map[netip.Addr]*flow // first of the flows of each group

	refused map[mroute.SG]error  // why entries could not be set
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

// flow is where packets of an (S,G) that no exact rule claims arrive.
type flow struct {
	sg         mroute.SG
	prev, next *flow // of the same group
	ifindex    int
	news       bool // not yet reported in a FlowsChanged
	moved      bool // the entry was somewhere else before
	apart      bool // it keeps an entry of its own beside a (*,G) one
	noted      bool // count and notedAt are set
	count      uint64
	notedAt    time.Time
}

func newTable(f mroute.Family) *table {
	return &table{
		family: f,
		flows:  make(map[mroute.SG]*flow),
		groups: make(map[netip.Addr]*flow),

		refused: make(map[mroute.SG]error),
	}
}

// addFlow notes a flow, or where it has moved to.
func (t *table) addFlow(sg mroute.SG, ifindex int) {
	t.dropFlow(sg)
	f := &flow{sg: sg, ifindex: ifindex, news: true, next: t.groups[sg.Group]}
	if f.next != nil {
		f.next.prev = f
	}
	t.groups[sg.Group] = f
	t.flows[sg] = f
}

func (t *table) dropFlow(sg mroute.SG) {
	f := t.flows[sg]
	if f == nil {
		return
	}
	delete(t.flows, sg)
	if f.next != nil {
		f.next.prev = f.prev
	}
	switch {
	case f.prev != nil:
		f.prev.next = f.next
	case f.next != nil:
		t.groups[sg.Group] = f.next
	default:
		delete(t.groups, sg.Group)
	}
}

// flowsOf goes over the flows of a group.
func (t *table) flowsOf(group netip.Addr) iter.Seq[mroute.SG] {
	return func(yield func(mroute.SG) bool) {
		for f := t.groups[group]; f != nil && yield(f.sg); f = f.next {
		}
	}
}

// arrival is the ifindex on which packets of sg are known to arrive, or 0.
func (t *table) arrival(sg mroute.SG) int {
	if f := t.flows[sg]; f != nil {
		return f.ifindex
	}
	return 0
}
