package core

import (
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// table is what the kernel's table of one family is believed to hold, and the
// flows seen there.
type table struct {
	family mroute.Family
	vifs   plan.VIFs
	cells  map[mroute.SG]*cell
	flows  map[mroute.SG]*flow
	groups map[groupKey]map[mroute.SG]struct{} // flows by group

	noRoom, noRoomLogged string // names of links that found no free VIF
}

type groupKey = mroute.SG // with a zero Source

// cell is one entry of the forwarding cache. It exists while the kernel holds
// the entry, or may hold it.
type cell struct {
	entry   mroute.Entry
	seq     uint64
	since   time.Time
	unknown bool // not confirmed: the kernel may hold this, what was before, or nothing
	round   uint // of the last comparison, so that none is made twice
}

// installed reports whether the kernel ever confirmed the entry.
func (c *cell) installed() bool { return !c.since.IsZero() }

// names reports whether the kernel's entry may name the VIF.
func (c *cell) names(n mroute.VIF) bool {
	return c.unknown || c.entry.IIF == n || c.entry.OIFs[n] != 0
}

// flow is where packets of an (S,G) that no exact rule claims arrive.
type flow struct {
	ifindex int
	news    bool // not yet reported in a FlowsChanged
	moved   bool // the entry was somewhere else before
	noted   bool // count and notedAt are set
	count   uint64
	notedAt time.Time
}

func newTable(f mroute.Family) *table {
	return &table{
		family: f,
		cells:  make(map[mroute.SG]*cell),
		flows:  make(map[mroute.SG]*flow),
		groups: make(map[groupKey]map[mroute.SG]struct{}),
	}
}

func (t *table) addFlow(sg mroute.SG, ifindex int) {
	t.flows[sg] = &flow{ifindex: ifindex, news: true}
	k := groupKey{Group: sg.Group}
	if t.groups[k] == nil {
		t.groups[k] = make(map[mroute.SG]struct{}, 1)
	}
	t.groups[k][sg] = struct{}{}
}

func (t *table) dropFlow(sg mroute.SG) {
	delete(t.flows, sg)
	k := groupKey{Group: sg.Group}
	delete(t.groups[k], sg)
	if len(t.groups[k]) == 0 {
		delete(t.groups, k)
	}
}

// arrival is the ifindex on which packets of sg are known to arrive, or 0.
func (t *table) arrival(sg mroute.SG) int {
	if f := t.flows[sg]; f != nil {
		return f.ifindex
	}
	return 0
}
