package plan

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// exact finds the first route of one source and one group. Where these stand
// together and in order, as in most large layers, that needs no map: it is made
// when there have been many questions, so that neither a start nor a small change
// waits for it. It may be used from several goroutines.
type exact struct {
	sorted   bool
	order    mroute.Ascent
	from, to int // the routes, if they are sorted

	asked atomic.Int64
	once  sync.Once // for table, if they are sorted
	table atomic.Pointer[mroute.BySG[int32]]
}

// askedMuch is how many questions a map is worth: one for so many routes.
const askedMuch = 16

// look goes over all routes: it finds out whether the exact ones are sorted, and
// counts them.
func (x *exact) look(routes []mroute.Route) (count [mroute.IPv6 + 1]int) {
	some := false
	x.sorted = true
	for i := range routes {
		m := &routes[i].Match
		if !m.IsExact() {
			continue
		}
		if !some {
			x.from, x.to, some = i, i, true
		}
		count[m.Family()]++
		if x.sorted = x.sorted && i == x.to && x.order.Add(m.SG()); x.sorted {
			x.to = i + 1
		}
	}
	return count
}

// first is the position of sg's first route, or none.
func (x *exact) first(routes []mroute.Route, sg mroute.SG) int32 {
	t := x.table.Load()
	if t == nil && x.asked.Add(1) > int64(x.to-x.from)/askedMuch {
		x.once.Do(func() { x.index(routes) })
		t = x.table.Load()
	}
	if t != nil {
		if i, ok := t.Lookup(sg); ok {
			return i
		}
		return none
	}
	i, ok := slices.BinarySearchFunc(routes[x.from:x.to], sg, func(r mroute.Route, sg mroute.SG) int {
		return x.order.Compare(r.Match.SG(), sg)
	})
	if !ok {
		return none
	}
	return int32(x.from + i)
}

// index makes the map of sorted routes.
func (x *exact) index(routes []mroute.Route) {
	var t mroute.BySG[int32]
	if x.from < x.to {
		t.Grow(routes[x.from].Match.Family(), x.to-x.from)
	}
	for i := x.from; i < x.to; i++ {
		t.Set(routes[i].Match.SG(), int32(i))
	}
	x.table.Store(&t)
}
