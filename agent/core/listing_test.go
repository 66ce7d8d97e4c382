package core_test

import (
	"fmt"
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

// packetsOf is a count that tells entries apart.
func packetsOf(sg mroute.SG) uint64 {
	n := uint64(0)
	for _, b := range append(sg.Source.AsSlice(), sg.Group.AsSlice()...) {
		n = n<<8 | uint64(b)
	}
	return n
}

func countAll(_ mroute.Family, sgs []mroute.SG) []mroute.Counters {
	out := make([]mroute.Counters, len(sgs))
	for i, sg := range sgs {
		out[i].Packets = packetsOf(sg)
	}
	return out
}

// listAmidst makes a listing, with between called before each chunk but the first.
func (r *router) listAmidst(read core.ReadFunc, between func(chunk int)) *mroute.Snapshot {
	l := r.state.List(read)
	defer l.Stop()
	for chunk := 1; l.Gather(r.now); chunk++ {
		between(chunk)
	}
	return l.Snapshot()
}

// Of a large table that does not change a listing in chunks is the same as one made
// in one go.
func TestListingInChunks(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.step(core.SetLayer{Layer: exactRoutes(3000)})
	chunks := 0
	got := fmt.Sprintf("%+v", *r.listAmidst(countAll, func(int) { chunks++ }))
	if want := fmt.Sprintf("%+v", *r.state.Snapshot(r.now, countAll)); got != want {
		t.Errorf("%d chunks give %d bytes, one go gives %d", chunks, len(got), len(want))
	}
	if chunks < 15 { // 3,000 rules twice, and 3,000 entries
		t.Errorf("%d chunks", chunks)
	}
}

// digest makes a digest, and returns the entries that were taken from it, by (S,G), and
// how many it gave at a time at most.
func (r *router) digest(t *testing.T, read core.ReadFunc) (snap *mroute.Snapshot, entries map[mroute.SG]mroute.EntryView, most int) {
	l := r.state.Digest(read)
	defer l.Stop()
	entries = make(map[mroute.SG]mroute.EntryView)
	for more := true; more; {
		more = l.Gather(r.now)
		now, taken := l.Take()
		if !now.Equal(r.now) {
			t.Errorf("entries of %v, want %v", now, r.now)
		}
		for _, e := range taken {
			e.Origins = slices.Clone(e.Origins) // good until the next chunk
			entries[e.SG] = e
		}
		most = max(most, len(taken))
	}
	return l.Snapshot(), entries, most
}

// A digest tells the same as a snapshot, of what it tells at all, and of many entries
// never more than a chunk at a time.
func TestDigest(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	layer := exactRoutes(3000)
	layer.Routes = append(layer.Routes, mroute.Route{From: "a0", Match: match("10.9.9.9 232.9.9.9"), To: []mroute.Output{{If: "missing"}}})
	r.step(core.SetLayer{Layer: layer})
	whole := r.state.Snapshot(r.now, countAll)
	if len(whole.Entries) < 3000 || len(whole.Links) == 0 || len(whole.Pending) == 0 {
		t.Fatalf("there is nothing to compare: %d entries, %d links, %d pending", len(whole.Entries), len(whole.Links), len(whole.Pending))
	}
	got, entries, most := r.digest(t, countAll)
	if most > 512 || most < 512 {
		t.Errorf("%d entries at a time", most)
	}
	if len(entries) != len(whole.Entries) {
		t.Errorf("%d entries, want %d", len(entries), len(whole.Entries))
	}
	for _, want := range whole.Entries {
		if e := entries[want.SG]; fmt.Sprint(e) != fmt.Sprint(want) {
			t.Fatalf("%+v, want %+v", e, want)
		}
	}
	want := fmt.Sprintf("%+v", mroute.Snapshot{Time: whole.Time, Links: whole.Links, Pending: whole.Pending, VIFs: 3})
	if text := fmt.Sprintf("%+v", *got); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	if got, entries, _ = r.digest(t, nil); len(entries) != 0 || fmt.Sprintf("%+v", *got) != want {
		t.Errorf("without counters: %d entries, %+v", len(entries), got)
	}
}

// What stays as it is while a listing is made is in it once, with its own counters,
// whatever else comes and goes. What was there before it and is deleted and set again
// is there once at most.
func TestListingAmidstEdits(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	layer := exactRoutes(3000)
	r.step(core.SetLayer{Layer: layer})
	edit := func(kind mroute.EditKind, m mroute.Match) {
		if err := r.edit(mroute.Edit{Kind: kind, Route: mroute.Route{From: "a0", Match: m, To: []mroute.Output{{If: "b0"}}}}); err != nil {
			t.Fatal(err)
		}
	}
	touched := make(map[mroute.SG]bool)
	snap := r.listAmidst(countAll, func(chunk int) {
		var again []mroute.Match // go and come again, in another order
		for i := range 100 {
			m := layer.Routes[(chunk*271+i*7)%3000].Match
			again = append(again, m)
			touched[m.SG()] = true
			if err := r.edit(mroute.Edit{Kind: mroute.RemoveRoute, Route: mroute.Route{From: "a0", Match: m}}); err != nil {
				t.Fatal(err)
			}
		}
		for _, m := range slices.Backward(again) {
			edit(mroute.AddRoute, m)
		}
		for i := range 200 { // and the map grows
			edit(mroute.AddRoute, match(fmt.Sprintf("10.200.%d.%d 232.1.1.1", chunk, i)))
		}
	})
	seen := make(map[mroute.SG]bool)
	for _, e := range snap.Entries {
		if seen[e.SG] {
			t.Errorf("%v is there twice", e.SG)
		}
		seen[e.SG] = true
		if e.Counters.Packets != packetsOf(e.SG) || len(e.Origins) != 1 || e.IIF != "a0" || len(e.OIFs) == 0 || e.Age < 0 {
			t.Fatalf("%+v", e)
		}
	}
	rules := make(map[mroute.SG]int)
	for _, rule := range snap.Rules {
		rules[rule.Match.SG()]++
	}
	for i := range layer.Routes {
		if sg := layer.Routes[i].Match.SG(); !touched[sg] && (!seen[sg] || rules[sg] != 1) {
			t.Fatalf("%v stayed as it is: an entry: %v, %d rules", sg, seen[sg], rules[sg])
		}
	}
}

// Rules are those of one layer, even if others are set meanwhile again and again.
func TestListingAmidstReloads(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	layers := [2]mroute.Layer{exactRoutes(3000), exactRoutes(2000)}
	for _, last := range []int{2, 1000} { // chunks before each of which there is a reload
		r.step(core.SetLayer{Layer: layers[0]})
		snap := r.listAmidst(countAll, func(chunk int) {
			if chunk <= last {
				r.step(core.SetLayer{Layer: layers[chunk%2]})
			}
		})
		if n := len(snap.Rules); n != 3000 && n != 2000 {
			t.Errorf("%d rules", n)
		}
		for i := range snap.Rules {
			if snap.Rules[i].Match != layers[0].Routes[i].Match {
				t.Fatalf("rule %d is %v, want %v", i, snap.Rules[i].Match, layers[0].Routes[i].Match)
			}
		}
	}
}

// When most of a table has gone meanwhile, its map is another: what has gone is not
// listed.
func TestListingOfShrinkingTable(t *testing.T) {
	const n, most = 10_000, 2*10_000/512 + 2 // chunks of rules twice, and one of entries
	r := newRouter(t, "a0", "b0", "b1")
	r.step(core.SetLayer{Layer: exactRoutes(n)})
	snap := r.listAmidst(countAll, func(chunk int) {
		switch chunk {
		case most:
			r.step(core.SetLayer{Layer: exactRoutes(2000)})
		case most + 1:
			r.step(core.SetLayer{Layer: exactRoutes(1)})
		}
	})
	if len(snap.Rules) != n || len(snap.Entries) == 0 || len(snap.Entries) > 3*512+1 {
		t.Errorf("%d rules, %d entries", len(snap.Rules), len(snap.Entries))
	}
}

// A listing may be given up at any time.
func TestListingGivenUp(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.step(core.SetLayer{Layer: exactRoutes(1500)})
	for chunks := 0; ; chunks++ {
		l := r.state.List(countAll)
		more := true
		for range chunks {
			more = l.Gather(r.now)
		}
		l.Stop()
		l.Stop()
		if !more {
			break
		}
		if l.Gather(r.now) {
			t.Errorf("it goes on after %d chunks", chunks)
		}
	}
}
