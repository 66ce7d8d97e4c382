package plan_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// partRoom is how many numbers a part has: see [mroute.Part].
const partRoom = 100

// drawPart makes a part whose numbers begin behind base.
func drawPart(t *rapid.T, base int) *mroute.Part {
	p := &mroute.Part{Routes: drawLayer(t, "kubernetes").Routes}
	for i := range p.Routes {
		p.Routes[i].Origin.Line, p.Routes[i].Origin.Seq = base, base+1+2*i
		if !p.Routes[i].Match.IsExact() {
			p.Routes[i].MaxFlows = rapid.IntRange(0, 2).Draw(t, "limit")
		}
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "joins") {
		p.Joins = append(p.Joins, mroute.Join{
			If:     rapid.SampledFrom(modelPatterns).Draw(t, "join"),
			Match:  match(rapid.SampledFrom([]string{"* 225.1.1.1", "10.0.0.1 225.1.1.2", "* 225.1.2.0/30"}).Draw(t, "joined")),
			Origin: mroute.Origin{Ref: "kubernetes", Line: base, Seq: base + 2 + 2*i},
		})
	}
	return p
}

// alterPart is p with some of its routes and joins gone or changed, and all of a new
// generation, as of an object that was edited.
func alterPart(t *rapid.T, p *mroute.Part) *mroute.Part {
	q := &mroute.Part{}
	for _, rt := range p.Routes {
		rt.Origin.Generation++
		switch rapid.IntRange(0, 7).Draw(t, "edit") {
		case 0:
			continue
		case 1:
			rt.To = slices.Concat(rt.To, []mroute.Output{{If: rapid.SampledFrom(modelPatterns).Draw(t, "output")}})
		case 2:
			rt.Match = match(rapid.SampledFrom(modelMatches).Draw(t, "match"))
			rt.Scopes, rt.Except, rt.MaxFlows = mroute.ScopeMask{}, nil, 0
			if rt.Match.Group.Bits() == 0 {
				rt.Scopes = mroute.ScopeMask{Set: true, Bits: 0xfff0}
			}
		}
		q.Routes = append(q.Routes, rt)
	}
	for _, j := range p.Joins {
		j.Origin.Generation++
		if rapid.IntRange(0, 7).Draw(t, "drop") > 0 {
			q.Joins = append(q.Joins, j)
		}
	}
	return q
}

// asOne is a layer that says the same without parts.
func asOne(l mroute.Layer) mroute.Layer {
	one := mroute.Layer{Name: l.Name, FirstMatch: l.FirstMatch}
	for rt := range l.AllRoutes() {
		one.Routes = append(one.Routes, *rt)
	}
	for j := range l.AllJoins() {
		one.Joins = append(one.Joins, *j)
	}
	return one
}

// question is one of which an intent has an answer.
type question struct {
	SG      mroute.SG
	Arrival int
}

// answers are those that an intent has on all that there is.
type answers struct {
	Entries map[question]mroute.Entry
	Fed     map[question][]mroute.Origin
	VIFs    []mroute.Link
	Exact   []mroute.SG
	Limited []mroute.Origin
	Joins   []plan.Membership
	Pending []mroute.PendingView
	Rules   []mroute.RuleView
	Groups  []mroute.GroupView
	Demand  []mroute.Link
	Counts  []int
}

func (m model) answersOf(in *plan.Intent) answers {
	res, vifs := plan.NewResolver(in, m.links), m.table()
	a := answers{Entries: map[question]mroute.Entry{}, Fed: map[question][]mroute.Origin{}, VIFs: res.WantVIFs(), Groups: res.Groups(), Demand: res.Arrivals()}
	for _, sg := range modelFlows {
		for _, l := range append([]mroute.Link{{}}, m.links...) {
			q := question{sg, l.Index}
			if e, ok := res.Entry(sg, l.Index, vifs); ok {
				a.Entries[q] = e
			}
			for _, rt := range res.Feeding(nil, sg, l.Index) {
				a.Fed[q] = append(a.Fed[q], rt.Origin)
			}
		}
		group := mroute.SG{Group: sg.Group}
		if e, ok := res.Entry(group, 0, vifs); ok {
			a.Entries[question{group, 0}] = e
		}
	}
	var c plan.Cursor
	for sg, ok := in.NextExact(&c); ok; sg, ok = in.NextExact(&c) {
		a.Exact = append(a.Exact, sg)
	}
	in.Limited(func(rt *mroute.Route) { a.Limited = append(a.Limited, rt.Origin) })
	res.Joins(func(j plan.Membership) bool { a.Joins = append(a.Joins, j); return true })
	table := func(mroute.Family) *plan.VIFs { return vifs }
	a.Pending = res.Pending(plan.Problems{VIFs: table}, nil)
	res.Rules(table, nil, nil, func(row mroute.RuleView, _ *mroute.Route, _ int) { a.Rules = append(a.Rules, row) })
	a.Counts = []int{in.Routes(), in.ExactRoutes(mroute.IPv4), in.ExactRoutes(mroute.IPv6)}
	return a
}

