package plan

import (
	"iter"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Limited calls f for each rule that has a limit on the flows it learns, in
// order: those of layers, then those of clients. The rules are those that
// [Resolver.Feeding] tells of.
func (in *Intent) Limited(f func(*mroute.Route)) {
	for _, x := range in.layers {
		for _, i := range x.limited {
			f(x.at(i))
		}
	}
	for _, c := range in.edits.inOrder() {
		if c.added > 0 && c.route.MaxFlows > 0 {
			f(&c.route)
		}
	}
}

// limitedRoutes are the positions of the routes with a limit.
func limitedRoutes(all iter.Seq2[int32, *mroute.Route]) (at []int32) {
	for i, rt := range all {
		if rt.MaxFlows > 0 {
			at = append(at, i)
		}
	}
	return at
}
