package page

import (
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/view"
)

// history is what the entries of a router had counted when they were looked at last. It
// is brought up to date in place, by one reading at a time, since there may be 100,000.
// The interface that an entry comes in by is no part of which one it is, and may change.
type history struct {
	epoch time.Time
	turn  uint32 // number of the reading under way
	of    map[which]*mroute.BySG[counted]
}

// which are the entries of a kernel's table, of this program or of another.
type which struct {
	table   uint32
	foreign bool
}

// counted is what an entry had counted, in a turn and at a time since the epoch.
type counted struct {
	packets, bytes, wrong uint64
	at                    time.Duration
	turn                  uint32
}

// rate is what an entry carries a second, if there was a reading before, in which
// it was already there.
type rate struct {
	known                 bool
	packets, bytes, wrong float32 // packets are those of wrong interfaces, too
}

// bits are those of packets that came by the right interface. The kernel has the
// bytes of all in one: those of a wrong one are taken to be like the others.
func (r rate) bits() float64 {
	if r.packets == 0 {
		return 0
	}
	return 8 * float64(r.bytes) * float64(r.packets-r.wrong) / float64(r.packets)
}

// begin begins a reading.
func (h *history) begin(now time.Time) {
	if h.of == nil {
		h.epoch, h.of = now, map[which]*mroute.BySG[counted]{}
	}
	h.turn++
}

// rate notes what an entry has counted at a time, and compares it with the reading before.
func (h *history) rate(now time.Time, e *view.Flow, foreign bool) (r rate) {
	in := which{e.Table, foreign}
	all := h.of[in]
	if all == nil {
		all = &mroute.BySG[counted]{}
		h.of[in] = all
	}
	sg := mroute.SG{Source: e.Source.Addr(), Group: e.Group.Addr()}
	is := counted{e.Packets, e.Bytes, e.WrongIf, now.Sub(h.epoch), h.turn}
	was, ok := all.Lookup(sg)
	all.Set(sg, is)
	time := (is.at - was.at).Seconds()
	if !ok || time <= 0 || is.packets < was.packets || is.bytes < was.bytes || is.wrong < was.wrong { // it is another one
		return rate{}
	}
	each := func(is, was uint64) float32 { return float32(float64(is-was) / time) }
	return rate{true, each(is.packets, was.packets), each(is.bytes, was.bytes), each(is.wrong, was.wrong)}
}

// end forgets the entries that the reading did not find.
func (h *history) end() {
	for in, all := range h.of {
		for sg, c := range all.All() {
			if c.turn != h.turn {
				all.Delete(sg)
			}
		}
		if all.Shrink(); all.Len() == 0 {
			delete(h.of, in)
		}
	}
}