func differs(a, b answers) string {
	return cmp.Diff(a, b, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty())
}

// Whatever parts come and go, the layer says what one without parts does, and a change
// names all that differs. Who has a clone from before sees nothing of it.
func TestPartsOfALayer(t *testing.T) {
	told := 0
	rapid.Check(t, func(t *rapid.T) {
		m := drawModel(t)
		in := plan.NewIntent()
		other := drawLayer(t, "file")
		in.SetLayer(other)
		l := mroute.Layer{Name: "kubernetes", FirstMatch: rapid.IntRange(0, 5).Draw(t, "first match") == 0}
		bases := map[*mroute.Part]int{}
		part := func(base int) *mroute.Part {
			p := drawPart(t, base)
			bases[p] = base
			return p
		}
		for i := range rapid.IntRange(0, 4).Draw(t, "parts") {
			l.Parts = append(l.Parts, part((2*i+1)*partRoom))
		}
		in.SetLayer(l)
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			before := m.answersOf(in)
			l.Parts = slices.Clone(l.Parts)
			at := rapid.IntRange(0, len(l.Parts)).Draw(t, "at")
			base := partRoom
			if at > 0 {
				base = bases[l.Parts[at-1]] + partRoom
			}
			switch kind := rapid.IntRange(0, 3).Draw(t, "kind"); {
			case kind == 0 && (at == len(l.Parts) || bases[l.Parts[at]] > base):
				l.Parts = slices.Insert(l.Parts, at, part(base))
			case at == len(l.Parts):
			case kind == 1:
				l.Parts = slices.Delete(l.Parts, at, at+1)
			case kind == 2:
				p := alterPart(t, l.Parts[at])
				bases[p] = bases[l.Parts[at]]
				l.Parts[at] = p
			default:
				l.Parts[at] = part(bases[l.Parts[at]])
			}
			var clone *plan.Intent
			if rapid.IntRange(0, 3).Draw(t, "clone") == 0 {
				clone = in.Clone()
			}
			ch := in.SetLayer(l)
			after := m.answersOf(in)
			want := plan.NewIntent()
			want.SetLayer(other)
			want.SetLayer(asOne(l))
			if d := differs(m.answersOf(want), after); d != "" {
				t.Fatal(d)
			}
			if clone != nil {
				if d := differs(before, m.answersOf(clone)); d != "" {
					t.Fatalf("the clone: %s", d)
				}
			}
			if ch.All {
				continue
			}
			told++
			for q := range before.Entries {
				if _, ok := after.Entries[q]; !ok {
					after.Entries[q] = mroute.Entry{}
				}
			}
			for q, e := range after.Entries {
				if e != before.Entries[q] && !slices.ContainsFunc(ch.Matches, func(m mroute.Match) bool { return concerns(m, q.SG) }) {
					t.Fatalf("%v arriving on link %d is not among the changes %v", q.SG, q.Arrival, ch.Matches)
				}
			}
			if !ch.Joins && !slices.Equal(before.Joins, after.Joins) {
				t.Fatalf("joins %v, now %v", before.Joins, after.Joins)
			}
		}
	})
	if told == 0 {
		t.Error("no change was told by rule")
	}
}

