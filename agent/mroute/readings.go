package mroute

import "time"

// Readings are what the counters of a router's entries were when they were last
// looked at, by table, so that what they count can be added up: the kernel's begin
// anew when an entry is made anew, and go with it. There may be 100,000: they are
// brought up to date in place, and have no pointers.
type Readings map[uint32]*BySG[reading]

// reading is what an entry's counters were, at a time since whoever reads began.
type reading struct {
	at                    time.Duration
	packets, bytes, wrong uint64
}

// Counted is what an entry has counted.
type Counted struct{ Packets, Bytes, WrongIf uint64 }

// Take brings the reading of an entry up to date at a time, and returns what it has
// counted since the one before; whether it had counted that before this process; and
// whether there is a reading since began.
func (rs Readings) Take(e *EntryView, at, began time.Duration) (more Counted, adopted, again bool) {
	table := rs[e.Table]
	if table == nil {
		table = &BySG[reading]{}
		rs[e.Table] = table
	}
	r := reading{at, e.Counters.Packets, e.Counters.Bytes, e.Counters.WrongIf}
	before, ok := table.Lookup(e.SG)
	adopted, again = e.Adopted && !ok, ok && before.at >= began
	switch {
	case ok && !e.Adopted && at-e.Age > before.at:
		before = reading{} // made after it was read last
	case ok && r.packets == 0 && r.bytes == 0 && r.wrong == 0:
		r = before // what cannot be read shows as zero
		r.at = at
	}
	if !adopted || e.Counters != (Counters{}) { // or else it is read first when it can be
		table.Set(e.SG, r)
	}
	return Counted{since(before.packets, r.packets), since(before.bytes, r.bytes), since(before.wrong, r.wrong)}, adopted, again
}

// Forget drops the readings that were made before a time.
func (rs Readings) Forget(at time.Duration) {
	for n, table := range rs {
		for sg, r := range table.All() {
			if r.at < at {
				table.Delete(sg)
			}
		}
		if table.Shrink(); table.Len() == 0 {
			delete(rs, n)
		}
	}
}

// since is how far a counter came. It began anew if it is less than before: the
// kernel's are of 32 bits on a machine of 32 bits.
func since(before, now uint64) uint64 {
	if now >= before {
		now -= before
	}
	return now
}
