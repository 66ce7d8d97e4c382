package page

import (
	"sync"
	"time"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// reading is the state of all routers at one time. It is immutable, but for what
// its routers work out when they are asked first.
type reading struct {
	seq     uint64
	gap     time.Duration // until the next one
	routers []*router
	pods    Pods
}

// router is a router in a reading.
type router struct {
	Router
	rates []rate // of State.Flows, then of State.Foreign
	pods  Pods
	table func() *table
}

// rate is what an entry carries a second, if there was a reading before, in which
// it was already there.
type rate struct {
	known                 bool
	packets, bytes, wrong float64 // packets are those of wrong interfaces, too
}

// bits are those of packets that came by the right interface. The kernel has the
// bytes of all in one: those of a wrong one are taken to be like the others.
func (r rate) bits() float64 {
	if r.packets == 0 {
		return 0
	}
	return 8 * r.bytes * (r.packets - r.wrong) / r.packets
}

// newReading puts a reading together.
func newReading(at time.Time, all []Router, pods Pods, before *reading) *reading {
	r := &reading{pods: pods, routers: make([]*router, len(all))}
	for i, one := range all {
		now := &router{Router: one}
		if i == 0 { // what is known of pods is of the node
			now.pods = pods
		}
		if one.State != nil {
			if one.State.Time.IsZero() {
				one.State.Time = at
			}
			now.rates = rates(one.State, before.router(one.Name))
		}
		now.table = sync.OnceValue(func() *table { return newTable(now) })
		r.routers[i] = now
	}
	return r
}

// router finds one by name; "" is the first. It may be nil.
func (r *reading) router(name string) *router {
	if r == nil {
		return nil
	}
	for _, one := range r.routers {
		if one.Name == name || name == "" {
			return one
		}
	}
	return nil
}

// entryKey is what stays of an entry while it is counted: the interface that it
// comes in by may change.
type entryKey struct {
	source, group view.Net
	table         uint32
	foreign       bool
}

// entries calls f for each entry of a state.
func entries(s *view.State, f func(i int, key entryKey, e *view.Flow)) {
	for i := range s.Flows {
		e := &s.Flows[i]
		f(i, entryKey{e.Source, e.Group, e.Table, false}, e)
	}
	for i := range s.Foreign {
		e := &s.Foreign[i]
		f(len(s.Flows)+i, entryKey{e.Source, e.Group, e.Table, true}, e)
	}
}

// rates compares a state with that of the reading before.
func rates(s *view.State, before *router) []rate {
	all := make([]rate, len(s.Flows)+len(s.Foreign))
	if before == nil || before.State == nil {
		return all
	}
	time := s.Time.Sub(before.State.Time).Seconds()
	if time <= 0 {
		return all
	}
	was := make(map[entryKey]view.Traffic, len(before.rates))
	entries(before.State, func(_ int, key entryKey, e *view.Flow) { was[key] = e.Traffic })
	entries(s, func(i int, key entryKey, e *view.Flow) {
		old, ok := was[key]
		if !ok || e.Packets < old.Packets || e.Bytes < old.Bytes || e.WrongIf < old.WrongIf { // it is another one
			return
		}
		all[i] = rate{
			known:   true,
			packets: float64(e.Packets-old.Packets) / time,
			bytes:   float64(e.Bytes-old.Bytes) / time,
			wrong:   float64(e.WrongIf-old.WrongIf) / time,
		}
	})
	return all
}
