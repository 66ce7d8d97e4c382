package spread

import (
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Two tables in which a line has the same trouble tell of it once.
func TestPendingOnce(t *testing.T) {
	first := mroute.PendingView{Kind: mroute.PendingRoute, From: "e+", Reason: "full"}
	other := first
	other.Reason = "another trouble"
	into := &mroute.Snapshot{Pending: []mroute.PendingView{first}}
	m := newMerger(into)
	m.add(&mroute.Snapshot{Pending: []mroute.PendingView{first, other}}, 7, nil)
	m.add(&mroute.Snapshot{Pending: []mroute.PendingView{other, first}}, 8, nil)
	m.sort()
	if got := into.Pending; len(got) != 2 || got[0].Reason != first.Reason || got[1].Reason != other.Reason {
		t.Errorf("pending: %+v", got)
	}
}

// What tables count is counted together, and so are the flows of a rule that learns
// in several.
func TestCountsOfTables(t *testing.T) {
	rule := func(line, learned int) mroute.LimitView {
		return mroute.LimitView{From: "e+", Origin: mroute.Origin{Ref: "conf", Line: line}, FlowCounts: mroute.FlowCounts{Learned: learned, Limit: 4}}
	}
	into := &mroute.Snapshot{
		Flows:  mroute.FlowCounts{Learned: 3, Stopped: 1, Limit: 16, Evicted: 1},
		Limits: []mroute.LimitView{rule(1, 3)},
	}
	m := newMerger(into)
	m.add(&mroute.Snapshot{
		Flows:  mroute.FlowCounts{Learned: 4, Limit: 16, Refused: 2, Full: true},
		Limits: []mroute.LimitView{rule(1, 4), rule(2, 0)},
	}, 7, nil)
	m.sort()
	if got, want := into.Flows, (mroute.FlowCounts{Learned: 7, Stopped: 1, Limit: 32, Evicted: 1, Refused: 2, Full: true}); got != want {
		t.Errorf("together: %+v, want %+v", got, want)
	}
	if l := into.Limits; len(l) != 2 || l[0].Learned != 7 || l[0].Limit != 8 || l[1].Origin.Line != 2 {
		t.Errorf("of rules: %+v", l)
	}
}
