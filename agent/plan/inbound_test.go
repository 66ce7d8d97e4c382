package plan_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

func namesOf(links []mroute.Link) string {
	var names []string
	for _, l := range links {
		names = append(names, l.Name)
	}
	return strings.Join(names, " ")
}

func only(names ...string) map[string]bool {
	set := map[string]bool{}
	for _, n := range names {
		set[n] = true
	}
	return set
}

const partsText = `
phyint i0 enable
phyint a0 disable
mroute from a0 group 225.1.1.1 to b0
mroute from a1 group 225.1.1.1 to b+
mroute from a2 group 225.1.1.2 to b1 a0
mroute from a2 source 10.0.0.1 group 225.1.1.3 to b2
mgroup from j0 group 225.9.9.9
`

func TestLimit(t *testing.T) {
	for _, tt := range []struct {
		in                  mroute.Inbound
		vifs, rules, groups string
	}{
		{mroute.Inbound{}, "i0 a0 b0 a1 b1 b2 a2 j0", "a0 a1 a2 a2", "j0"},
		{mroute.Inbound{Except: only("a1")}, "a0 a2 b0 b1 b2 i0 j0", "a0 a2 a2", "j0"},
		{mroute.Inbound{Except: only("a0", "a2")}, "a1 b0 b1 b2 i0 j0", "a1", "j0"},
		{mroute.Inbound{Only: only("a2", "a7")}, "a2 a0 b1 b2", "a2 a2", ""},
		{mroute.Inbound{Only: only()}, "", "", ""},
	} {
		w := newWorld(t, partsText, "i0 a0 a1 a2 b0 b1 b2 j0")
		res := plan.NewResolver(w.in, w.links)
		res.Limit(tt.in)
		w.lines(fmt.Sprint(tt.in, " VIFs"), namesOf(res.WantVIFs()), tt.vifs)
		var v plan.VIFs
		for n, l := range w.links {
			v.Set(mroute.VIF(n), l.Index)
		}
		rules, _ := rules(res, &v)
		var from []string
		for _, r := range rules {
			from = append(from, r.IIF)
		}
		w.lines(fmt.Sprint(tt.in, " rules"), strings.Join(from, " "), tt.rules)
		groups := ""
		for range res.Groups() {
			groups += "j0"
		}
		w.lines(fmt.Sprint(tt.in, " groups"), groups, tt.groups)
		for _, l := range w.links {
			takes := tt.in.Takes(l.Name)
			sg := mroute.SG{Source: netip.MustParseAddr("10.0.0.9"), Group: netip.MustParseAddr("225.1.1.1")}
			if _, ok := res.Entry(sg, l.Index, &v); ok != takes {
				t.Errorf("%+v: %s takes packets in: %v, expected %v", tt.in, l.Name, ok, takes)
			}
			if res.Takes(l.Index) != takes {
				t.Errorf("%+v: Takes(%s) is %v", tt.in, l.Name, !takes)
			}
		}
	}
}

// Who has only a part tells of it alone.
func TestPendingOfPart(t *testing.T) {
	w := newWorld(t, partsText+"mroute from a2 group 225.1.1.4 to c0\n", "a0 a1 a2 b0 b1 b2")
	noVIF := plan.Problems{NoVIF: func(mroute.Family) map[int]plan.Problem {
		return map[int]plan.Problem{5: {Cause: mroute.CauseVIFTableFull, Reason: "b1 is without"}}
	}}
	for _, tt := range []struct {
		in   mroute.Inbound
		want string
	}{
		{mroute.Inbound{Except: only("a1")}, "225.1.1.2: b1 is without, 225.1.1.4: no interface c0, 225.9.9.9: no interface j0"},
		{mroute.Inbound{Only: only("a1")}, "225.1.1.1: b1 is without"},
		{mroute.Inbound{Only: only("a0")}, ""},
	} {
		res := plan.NewResolver(w.in, w.links)
		res.Limit(tt.in)
		var got []string
		for _, p := range res.Pending(noVIF, nil) {
			got = append(got, p.Match.Group.Addr().String()+": "+p.Reason)
		}
		w.lines(fmt.Sprint(tt.in), strings.Join(got, ", "), tt.want)
	}
}

