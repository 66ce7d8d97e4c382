package status

import (
	"cmp"
	"math"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// maxFlows is how many flows of a route are in a report (MaxItems of
// ObjectState.Flows).
const maxFlows = 16

// flowsOf returns the flows of an object, of entries that were kept for it.
func flowsOf(entries []mroute.EntryView) []v1alpha1.Flow {
	if len(entries) == 0 {
		return nil
	}
	flows := make([]v1alpha1.Flow, len(entries))
	for i := range entries {
		e := &entries[i]
		flows[i] = v1alpha1.Flow{
			Source:  source(e.SG),
			Group:   e.SG.Group.String(),
			From:    e.IIF,
			To:      e.OIFs,
			Packets: int64(min(e.Counters.Packets, math.MaxInt64)),
		}
	}
	return flows
}

// source is that of a flow, * for any.
func source(sg mroute.SG) string {
	if !sg.Source.IsValid() {
		return "*"
	}
	return sg.Source.String()
}

// keep puts e in its place if it is among the maxFlows with the most packets.
func keep(es []mroute.EntryView, e *mroute.EntryView) []mroute.EntryView {
	i, _ := slices.BinarySearchFunc(es, e, func(a mroute.EntryView, b *mroute.EntryView) int { return busier(&a, b) })
	if i == maxFlows {
		return es
	}
	if len(es) == maxFlows {
		es = es[:maxFlows-1]
	}
	es = slices.Insert(es, i, *e)
	es[i].Origins = nil // which are the router's
	return es
}

// busier orders entries: more packets first.
func busier(a, b *mroute.EntryView) int {
	return cmp.Or(
		cmp.Compare(b.Counters.Packets, a.Counters.Packets),
		a.SG.Source.Compare(b.SG.Source),
		a.SG.Group.Compare(b.SG.Group),
		cmp.Compare(a.IIF, b.IIF),
		slices.Compare(a.OIFs, b.OIFs),
	)
}
