package spread

import "github.com/smcroute/kube-smcroute/agent/mroute"

// addCounts sums up what tables count. Their limits are each table's, so that
// together they have the sum of them.
func addCounts(to *mroute.FlowCounts, c mroute.FlowCounts) {
	to.Learned += c.Learned
	to.Stopped += c.Stopped
	to.Limit += c.Limit
	to.Evicted += c.Evicted
	to.Refused += c.Refused
	to.Full = to.Full || c.Full
}

// limited is a rule with a limit.
type limited struct {
	from   mroute.IfPattern
	match  mroute.Match
	origin mroute.Origin
}

// addLimits adds those of another table, where a rule may have learned flows, too.
func addLimits(to, others []mroute.LimitView) []mroute.LimitView {
	if len(others) == 0 {
		return to
	}
	at := make(map[limited]int, len(to))
	for i, l := range to {
		at[limited{l.From, l.Match, l.Origin}] = i
	}
	for _, o := range others {
		if i, ok := at[limited{o.From, o.Match, o.Origin}]; ok {
			addCounts(&to[i].FlowCounts, o.FlowCounts)
		} else {
			to = append(to, o)
		}
	}
	return to
}
