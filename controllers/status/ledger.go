package status

import (
	"math"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// Ledger adds up what the kernel counted for each route. Kernel counters begin
// anew when an entry is made anew; those of the ledger never go backwards while
// the object selects the node, and with [Ledger.Load] not even when the agent
// starts anew.
//
// An agent that adopts entries finds counters which the one before it has
// reported already, but for the last of it. So of what was loaded and what the
// adopted entries had counted when they were first seen, the greater counts.
//
// An entry that several routes cover counts for each of them. The zero Ledger is
// empty.
type Ledger struct {
	accounts map[string]*account // by UID
	last     map[translate.Router]readings
	epoch    time.Time // which times of readings count from: of the first snapshot
	loaded   bool
}

// account is that of one object.
type account struct {
	loaded  tally     // what an earlier agent reported
	adopted tally     // what entries had counted before this one
	counted tally     // what they counted since
	flows   int64     // now
	changed time.Time // zero: never
}

// tally is what was counted. None of it is negative.
type tally struct{ packets, bytes, wrong int64 }

func (t tally) plus(o tally) tally {
	return tally{add(t.packets, o.packets), add(t.bytes, o.bytes), add(t.wrong, o.wrong)}
}

// total is what the account has in all.
func (a *account) total() tally {
	l, d := &a.loaded, &a.adopted
	return tally{max(l.packets, d.packets), max(l.bytes, d.bytes), max(l.wrong, d.wrong)}.plus(a.counted)
}

// reading is what an entry's counters were.
type reading struct {
	at                    time.Duration // since the ledger's epoch
	packets, bytes, wrong uint64
}

// readings are those of a router's entries, by table. There may be 100,000: they
// are brought up to date in place, and have no pointers.
type readings map[uint32]*mroute.BySG[reading]

// Load adds what an earlier agent of this node reported. Only the first call
// does.
func (l *Ledger) Load(earlier *v1alpha1.MulticastNodeStateStatus) {
	if l.loaded {
		return
	}
	l.loaded = true
	for i := range earlier.Routes {
		o := &earlier.Routes[i]
		if o.UID == "" || o.Counters == nil {
			continue
		}
		a := l.account(o.UID)
		a.loaded = a.loaded.plus(tally{max(0, o.Counters.Packets), max(0, o.Counters.Bytes), max(0, o.Counters.WrongInterface)})
		if t := o.Counters.LastUpdateTime; t != nil && t.After(a.changed) {
			a.changed = t.Time
		}
	}
}

func (l *Ledger) account(uid string) *account {
	a := l.accounts[uid]
	if a == nil {
		a = &account{}
		if l.accounts == nil {
			l.accounts = map[string]*account{}
		}
		l.accounts[uid] = a
	}
	return a
}

// Counters are those of a route.
func (l *Ledger) Counters(o *translate.Object) *v1alpha1.Counters {
	a := l.accounts[key(o)]
	if a == nil {
		return &v1alpha1.Counters{}
	}
	t := a.total()
	c := &v1alpha1.Counters{Packets: t.packets, Bytes: t.bytes, WrongInterface: t.wrong, Flows: a.flows}
	if !a.changed.IsZero() {
		c.LastUpdateTime = &metav1.Time{Time: seconds(a.changed)}
	}
	return c
}

// key tells an object from all others, and from later ones of its name.
func key(o *translate.Object) string {
	if o.UID == "" {
		return o.Ref()
	}
	return o.UID
}

// take brings the reading of an entry up to date at a time, and returns what it has
// counted since the one before; whether it had counted that before this process; and
// whether there is a reading since began.
func (rs readings) take(e *mroute.EntryView, at, began time.Duration) (more tally, adopted, again bool) {
	table := rs[e.Table]
	if table == nil {
		table = &mroute.BySG[reading]{}
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
	if !adopted || e.Counters != (mroute.Counters{}) { // or else it is read first when it can be
		table.Set(e.SG, r)
	}
	return tally{since(before.packets, r.packets), since(before.bytes, r.bytes), since(before.wrong, r.wrong)}, adopted, again
}

// forget drops the readings that were made before a time.
func (rs readings) forget(at time.Duration) {
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

// count adds what an entry has counted.
func (a *account) count(more tally, adopted bool, now time.Time) {
	if more == (tally{}) {
		return
	}
	t, before := &a.counted, a.total()
	if adopted {
		t = &a.adopted
	}
	if *t = t.plus(more); a.total() != before {
		a.change(now)
	}
}

func (a *account) change(at time.Time) {
	if at.After(a.changed) {
		a.changed = at
	}
}

// since is how far a counter came. It began anew if it is less than before: the
// kernel's are of 32 bits on a machine of 32 bits.
func since(before, now uint64) int64 {
	if now >= before {
		now -= before
	}
	return int64(min(now, math.MaxInt64))
}

// add is a sum of two numbers that are not negative.
func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
