package core

import (
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// origins finds the origins of entries. All share one array, and entries that
// the same rules feed one after another share a slice.
type origins struct {
	array []mroute.Origin
	rules []*mroute.Route // of the entry before
	last  []mroute.Origin // their origins
	next  []*mroute.Route
}

func (o *origins) of(res *plan.Resolver, sg mroute.SG, ifindex int) []mroute.Origin {
	o.next = res.Feeding(o.next[:0], sg, ifindex)
	if slices.Equal(o.next, o.rules) {
		return o.last
	}
	o.next, o.rules = o.rules, o.next
	start := len(o.array)
	for _, rt := range o.rules {
		o.array = append(o.array, rt.Origin)
	}
	o.last = o.array[start:len(o.array):len(o.array)]
	return o.last
}

// forget has the array used again: nobody needs what is in it.
func (o *origins) forget() { o.array, o.rules, o.last = o.array[:0], o.rules[:0], nil }
