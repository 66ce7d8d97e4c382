package sim

import (
	"net/netip"
	"slices"
	"time"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// table is a multicast routing table of one family (struct mr_table).
type table struct {
	family mroute.Family
	id     uint32
	owner  *Kernel // whose socket did MRT_INIT; nil: none
	vifs   [mroute.MaxVIFs]vif
	mfc    map[mroute.SG]*entry   // by keyOf
	queue  map[mroute.SG]*waiting // packets that wait for an entry, by keyOf

	recorded bool        // as a kept program's, but for the entries foreign
	foreign  []mroute.SG // see keep.Records
}

// vif is a slot of the VIF table; link 0 means that it is free.
type vif struct {
	link   int
	static bool // added by another program than the owner: survives it
}

// entry is an entry of the forwarding cache. Its oifs may have bits of VIFs
// that are gone; a new VIF of that number inherits them.
type entry struct {
	mroute.Entry
	static                  bool
	packets, bytes, wrongIf uint64
	used                    time.Time
	asserted                time.Time // last WRONGVIF; zero: never
}

// keyOf is how the kernel knows an entry: 0.0.0.0 and :: are any source.
func keyOf(sg mroute.SG) mroute.SG {
	if sg.Source.IsUnspecified() {
		sg.Source = netip.Addr{}
	}
	return sg
}

// waiting are the packets of a flow without an entry.
type waiting struct {
	packets []packet
	until   time.Time
}

func newTable(f mroute.Family, id uint32) *table {
	return &table{family: f, id: id, mfc: map[mroute.SG]*entry{}, queue: map[mroute.SG]*waiting{}}
}

func (t *table) clone() *table {
	c := *t
	c.owner = nil // the caller knows the copy of the owner
	c.foreign = slices.Clone(t.foreign)
	c.mfc = make(map[mroute.SG]*entry, len(t.mfc))
	for sg, e := range t.mfc {
		twin := *e
		c.mfc[sg] = &twin
	}
	c.queue = make(map[mroute.SG]*waiting, len(t.queue))
	for sg, w := range t.queue {
		c.queue[sg] = &waiting{packets: append([]packet(nil), w.packets...), until: w.until}
	}
	return &c
}

// of returns the number of a link's VIF. If it has several the kernel takes
// the highest (ipmr_find_vif).
func (t *table) of(link int) mroute.VIF {
	for v := len(t.vifs) - 1; v >= 0; v-- {
		if t.vifs[v].link == link {
			return mroute.VIF(v)
		}
	}
	return mroute.NoVIF
}

// has reports whether VIF v exists.
func (t *table) has(v mroute.VIF) bool { return v < mroute.MaxVIFs && t.vifs[v].link != 0 }

// outputs returns what the kernel keeps of the outputs that it is given: those
// whose VIF exists. IPv6 keeps a set (mf6cctl.mf6cc_ifset), shown as threshold
// 1. In IPv4 a threshold of 255 is no output.
func (t *table) outputs(o mroute.OIFs) mroute.OIFs {
	for v, threshold := range o {
		switch {
		case threshold == 0:
		case !t.has(mroute.VIF(v)):
			o[v] = 0
		case !t.family.HasThresholds():
			o[v] = 1
		case threshold == 255:
			o[v] = 0
		}
	}
	return o
}

// flush removes what the owner added. Waiting packets are dropped.
func (t *table) flush() {
	for v := range t.vifs {
		if !t.vifs[v].static {
			t.vifs[v] = vif{}
		}
	}
	for sg, e := range t.mfc {
		if !e.static {
			delete(t.mfc, sg)
		}
	}
	clear(t.queue)
}

// expire drops packets that have waited too long for their entry.
func (t *table) expire(now time.Time) {
	for sg, w := range t.queue {
		if !now.Before(w.until) {
			delete(t.queue, sg)
		}
	}
}

// dump is what the kernel tells of the table.
func (t *table) dump() kernel.Dump {
	d := kernel.Dump{VIFs: map[mroute.VIF]int{}, Entries: make(map[mroute.SG]mroute.Entry, len(t.mfc))}
	for v := range t.vifs {
		if t.vifs[v].link != 0 {
			d.VIFs[mroute.VIF(v)] = t.vifs[v].link
		}
	}
	for sg, e := range t.mfc {
		seen := mroute.Entry{IIF: e.IIF, OIFs: e.OIFs}
		if !t.has(e.IIF) {
			seen.IIF = mroute.NoVIF
		}
		for v := range seen.OIFs {
			if !t.has(mroute.VIF(v)) {
				seen.OIFs[v] = 0
			}
		}
		d.Entries[sg] = seen
	}
	return d
}
