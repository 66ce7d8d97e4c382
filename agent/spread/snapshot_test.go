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
	m.add(&mroute.Snapshot{Pending: []mroute.PendingView{first, other}}, 7)
	m.add(&mroute.Snapshot{Pending: []mroute.PendingView{other, first}}, 8)
	m.sort()
	if got := into.Pending; len(got) != 2 || got[0].Reason != first.Reason || got[1].Reason != other.Reason {
		t.Errorf("pending: %+v", got)
	}
}