// Parts that come and go leave nothing behind.
func TestPartsLeaveNothing(t *testing.T) {
	part := func(base, n int, source string) *mroute.Part {
		p := &mroute.Part{}
		for i := range n {
			m := mroute.Match{Source: prefix(source), Group: netip.PrefixFrom(netip.AddrFrom4([4]byte{232, 1, byte(i >> 8), byte(i)}), 32)}
			p.Routes = append(p.Routes, mroute.Route{From: "a0", Match: m, To: []mroute.Output{{If: "b0"}}, Origin: mroute.Origin{Seq: base + i}})
		}
		return p
	}
	first, last := part(1, 1000, "10.0.0.1"), part(100_000, 1000, "10.0.0.2")
	in := plan.NewIntent()
	in.SetLayer(mroute.Layer{Parts: []*mroute.Part{first, last}})
	blocks, shapes := in.Room()
	for i := range 100 {
		passing := part(50_000, 1+i, []string{"10.0.0.3", "10.0.0.0/24", "10.0.0.0/25"}[i%3])
		if ch := in.SetLayer(mroute.Layer{Parts: []*mroute.Part{first, passing, last}}); ch.All || len(ch.Matches) != 1+i {
			t.Fatalf("a part of %d: %d changes, all %v", 1+i, len(ch.Matches), ch.All)
		}
		in.SetLayer(mroute.Layer{Parts: []*mroute.Part{first, last}})
	}
	// Two blocks were needed at a time.
	if b, s := in.Room(); b > blocks+2 || s != shapes {
		t.Errorf("%d blocks and %d shapes, at first %d and %d", b, s, blocks, shapes)
	}
}

// Of a part that changes, what differs is told, and nothing more.
func TestPartChanged(t *testing.T) {
	join := mroute.Join{If: "a0", Match: match("* 225.1.1.1"), Origin: mroute.Origin{Seq: 9}}
	other := join
	other.If = "b0"
	rt := func(seq int, sg string, outputs ...mroute.Output) mroute.Route {
		return mroute.Route{From: "a0", Match: match(sg), To: outputs, Origin: mroute.Origin{Ref: "first", Seq: seq}}
	}
	b0, c0 := mroute.Output{If: "b0"}, mroute.Output{If: "c0"}
	part := func(joins []mroute.Join, routes ...mroute.Route) *mroute.Part {
		return &mroute.Part{Joins: joins, Routes: routes}
	}
	ofAnother := rt(2, "10.0.0.1 232.1.1.2", b0)
	ofAnother.Origin.Ref = "second"
	edited := rt(2, "10.0.0.1 232.1.1.2", b0)
	edited.Origin.Generation = 7
	first, last := rt(1, "10.0.0.1 232.1.1.1", b0), rt(3, "10.0.0.1 232.1.1.3", b0)
	before := part([]mroute.Join{join}, first, rt(2, "10.0.0.1 232.1.1.2", b0), last)
	for name, test := range map[string]struct {
		after *mroute.Part
		want  []string
		joins bool
	}{
		"nothing but the generation": {part([]mroute.Join{join}, first, edited, last), nil, false},
		"an output":                  {part([]mroute.Join{join}, first, rt(2, "10.0.0.1 232.1.1.2", c0), last), []string{"10.0.0.1 232.1.1.2"}, false},
		"a match":                    {part([]mroute.Join{join}, first, rt(2, "10.0.0.1 232.1.1.9", b0), last), []string{"10.0.0.1 232.1.1.2", "10.0.0.1 232.1.1.9"}, false},
		"the object":                 {part([]mroute.Join{join}, first, ofAnother, last), []string{"10.0.0.1 232.1.1.2"}, false},
		"one gone":                   {part([]mroute.Join{join}, first, last), []string{"10.0.0.1 232.1.1.2"}, false},
		"one come":                   {part([]mroute.Join{join}, first, rt(2, "10.0.0.1 232.1.1.2", b0), last, rt(4, "10.0.0.1 232.1.1.4", b0)), []string{"10.0.0.1 232.1.1.4"}, false},
		"a join":                     {part([]mroute.Join{other}, first, rt(2, "10.0.0.1 232.1.1.2", b0), last), nil, true},
		"all but its place": {
			part(nil, rt(5, "10.0.0.1 232.1.1.1", b0)),
			[]string{"10.0.0.1 232.1.1.1", "10.0.0.1 232.1.1.2", "10.0.0.1 232.1.1.3", "10.0.0.1 232.1.1.1"}, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := plan.NewIntent()
			in.SetLayer(mroute.Layer{Parts: []*mroute.Part{before}})
			want := plan.Change{Joins: test.joins}
			for _, sg := range test.want {
				want.Matches = append(want.Matches, match(sg))
			}
			ch := in.SetLayer(mroute.Layer{Parts: []*mroute.Part{test.after}})
			if d := cmp.Diff(want, ch, cmpopts.EquateComparable(netip.Prefix{})); d != "" {
				t.Error(d)
			}
		})
	}
}
