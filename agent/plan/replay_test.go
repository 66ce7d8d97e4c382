package plan_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// replay is what clients' edits come to if each acts, link by link, on what is
// there: a rule is a set of names on one inbound link.
type replay map[string]map[string]bool // inbound -> outputs; nil: no rule

func (rp replay) play(ed mroute.Edit, m model) {
	for _, in := range m.links {
		if !m.names(ed.Route.From, in) {
			continue
		}
		outs := rp[in.Name]
		if ed.Kind == mroute.RemoveRoute && len(ed.Route.To) == 0 {
			delete(rp, in.Name)
			continue
		}
		if ed.Kind == mroute.AddRoute && outs == nil {
			outs = make(map[string]bool)
			rp[in.Name] = outs
		}
		for _, o := range ed.Route.To {
			for _, l := range m.links {
				switch {
				case !m.names(o.If, l):
				case ed.Kind == mroute.RemoveRoute:
					delete(outs, l.Name)
				case l.Name != in.Name || !strings.ContainsAny(string(o.If), "+/"):
					outs[l.Name] = true
				}
			}
		}
	}
}

// TestEditsAgreeWithAReplay plays edits of the rules of one match, on top of a
// layer that has some too, and compares with what they come to when applied in
// turn. It also shows that a refused edit changes nothing, and that one which
// has an effect is not refused.
func TestEditsAgreeWithAReplay(t *testing.T) {
	for _, mt := range []string{"10.0.0.1 225.0.0.1", "* 225.0.0.1", "10.0.0.0/24 225.0.0.0/24"} {
		t.Run(mt, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				m := model{vifs: make(map[int]mroute.VIF), layers: []mroute.Layer{{Name: "file", FirstMatch: true}}}
				for i, n := range []string{"a0", "a1", "b0", "b1"} {
					m.links = append(m.links, mroute.Link{Index: i + 1, Name: n, Multicast: true})
					m.vifs[i+1] = mroute.VIF(i)
				}
				pattern := rapid.SampledFrom([]mroute.IfPattern{"a0", "a1", "b0", "a+", "b+", "+", "a0/1", "a0/2", "b1/4"})
				drawRoute := func(seq int) mroute.Route {
					r := mroute.Route{From: pattern.Draw(t, "from"), Match: match(mt), Origin: mroute.Origin{Seq: seq}}
					for range rapid.IntRange(0, 2).Draw(t, "outputs") {
						r.To = append(r.To, mroute.Output{If: pattern.Draw(t, "to")})
					}
					return r
				}
				want := make(replay)
				for seq := range rapid.IntRange(0, 2).Draw(t, "rules in the layer") {
					r := drawRoute(seq + 1)
					m.layers[0].Routes = append(m.layers[0].Routes, r)
					want.play(mroute.Edit{Kind: mroute.AddRoute, Route: r}, m)
				}
				in, res, vifs := m.resolver()
				flow := match("10.0.0.1 225.0.0.1").SG()
				look := func() string {
					var b strings.Builder
					for _, l := range m.links {
						if e, ok := res.Entry(flow, l.Index, vifs); ok && e.Kind != mroute.StopFilter && e.IIF == m.vifs[l.Index] {
							fmt.Fprintln(&b, l.Name, res.Names(e.OIFs, vifs))
						}
					}
					return b.String()
				}
				expect := func() string {
					var b strings.Builder
					for _, l := range m.links {
						if outs := want[l.Name]; outs != nil {
							var names []string
							for n := range outs {
								names = append(names, n)
							}
							slices.Sort(names)
							fmt.Fprintln(&b, l.Name, names)
						}
					}
					return b.String()
				}
				var story []string
				for range rapid.IntRange(1, 8).Draw(t, "edits") {
					ed := mroute.Edit{
						Kind:  rapid.SampledFrom([]mroute.EditKind{mroute.AddRoute, mroute.RemoveRoute}).Draw(t, "kind"),
						Route: drawRoute(0),
					}
					err := in.Edit(ed)
					story = append(story, fmt.Sprintf("%d %s %v: %v", ed.Kind, ed.Route.From, ed.Route.To, err))
					before := expect()
					if err == nil {
						want.play(ed, m)
					}
					if got, want := look(), expect(); got != want {
						t.Fatalf("got\n%swant\n%safter\n%s\non%v", got, want, strings.Join(story, "\n"), m)
					}
					if err != nil {
						// The names that a refused removal lists are not there; if
						// it lists several, at least one of them.
						if len(ed.Route.To) <= 1 {
							want.play(ed, m)
							if expect() != before {
								t.Fatalf("refused, but would change\n%safter\n%s\n%v", before, strings.Join(story, "\n"), m)
							}
						}
					}
					if rows, want := rows(res, vifs), expectRows(want, m); rows != want {
						t.Fatalf("listed\n%swant\n%safter\n%s\n%v", rows, want, strings.Join(story, "\n"), m)
					}
				}
				in.DropEdits()
				clear(want)
				for _, r := range m.layers[0].Routes {
					want.play(mroute.Edit{Kind: mroute.AddRoute, Route: r}, m)
				}
				if got, want := look(), expect(); got != want {
					t.Fatalf("edits dropped: got\n%swant\n%s", got, want)
				}
			})
		})
	}
}

// rows lists what Rules shows, in order of inbound link.
func rows(res *plan.Resolver, v *plan.VIFs) string {
	views, _ := rules(res, v)
	slices.SortStableFunc(views, func(a, b mroute.RuleView) int { return cmp.Compare(a.IIF, b.IIF) })
	var b strings.Builder
	for _, r := range views {
		fmt.Fprintln(&b, r.IIF, r.OIFs)
	}
	return b.String()
}

func expectRows(rp replay, m model) string {
	var b strings.Builder
	for _, in := range m.links {
		if outs := rp[in.Name]; outs != nil {
			var names []string
			for _, l := range m.links {
				if outs[l.Name] {
					names = append(names, l.Name)
				}
			}
			fmt.Fprintln(&b, in.Name, names)
		}
	}
	return b.String()
}
