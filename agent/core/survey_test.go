package core_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// surveyed is all that a survey gives, as a snapshot, and how much it gave at a time at
// most. between is called before each chunk but the first.
func (r *router) surveyed(asked mroute.Survey, read core.ReadFunc, between func(chunk int)) (snap *mroute.Snapshot, most int) {
	var rules []mroute.RuleView
	var entries []mroute.EntryView
	ask := func(time.Time, []mroute.RuleView) {}
	if asked.Rules != nil {
		asked.Rules = ask
	}
	l := r.state.Survey(asked, read)
	defer l.Stop()
	for chunk := 1; ; chunk++ {
		more := l.Gather(r.now)
		_, some := l.TakeRules()
		rules, most = append(rules, some...), max(most, len(some))
		_, few := l.Take()
		for _, e := range few {
			e.Origins = slices.Clone(e.Origins) // good until the next chunk
			entries = append(entries, e)
		}
		most = max(most, len(few))
		if !more {
			break
		}
		between(chunk)
	}
	snap = l.Snapshot()
	snap.Rules, snap.Entries = rules, entries
	return snap, most
}

// all asks for all that a snapshot has.
var all = mroute.Survey{Rules: func(time.Time, []mroute.RuleView) {}, Entries: func(time.Time, []mroute.EntryView) {}, Whole: true}

// A survey of all tells the same as a snapshot, in the same order, and of much never
// more than a chunk at a time.
func TestSurvey(t *testing.T) {
	for _, n := range []int{0, 20, 3000} {
		r := newRouter(t, "a0", "b0", "b1")
		layer := exactRoutes(n)
		six := match("2001:db8::1 ff3e::1")
		for i, m := range []mroute.Match{match("10.9.9.9 232.9.9.9"), six, match("* 233.0.0.0/8")} {
			to := []mroute.Output{{If: "b1"}, {If: "missing"}}
			layer.Routes = append(layer.Routes, mroute.Route{From: "a0", Match: m, To: to[i%2:], Origin: mroute.Origin{Line: 7 + i, Seq: n + i + 1}})
		}
		layer.Joins = []mroute.Join{{If: "a0", Match: match("* 232.9.9.8/31"), Origin: mroute.Origin{Seq: n + 9}}}
		r.step(core.SetLayer{Layer: layer})
		r.ctl("add a0 10.8.8.8 232.8.8.8 b0")
		r.step(core.Upcalls{{Kind: mroute.NoCache, SG: mroute.SG{Source: netip.MustParseAddr("10.1.1.1"), Group: netip.MustParseAddr("233.1.1.1")}, VIF: 0}})
		r.now = r.now.Add(3 * time.Second)
		whole := r.state.Snapshot(r.now, countAll)
		if len(whole.Entries) < n+3 || len(whole.Rules) < n+4 || len(whole.Pending) == 0 || len(whole.Joined) == 0 {
			t.Fatalf("there is nothing to compare: %d entries, %d rules, %d pending, %d joined", len(whole.Entries), len(whole.Rules), len(whole.Pending), len(whole.Joined))
		}
		got, most := r.surveyed(all, countAll, func(int) {})
		if a, b := fmt.Sprintf("%+v", *got), fmt.Sprintf("%+v", *whole); a != b {
			t.Errorf("got  %s\nwant %s", a, b)
		}
		if n > 1024 && most != 512 {
			t.Errorf("%d at a time", most)
		}

		// Half of it: in no order, and rules without counters.
		got, _ = r.surveyed(mroute.Survey{Entries: all.Entries}, countAll, func(int) {})
		if len(got.Rules) != 0 || len(got.Pending) != 0 || len(got.Entries) != len(whole.Entries) {
			t.Errorf("entries alone: %d rules, %d pending, %d entries", len(got.Rules), len(got.Pending), len(got.Entries))
		}
		got, _ = r.surveyed(mroute.Survey{Rules: all.Rules}, nil, func(int) {})
		for i := range whole.Rules {
			whole.Rules[i].Counters = mroute.Counters{}
		}
		if len(got.Entries) != 0 || fmt.Sprint(got.Rules) != fmt.Sprint(whole.Rules) || fmt.Sprint(got.Pending) != fmt.Sprint(whole.Pending) {
			t.Errorf("rules alone: %d entries\ngot  %v\nwant %v", len(got.Entries), got.Rules, whole.Rules)
		}
	}
}

