package core_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Entries are listed in order of insertion, whatever their family.
func TestSnapshotOrder(t *testing.T) {
	want := []mroute.SG{
		{Source: netip.MustParseAddr("2001:db8::1"), Group: netip.MustParseAddr("ff1e::1")},
		{Source: netip.MustParseAddr("192.0.2.1"), Group: netip.MustParseAddr("225.1.1.1")},
		{Source: netip.MustParseAddr("2001:db8::1"), Group: netip.MustParseAddr("ff1e::2")},
	}
	r := newRouter(t, "a", "b")
	l := mroute.Layer{Name: "file", FirstMatch: true}
	for i, sg := range want {
		l.Routes = append(l.Routes, mroute.Route{
			From: "a", Match: mroute.MatchSG(sg), To: []mroute.Output{{If: "b"}}, Origin: mroute.Origin{Seq: i + 1},
		})
	}
	r.step(core.SetLayer{Layer: l})
	counters := func(f mroute.Family, sgs []mroute.SG) []mroute.Counters {
		out := make([]mroute.Counters, len(sgs))
		for i, sg := range sgs {
			if sg.Family() != f {
				t.Errorf("counters of %v asked for among those of %v", sg, f)
			}
			out[i].Packets = uint64(slices.Index(want, sg)) + 1
		}
		return out
	}
	var got []mroute.SG
	for i, e := range r.state.Snapshot(r.now, counters).Entries {
		got = append(got, e.SG)
		if e.Counters.Packets != uint64(i)+1 {
			t.Errorf("entry %d, %v, has the counters of entry %d", i+1, e.SG, e.Counters.Packets)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestJoinedOrder: each membership once, in the order of the lines.
func TestJoinedOrder(t *testing.T) {
	r := newRouter(t, "a0", "a1")
	r.conf("mgroup from a0 group 225.1.1.1", "mgroup from a+ group 225.1.1.0/31")
	r.ctl("join a0 225.1.1.0")
	var got []string
	for _, g := range r.state.Snapshot(r.now, nil).Joined {
		got = append(got, g.If+" "+g.Match.String())
	}
	if want := []string{"a0 (*, 225.1.1.1)", "a0 (*, 225.1.1.0)", "a1 (*, 225.1.1.0)", "a1 (*, 225.1.1.1)"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