func TestDemand(t *testing.T) {
	w := newWorld(t, partsText, "i0 a0 a1 a2 b0 b1 b2 j0")
	if d := plan.NewResolver(w.in, w.links).Demand(); d.Wanted != 8 || d.Needs != nil {
		t.Errorf("while there is room: %+v", d)
	}
	for i := 3; i < 30; i++ {
		w.links = append(w.links, mroute.Link{Index: 100 + i, Name: fmt.Sprint("b", i), Multicast: true})
	}
	w.ctl("add a3 225.2.2.2 b3\nadd a0 225.2.2.2 b29\nadd a0 225.2.2.3 a1\nremove a0 225.2.2.3 a1")
	w.links = append(w.links, mroute.Link{Index: 200, Name: "a3", Multicast: true})
	d := plan.NewResolver(w.in, w.links).Demand()
	var got []string
	for _, n := range d.Needs {
		got = append(got, fmt.Sprintf("%s/%d %d", n.Link, n.Index, n.With))
	}
	all := []int{3, 5, 6, 7}
	for i := 3; i < 30; i++ {
		all = append(all, 100+i)
	}
	w.lines("needs", strings.Join(got, "\n"), fmt.Sprintf("a0/2 [2 5 129]\na1/3 %d\na2/4 [2 4 6 7]\na3/200 [103 200]", all))
	if d.Wanted != 36 {
		t.Errorf("%d are wanted", d.Wanted)
	}
}

// A part of a router does with the packets that it takes what the whole does.
// What follows a clone, or the original, does not show in the other.
func TestPartsAgreeWithTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawModel(t)
		in, whole, vifs := m.resolver()
		edit := func() {
			for range rapid.IntRange(0, 4).Draw(t, "edits") {
				ed := mroute.Edit{
					Kind: rapid.SampledFrom([]mroute.EditKind{mroute.AddRoute, mroute.AddRoute, mroute.RemoveRoute}).Draw(t, "kind"),
					Route: mroute.Route{
						From:  rapid.SampledFrom(modelPatterns).Draw(t, "from"),
						Match: match(rapid.SampledFrom(modelMatches).Draw(t, "match")),
						To:    []mroute.Output{{If: rapid.SampledFrom(modelPatterns).Draw(t, "to")}},
					},
				}
				_ = in.Edit(ed) // there may be nothing to remove
			}
		}
		edit()
		type key struct {
			sg   mroute.SG
			link int
		}
		entries, none := map[key]mroute.Entry{}, map[key]bool{}
		for _, sg := range modelFlows {
			for _, l := range whole.Links() {
				e, ok := whole.Entry(sg, l.Index, vifs)
				entries[key{sg, l.Index}], none[key{sg, l.Index}] = e, !ok
			}
		}
		clone := in.Clone()
		edit()
		part := plan.NewResolver(clone, whole.Links())
		limit := mroute.Inbound{Only: map[string]bool{}}
		for _, l := range whole.Links() {
			if rapid.Bool().Draw(t, "takes") {
				limit.Only[l.Name] = true
			}
		}
		part.Limit(limit)
		for _, sg := range modelFlows {
			for _, l := range whole.Links() {
				want, ok := entries[key{sg, l.Index}], !none[key{sg, l.Index}]
				got, has := part.Entry(sg, l.Index, vifs)
				vif, arrives := vifs.Of(l.Index)
				if arrives && sg.Source.IsValid() && ok && want.IIF == vif && limit.Takes(l.Name) && (!has || got != want) &&
					!(want.Kind == mroute.StopFilter && got.IIF != vif) { // it can be native, and be for packets from elsewhere
					t.Fatalf("%v on %s: the whole has %v, the part %v (%v)\n%v", sg, l.Name, want, got, has, m)
				}
				if from, _ := part.Link(vifs.Link(got.IIF)); has && !limit.Takes(from.Name) {
					t.Fatalf("%v on %s: the part has %v\n%v", sg, l.Name, got, m)
				}
			}
		}
	})
}
