package metrics

import (
	"context"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// look is one look at a router. It goes over the rules first, to know which routes
// there are, and then over the entries, which it adds up as they come: there may be
// 100,000, and are never there all together.
type look struct {
	Router
	place  *place
	routes *routes

	snap *mroute.Snapshot // nil: it does not answer
	at   time.Time        // of the rules

	rules   int
	entries int
	kinds   map[familyKind]int
	top     *top
	of      []*account // of the entry

	// Routes that have no account yet: those that may get one, and the hashes of the
	// rest, which take less than a map of them.
	added  map[routeKey]*account
	order  []routeKey // of added
	others []uint64
	seed   maphash.Seed
}

type familyKind struct {
	family mroute.Family
	kind   string
}

// look looks at all routers at once.
func (c *Collector) look(ctx context.Context, routers []Router) []*look {
	looks := make([]*look, len(routers))
	for i, p := range c.placesOf(routers) {
		looks[i] = &look{
			Router: routers[i], place: p, routes: &c.routes, kinds: map[familyKind]int{},
			added: map[routeKey]*account{}, seed: maphash.MakeSeed(),
		}
	}
	c.routes.begin()
	each(looks, func(l *look) { l.goOverRules(ctx) })
	c.routes.end(looks)
	each(looks, func(l *look) {
		if l.up() {
			l.goOverEntries(ctx, c.o.Flows)
		}
	})
	return looks
}

// each calls f with each of looks, all at once. Accounts are of one router each.
func each(looks []*look, f func(*look)) {
	var wg sync.WaitGroup
	for _, l := range looks {
		wg.Go(func() { f(l) })
	}
	wg.Wait()
}

// up reports whether the router has answered so far.
func (l *look) up() bool { return l.snap != nil }

// goOverRules takes note of which routes there are.
func (l *look) goOverRules(ctx context.Context) {
	l.snap = l.Survey(ctx, mroute.Survey{Rules: func(now time.Time, rules []mroute.RuleView) {
		l.rules += len(rules)
		for i := range rules {
			l.note(&rules[i].Origin, now.Add(-rules[i].Age))
		}
	}}).Snapshot
	if l.snap == nil {
		l.added, l.order, l.others = nil, nil, nil
		return
	}
	l.at = l.snap.Time
	for i := range l.snap.Pending {
		if p := &l.snap.Pending[i]; p.Kind == mroute.PendingRoute {
			l.note(&p.Origin, l.at)
		}
	}
}

// note takes note of a route, in force or not, and since when its entry is there, if it
// has one.
func (l *look) note(o *mroute.Origin, since time.Time) {
	k := keyOf(l.Name, o)
	a := l.routes.accounts[k]
	if a != nil {
		a.here = true
	} else if a = l.added[k]; a == nil {
		if len(l.added) >= l.routes.most {
			if h := maphash.Comparable(l.seed, k); len(l.others) == 0 || l.others[len(l.others)-1] != h {
				l.others = append(l.others, h)
			}
			return
		}
		a = &account{last: since, here: true}
		l.added[k], l.order = a, append(l.order, k)
	}
	if !a.packet && since.Before(a.last) {
		a.last = since
	}
}

// goOverEntries adds up what entries have counted since the last look.
func (l *look) goOverEntries(ctx context.Context, flows int) {
	p := l.place
	l.top = newTop(flows, p, l.at)
	if p.readings == nil {
		p.readings, p.epoch = mroute.Readings{}, l.at
	}
	began := l.at.Sub(p.epoch)
	end := l.Survey(ctx, mroute.Survey{Entries: func(now time.Time, entries []mroute.EntryView) {
		for i := range entries {
			l.count(&entries[i], now, began)
		}
	}}).Snapshot
	if end == nil {
		l.snap = nil
		return
	}
	for i := range end.Foreign {
		l.kinds[familyKind{end.Foreign[i].SG.Family(), "foreign"}]++
	}
	p.readings.Forget(began)
	p.flows, p.at = l.top.list(), l.at
}

func (l *look) count(e *mroute.EntryView, now time.Time, began time.Duration) {
	p := l.place
	more, first, _ := p.readings.Take(e, now.Sub(p.epoch), began)
	if first {
		more = mroute.Counted{} // the process before has told of these
	}
	p.drop(e, more)
	l.of = l.routes.of(l.of[:0], l.Name, e.Origins)
	for i, a := range l.of {
		if !slices.Contains(l.of[:i], a) {
			a.count(e, more, first, now)
		}
	}
	l.top.add(l.Name, e, more)
	l.kinds[familyKind{e.SG.Family(), entryKind(e)}]++
	l.entries++
}

// Words of the label kind of smcroute_entries.
var entryKinds = []string{"static", "native", "learned", "stop-filter", "foreign"}

// entryKind is that of an entry which is not foreign.
func entryKind(e *mroute.EntryView) string {
	if !e.SG.Source.IsValid() && e.Kind == mroute.Static {
		return "native"
	}
	return e.Kind.String()
}

// tell adds what the router says as a whole.
func (l *look) tell(fs families) {
	name, snap := l.Name, l.snap
	used, joined := map[mroute.Family]int{}, map[mroute.Family]int{}
	for i := range snap.Links {
		if snap.Links[i].VIF != mroute.NoVIF {
			used[mroute.IPv4]++
		}
		if snap.Links[i].MIF != mroute.NoVIF {
			used[mroute.IPv6]++
		}
	}
	for i := range snap.Joined {
		joined[snap.Joined[i].Match.Family()]++
	}
	for _, f := range mroute.Families {
		word := familyWord(f)
		fs.add(vifs, float64(used[f]), name, word)
		fs.add(vifsLimit, float64(mroute.MaxVIFs*(1+len(snap.Tables))), name, word)
		fs.add(joins, float64(joined[f]), name, word)
		for _, kind := range entryKinds {
			fs.add(entries, float64(l.kinds[familyKind{f, kind}]), name, word, kind)
		}
	}
	fs.add(flowsLimit, float64(snap.Flows.Limit), name)
	fs.add(flowsReached, truth(snap.Flows.Full), name)
	fs.add(flowsEvicted, float64(snap.Flows.Evicted), name)
	fs.add(flowsRefused, float64(snap.Flows.Refused), name)
	fs.add(rules, float64(l.rules), name)
	why := map[mroute.Cause]int{}
	for i := range snap.Pending {
		why[snap.Pending[i].Cause]++
	}
	for _, cause := range mroute.Causes() {
		fs.add(pending, float64(why[cause]), name, cause.String())
	}
}
