package status

import (
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// Round makes a report. It is given the entries of all routers, some at a time, since
// there may be 100,000 of them and little of each is kept, and then how the routers are.
type Round struct {
	o        Options
	objects  []translate.Object
	ledger   *Ledger
	accounts map[string]*account // of the objects, by Ref
	flows    map[*account]int64
	busiest  map[string][]mroute.EntryView // of each object, by Ref; nil: not asked for
	began    map[translate.Router]time.Duration
	entries  int
}

// NewRound begins a report on these objects, with a ledger that it brings up to date.
// There must not be two rounds of one ledger at a time.
func NewRound(objects []translate.Object, ledger *Ledger, o Options) *Round {
	r := &Round{
		o: o, objects: objects, ledger: ledger,
		accounts: make(map[string]*account, len(objects)),
		flows:    make(map[*account]int64, len(objects)),
		began:    map[translate.Router]time.Duration{},
	}
	if o.Flows {
		r.busiest = map[string][]mroute.EntryView{}
	}
	old := ledger.accounts
	ledger.accounts = make(map[string]*account, len(objects))
	for i := range objects {
		o := &objects[i]
		if o.Kind != translate.RouteKind {
			continue
		}
		a := old[key(o)]
		if a == nil {
			a = &account{}
		}
		ledger.accounts[key(o)], r.accounts[o.Ref()] = a, a
		r.flows[a] = 0
	}
	return r
}

// Entries is how many were added.
func (r *Round) Entries() int { return r.entries }

// Add takes entries of a router, as they are at a time.
func (r *Round) Add(router translate.Router, now time.Time, entries []mroute.EntryView) {
	l := r.ledger
	if l.epoch.IsZero() {
		l.epoch = now
	}
	if l.last == nil {
		l.last = map[translate.Router]mroute.Readings{}
	}
	last := l.last[router]
	if last == nil {
		last = mroute.Readings{}
		l.last[router] = last
	}
	at := now.Sub(l.epoch)
	began, ok := r.began[router]
	if !ok {
		began = at
		r.began[router] = at
	}
	covering := refs{}
	for i := range entries {
		e := &entries[i]
		more, adopted, again := last.Take(e, at, began)
		if !again {
			r.entries++
		}
		for _, ref := range covering.of(e.Origins) {
			a := r.accounts[ref]
			if a == nil {
				continue
			}
			a.count(tallyOf(more), adopted, now)
			if again {
				continue
			}
			r.flows[a]++
			if r.busiest != nil {
				r.busiest[ref] = keep(r.busiest[ref], e)
			}
		}
	}
}

// settle ends the counting, when all entries were added. Routers that are not among the
// given ones are forgotten, but for those that did not answer.
func (r *Round) settle(routers map[translate.Router]mroute.RouterState) {
	last := r.ledger.last
	r.ledger.last = make(map[translate.Router]mroute.Readings, len(routers))
	whole := true
	for router, s := range routers {
		rs := last[router]
		if s.Snapshot == nil {
			whole = false
		} else if began, ok := r.began[router]; ok {
			rs.Forget(began)
		} else {
			rs = nil // it has no entries
		}
		if rs != nil {
			r.ledger.last[router] = rs
		}
	}
	for a, n := range r.flows {
		if n != a.flows && (whole || n > 0) {
			a.flows = n
			a.change(latest(routers))
		}
	}
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
