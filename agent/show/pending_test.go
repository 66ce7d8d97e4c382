package show_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/show"
)

// TestPins: to which index a name is pinned is nothing that a user could type.
func TestPins(t *testing.T) {
	snap := &mroute.Snapshot{Pending: []mroute.PendingView{{
		Kind: mroute.PendingRoute, From: mroute.Pinned("cali1", 17), To: []mroute.IfPattern{"eth+", mroute.Pinned("cali2", 18)},
		Match: mroute.Match{Group: netip.MustParsePrefix("225.1.1.1/32")}, Cause: mroute.CauseNoInterface, Reason: "no interface cali2",
	}}}
	for _, listing := range []string{show.Text(snap, show.Pending, true), show.JSON(snap, show.Pending)} {
		if strings.Contains(listing, "/") || !strings.Contains(listing, "cali1") || !strings.Contains(listing, "cali2") {
			t.Errorf("want the names without pins:\n%s", listing)
		}
	}
}
