package core_test

import (
	"fmt"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Rules have to wait where packets that they want are led away, in their family; and
// only there. What has changed is told, and nothing else comes of it.
func TestLedAway(t *testing.T) {
	r := newRouter(t, "a0", "a1", "b0")
	r.conf(
		"mroute from a0 group 225.1.1.1 to b0",
		"mroute from a1 group 225.1.1.1 to b0",
		"mroute from a+ group ff15::1 to b0",
		"mroute from c0 group 225.1.1.2 to b0",
		"mgroup from a0 group 225.1.1.1")
	waits := fmt.Sprintf("conf:4 %d no interface c0", mroute.CauseNoInterface)
	away := func(line int, link, why string) string {
		return fmt.Sprintf("conf:%d %d packets that arrive on %s do not come to the router: %s", line, mroute.CauseDiverted, link, why)
	}
	const five, last = "the IPv4 rule of priority 5 leads to table 7", "no IPv6 rule leads to a table"
	ops := len(r.ops)
	for _, tt := range []struct {
		name   string
		posts  mroute.Signposts
		want   []string
		missed map[string]string
	}{
		{"all come", mroute.Signposts{{Family: mroute.IPv4}, {Family: mroute.IPv6}}, []string{waits}, nil},
		{"one link", mroute.Signposts{{Family: mroute.IPv4, Link: "a0", Away: five}, {Family: mroute.IPv4, Link: "b0", Away: five}, {Family: mroute.IPv4}},
			[]string{away(1, "a0", five), waits}, map[string]string{"a0": five}},
		{"a rule before", mroute.Signposts{{Family: mroute.IPv4, Link: "a0"}, {Family: mroute.IPv4, Away: five}},
			[]string{away(2, "a1", five), waits}, map[string]string{"a1": five}},
		{"all of IPv6", mroute.Signposts{{Family: mroute.IPv6, Away: last}},
			[]string{away(3, "a0", last) + "; packets that arrive on a1 do not come to the router: " + last, waits}, map[string]string{"a0": last, "a1": last}},
		{"none", nil, []string{waits}, nil},
	} {
		changes := r.changes
		r.step(core.SetSignposts{Signposts: tt.posts})
		same(t, tt.name, r.pending(), tt.want...)
		if got := r.state.Demand().Missed; fmt.Sprint(got) != fmt.Sprint(tt.missed) {
			t.Errorf("%s: missed are %v, expected %v", tt.name, got, tt.missed)
		}
		if r.changes == changes {
			t.Errorf("%s: nobody was told", tt.name)
		}
		changes = r.changes
		r.step(core.SetSignposts{Signposts: tt.posts})
		if r.changes != changes {
			t.Errorf("%s: it was told again", tt.name)
		}
	}
	if len(r.ops) != ops {
		t.Errorf("ops: %v", r.ops[ops:])
	}

	// What other tables take in is not missed here.
	r.step(core.SetSignposts{Signposts: mroute.Signposts{{Family: mroute.IPv4, Away: five}}})
	r.step(core.SetInbound{Inbound: mroute.Inbound{Except: map[string]bool{"a0": true}}})
	same(t, "with another table", r.pending(), away(2, "a1", five), waits)
}
