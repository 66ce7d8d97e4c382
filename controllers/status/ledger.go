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
	last     map[translate.Router]mroute.Readings
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

// tallyOf is a count as the API has it.
func tallyOf(c mroute.Counted) tally {
	whole := func(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
	return tally{whole(c.Packets), whole(c.Bytes), whole(c.WrongIf)}
}

func (t tally) plus(o tally) tally {
	return tally{add(t.packets, o.packets), add(t.bytes, o.bytes), add(t.wrong, o.wrong)}
}

// total is what the account has in all.
func (a *account) total() tally {
	l, d := &a.loaded, &a.adopted
	return tally{max(l.packets, d.packets), max(l.bytes, d.bytes), max(l.wrong, d.wrong)}.plus(a.counted)
}

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

// add is a sum of two numbers that are not negative.
func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
