package status

import (
	"cmp"
	"math"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// maxFlows is how many flows of a route are in a report (MaxItems of
// ObjectState.Flows).
const maxFlows = 16

// flowsOf returns the flows of each object with the most packets, by Ref.
func flowsOf(routers map[translate.Router]mroute.RouterState) map[string][]v1alpha1.Flow {
	best := map[string][]*mroute.EntryView{}
	for _, r := range routers {
		if r.Snapshot == nil {
			continue
		}
		covering := refs{}
		for i := range r.Snapshot.Entries {
			e := &r.Snapshot.Entries[i]
			for _, ref := range covering.of(e.Origins) {
				best[ref] = keep(best[ref], e)
			}
		}
	}
	flows := make(map[string][]v1alpha1.Flow, len(best))
	for ref, es := range best {
		fs := make([]v1alpha1.Flow, len(es))
		for i, e := range es {
			fs[i] = v1alpha1.Flow{
				Source:  source(e.SG),
				Group:   e.SG.Group.String(),
				From:    e.IIF,
				To:      e.OIFs,
				Packets: int64(min(e.Counters.Packets, math.MaxInt64)),
			}
		}
		flows[ref] = fs
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

// keep puts e in its place if it is among the first maxFlows.
func keep(es []*mroute.EntryView, e *mroute.EntryView) []*mroute.EntryView {
	i, _ := slices.BinarySearchFunc(es, e, busier)
	if i == maxFlows {
		return es
	}
	if len(es) == maxFlows {
		es = es[:maxFlows-1]
	}
	return slices.Insert(es, i, e)
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