// Who asks about some flows hears of those.
func TestSurveyAbout(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.conf(
		"mroute from a0 source 10.0.0.1 group 232.1.1.1 to b0", "mroute from a0 source 10.0.0.2 group 232.1.1.2 to b0",
		"mroute from a0 group 232.1.0.0/16 to b0", "mroute from a0 source 10.0.0.1 group 232.1.1.3 to missing",
		"mroute from a0 source 2001:db8::1 group ff3e::1 to b0",
		"mgroup from a0 group 232.1.1.1", "mgroup from a0 group 232.1.1.2")
	for _, c := range []struct {
		source, group                          string
		rules, entries, pending, joined, about int
	}{
		{"", "", 5, 4, 1, 2, 2},
		{"", "232.1.1.1", 2, 1, 0, 1, 1},
		{"", "232.1.1.2/31", 3, 2, 1, 1, 1},
		{"10.0.0.1", "232.1.0.0/16", 3, 2, 1, 2, 2},
		{"", "232.9.9.9", 0, 0, 0, 0, 0},
		{"", "ff3e::/16", 1, 1, 0, 0, 0},
	} {
		asked := all
		if c.source != "" {
			asked.About.Source = netip.PrefixFrom(netip.MustParseAddr(c.source), 32)
		}
		if c.group != "" {
			asked.About.Group = match("* " + c.group).Group
		}
		got, _ := r.surveyed(asked, countAll, func(int) {})
		if fmt.Sprint(len(got.Rules), len(got.Entries), len(got.Pending), len(got.Joined), len(got.Groups)) !=
			fmt.Sprint(c.rules, c.entries, c.pending, c.joined, c.about) {
			t.Errorf("about (%s, %s): %v\n%v\n%v\n%v %v", c.source, c.group, got.Rules, got.Entries, got.Pending, got.Joined, got.Groups)
		}
		if want := (mroute.Sizes{Rules: 5, Entries: 4}); got.Sizes != want {
			t.Errorf("sizes %v, want %v", got.Sizes, want)
		}
	}
}

// What stays as it is while a survey is made is in it once, in its place; what goes and
// comes again is there once at most.
func TestSurveyAmidstEdits(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	layer := exactRoutes(3000)
	r.step(core.SetLayer{Layer: layer})
	touched := make(map[mroute.SG]bool)
	got, _ := r.surveyed(all, countAll, func(chunk int) {
		for i := range 100 {
			m := layer.Routes[(chunk*271+i*7)%3000].Match
			touched[m.SG()] = true
			for _, ed := range []mroute.Edit{
				{Kind: mroute.RemoveRoute, Route: mroute.Route{From: "a0", Match: m}},
				{Kind: mroute.AddRoute, Route: mroute.Route{From: "a0", Match: m, To: []mroute.Output{{If: "b0"}}}},
			} {
				if err := r.edit(ed); err != nil {
					t.Fatal(err)
				}
			}
		}
		if chunk%10 == 9 {
			r.step(core.SetLayer{Layer: layer})
		}
	})
	seen, rules := make(map[mroute.SG]int), make(map[mroute.SG]int)
	for i := range got.Entries {
		e := &got.Entries[i]
		if seen[e.SG]++; seen[e.SG] > 1 {
			t.Errorf("%v is there twice", e.SG)
		}
		if e.Counters.Packets != packetsOf(e.SG) || len(e.Origins) != 1 || e.IIF != "a0" || len(e.OIFs) == 0 || e.Age < 0 {
			t.Fatalf("%+v", e)
		}
	}
	for i := range got.Rules {
		rules[got.Rules[i].Match.SG()]++
	}
	var order []mroute.SG
	for i := range layer.Routes {
		if sg := layer.Routes[i].Match.SG(); !touched[sg] {
			if order = append(order, sg); seen[sg] != 1 || rules[sg] != 1 {
				t.Fatalf("%v stayed as it is: %d entries, %d rules", sg, seen[sg], rules[sg])
			}
		}
	}
	var have []mroute.SG
	for i := range got.Entries {
		if sg := got.Entries[i].SG; !touched[sg] {
			have = append(have, sg)
		}
	}
	if len(order) == 0 || !slices.Equal(have, order) {
		t.Errorf("%d entries stayed as they are, and are not in order", len(order))
	}
}
