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

// Count takes the routers' counters. Objects that are not among the given ones
// are forgotten, and so are routers, but for those that did not answer.
func (l *Ledger) Count(objects []translate.Object, routers map[translate.Router]mroute.RouterState) {
	old := l.accounts
	l.accounts = make(map[string]*account, len(objects))
	byRef := make(map[string]*account, len(objects))
	flows := make(map[*account]int64, len(objects))
	for i := range objects {
		o := &objects[i]
		if o.Kind != translate.RouteKind {
			continue
		}
		a := old[key(o)]
		if a == nil {
			a = &account{}
		}
		l.accounts[key(o)], byRef[o.Ref()] = a, a
		flows[a] = 0
	}
	last := l.last
	l.last = make(map[translate.Router]readings, len(routers))
	whole := true
	for at, r := range routers {
		if r.Snapshot == nil {
			l.last[at] = last[at]
			whole = false
			continue
		}
		if l.epoch.IsZero() {
			l.epoch = r.Snapshot.Time
		}
		if l.last[at] = last[at]; l.last[at] == nil {
			l.last[at] = readings{}
		}
		l.last[at].count(r.Snapshot, r.Snapshot.Time.Sub(l.epoch), byRef, flows)
	}
	for a, n := range flows {
		if n != a.flows && (whole || n > 0) {
			a.flows = n
			a.change(latest(routers))
		}
	}
}

// count adds what the entries of a snapshot counted since the readings, and brings
// those up to date.
func (rs readings) count(snap *mroute.Snapshot, at time.Duration, accounts map[string]*account, flows map[*account]int64) {
	covering := refs{}
	for i := range snap.Entries {
		e := &snap.Entries[i]
		table := rs[e.Table]
		if table == nil {
			table = &mroute.BySG[reading]{}
			rs[e.Table] = table
		}
		r := reading{at, e.Counters.Packets, e.Counters.Bytes, e.Counters.WrongIf}
		before, ok := table.Lookup(e.SG)
		first := e.Adopted && !ok
		switch {
		case ok && !e.Adopted && at-e.Age > before.at:
			before = reading{} // made after it was read last
		case ok && r.packets == 0 && r.bytes == 0 && r.wrong == 0:
			r = before // what cannot be read shows as zero
			r.at = at
		}
		if !first || e.Counters != (mroute.Counters{}) { // or else it is read first when it can be
			table.Set(e.SG, r)
		}
		more := tally{since(before.packets, r.packets), since(before.bytes, r.bytes), since(before.wrong, r.wrong)}
		for _, ref := range covering.of(e.Origins) {
			a := accounts[ref]
			if a == nil {
				continue
			}
			flows[a]++
			if more == (tally{}) {
				continue
			}
			t, before := &a.counted, a.total()
			if first {
				t = &a.adopted
			}
			if *t = t.plus(more); a.total() != before {
				a.change(snap.Time)
			}
		}
	}
	rs.forget(at)
}

// forget drops the readings that are older.
func (rs readings) forget(at time.Duration) {
	for n, table := range rs {
		for sg, r := range table.All() {
			if r.at != at {
				table.Delete(sg)
			}
		}
		if table.Shrink(); table.Len() == 0 {
			delete(rs, n)
		}
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

// latest is the time of the newest snapshot.
func latest(routers map[translate.Router]mroute.RouterState) (t time.Time) {
	for _, r := range routers {
		if r.Snapshot != nil && r.Snapshot.Time.After(t) {
			t = r.Snapshot.Time
		}
	}
	return t
}
