package conf

import (
	"strconv"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// anySource is the clauses of mroute that say how sources are learned, or not.
type anySource struct {
	how   clause // native or learn
	flows clause
}

// maxFlows is the greatest value of flows.
const maxFlows = 1_000_000

var expectedFlows = "a number from 1 to " + strconv.Itoa(maxFlows)

// anySource takes the clauses over into the route, whose match is known. It
// returns false, with an error reported, if they make no sense there.
func (p *parser) anySource(route *mroute.Route, c *anySource) bool {
	switch {
	case !c.how.given():
	case is(c.how.word, kwLearn):
		if route.Match.IsExact() {
			p.error(c.how.column, "learn with one source and one group: expected it only where sources are learned, with a prefix or no source")
			return false
		}
	case route.Match.Source.IsValid() || !route.Match.Group.IsSingleIP() || len(route.Except) > 0:
		p.error(c.how.column, "native with a source, a prefix or except: expected it only with a single group, as the kernel's entry is for any source of that")
		return false
	default:
		route.AnySource = mroute.NativeSources
	}
	if !c.flows.given() {
		return true
	}
	n, digits := leadingNumber(c.flows.word, maxFlows)
	switch {
	case n < 1 || n > maxFlows || digits < len(c.flows.word):
		p.error(c.flows.column, "flows "+quote(c.flows.word)+": expected "+expectedFlows)
		return false
	case route.Match.IsExact():
		p.error(c.flows.column, "flows with one source and one group: expected it only where sources are learned, with a prefix or no source")
		return false
	}
	route.MaxFlows = n
	return true
}

// appendAnySource writes the clauses. That native is only preferred is nothing
// that a file can say.
func appendAnySource(b []byte, route *mroute.Route) []byte {
	if route.AnySource == mroute.NativeSources {
		b = append(b, " "+kwNative...)
	}
	if route.MaxFlows > 0 {
		b = append(b, " "+kwFlows+" "...)
		b = strconv.AppendInt(b, int64(route.MaxFlows), 10)
	}
	return b
}
