package metrics

import (
	"slices"
	"strconv"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// routes keep the accounts of routes. Those that have one keep it as long as their
// rules are there.
type routes struct {
	most     int
	ref      func(string) string
	accounts map[routeKey]*account
	order    []routeKey // of accounts, as they came
	others   int        // routes without
}

// routeKey tells a route from others: all rules of an object are one.
type routeKey struct {
	router string
	ref    string
	line   int
}

func keyOf(router string, o *mroute.Origin) routeKey { return routeKey{router, o.Ref, o.Line} }

// name is the value of the label "route".
func (rs *routes) name(k routeKey) string {
	if k.line == 0 {
		return rs.ref(k.ref)
	}
	return rs.ref(k.ref) + ":" + strconv.Itoa(k.line)
}

// account is what is told of a route. Counts never fall: the kernel's begin anew
// with each entry, and go with it.
type account struct {
	counted mroute.Counted
	flows   int
	last    time.Time // of the last packet; if there was none, since when the route is known
	packet  bool      // there was one
	here    bool
}

// begin forgets which rules there are.
func (rs *routes) begin() {
	for _, a := range rs.accounts {
		a.here = false
	}
}

// end drops the accounts of routes that are gone, but of routers that do not answer:
// what those have is as it was. Others get an account, those of routers that come first
// before the rest, as long as there is room.
func (rs *routes) end(looks []*look) {
	silent := map[string]bool{}
	for _, l := range looks {
		silent[l.Name] = !l.up()
	}
	order := rs.order[:0]
	for _, k := range rs.order {
		a := rs.accounts[k]
		if !a.here && !silent[k.router] {
			delete(rs.accounts, k)
			continue
		}
		if order = append(order, k); a.here {
			a.flows = 0
		}
	}
	rs.order, rs.others = order, 0
	for _, l := range looks {
		for _, k := range l.order {
			if len(rs.accounts) >= rs.most {
				rs.others++
				continue
			}
			rs.accounts[k] = l.added[k]
			rs.order = append(rs.order, k)
		}
		slices.Sort(l.others)
		rs.others += len(slices.Compact(l.others))
		l.added, l.order, l.others = nil, nil, nil
	}
}

// of adds the accounts of origins to some.
func (rs *routes) of(some []*account, router string, origins []mroute.Origin) []*account {
	for i := range origins {
		if a := rs.accounts[keyOf(router, &origins[i])]; a != nil {
			some = append(some, a)
		}
	}
	return some
}

// count takes what one of the route's entries has counted.
func (a *account) count(e *mroute.EntryView, more mroute.Counted, first bool, now time.Time) {
	if forwards(e) {
		a.flows++
	}
	a.counted.Packets += more.Packets
	a.counted.Bytes += more.Bytes
	a.counted.WrongIf += more.WrongIf
	// The kernel's idle time begins anew with packets from wrong interfaces, and
	// when the entry is replaced, so that alone it says nothing.
	packets := more.Packets > more.WrongIf || first && e.Counters.Packets > e.Counters.WrongIf
	if !packets || e.Counters.Idle < 0 {
		return
	}
	if at := now.Add(-e.Counters.Idle); !a.packet || at.After(a.last) {
		a.last, a.packet = at, true
	}
}

// tell adds what there is of routes. Those of a router that does not answer are
// left out.
func (rs *routes) tell(fs families, looks []*look) {
	times := make(map[string]time.Time, len(looks))
	for _, l := range looks {
		if l.up() {
			times[l.Name] = l.at
		}
	}
	for _, k := range rs.order {
		at, ok := times[k.router]
		if !ok {
			continue
		}
		a, name := rs.accounts[k], rs.name(k)
		fs.add(routePackets, float64(a.counted.Packets), k.router, name)
		fs.add(routeBytes, float64(a.counted.Bytes), k.router, name)
		fs.add(routeWrong, float64(a.counted.WrongIf), k.router, name)
		fs.add(routeIdle, max(0, at.Sub(a.last).Seconds()), k.router, name)
		fs.add(routeFlows, float64(a.flows), k.router, name)
	}
	fs.add(omitted, float64(rs.others), "route")
}
