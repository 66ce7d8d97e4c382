package plan_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/conf"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// world is an intent, written as smcroute.conf and smcroutectl have it, on some
// links.
type world struct {
	t     *testing.T
	in    *plan.Intent
	links []mroute.Link
}

// newWorld has links by name, whose ifindexes count from 1. One after a "!" has
// no MULTICAST.
func newWorld(t *testing.T, text, links string) *world {
	t.Helper()
	w := &world{t: t, in: plan.NewIntent()}
	for i, name := range strings.Fields(links) {
		name, without := strings.CutPrefix(name, "!")
		w.links = append(w.links, mroute.Link{Index: i + 1, Name: name, Up: true, Multicast: !without})
	}
	w.in.SetLayer(layer(t, text))
	return w
}

func layer(t *testing.T, text string) mroute.Layer {
	t.Helper()
	l, diags := conf.Parse(conf.Source{Name: "conf", Text: text}, conf.Options{})
	for _, d := range diags {
		if d.Severity == conf.Error {
			t.Fatal(d)
		}
	}
	return l
}

var commands = map[string]mroute.EditKind{
	"add": mroute.AddRoute, "remove": mroute.RemoveRoute, "join": mroute.AddJoin, "leave": mroute.RemoveJoin,
}

// ctl gives commands of smcroutectl, one a line. Behind a "!" is one that must
// be refused.
func (w *world) ctl(lines string) {
	w.t.Helper()
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		refused := words[0] == "!"
		if refused {
			words = words[1:]
		}
		ed, err := conf.ParseEdit(commands[words[0]], words[1:])
		if err != nil {
			w.t.Fatal(err)
		}
		ed.Route.Origin.Ref, ed.Join.Origin.Ref = "client", "client"
		err = w.in.Edit(ed)
		if !refused && err != nil {
			w.t.Fatalf("%s: %v", line, err)
		}
		is := plan.ErrNoRoute
		if ed.Kind == mroute.RemoveJoin {
			is = plan.ErrNoGroup
		}
		if refused && !errors.Is(err, is) {
			w.t.Fatalf("%s: %v, want a refusal that says: %v", line, err, is)
		}
	}
}

// resolve gives VIFs to the first of the links that need one, in order.
func (w *world) resolve(vifs int) (*plan.Resolver, *plan.VIFs) {
	res := plan.NewResolver(w.in, w.links)
	v := &plan.VIFs{}
	for i, l := range res.WantVIFs() {
		if i < vifs {
			v.Set(mroute.VIF(i), l.Index)
		}
	}
	return res, v
}

// rules lists the rows of Rules: "a0 (*, 225.1.1.1) -> b0 b1".
func (w *world) rules() string {
	res, v := w.resolve(mroute.MaxVIFs)
	views, iifs := rules(res, v)
	var b strings.Builder
	for i, r := range views {
		if l, _ := res.Link(iifs[i]); l.Name != r.IIF {
			w.t.Errorf("row %d is of link %d, which is %s", i, iifs[i], r.IIF)
		}
		fmt.Fprintf(&b, "%s %v%v -> %s\n", r.IIF, r.Match, r.Scopes, strings.Join(r.OIFs, " "))
	}
	return b.String()
}

// entry is what the kernel should hold for a flow that arrives on the link, "" if
// that is not known: "static a0 -> b0", "none".
func (w *world) entry(link, flow string) string {
	res, v := w.resolve(mroute.MaxVIFs)
	arrival := 0
	for _, l := range w.links {
		if l.Name == link {
			arrival = l.Index
		}
	}
	e, ok := res.Entry(match(flow).SG(), arrival, v)
	if !ok {
		return "none"
	}
	l, _ := res.Link(v.Link(e.IIF))
	var outs []string
	for n, th := range e.OIFs {
		if th == 0 {
			continue
		}
		l, _ := res.Link(v.Link(mroute.VIF(n)))
		if th > 1 {
			l.Name += fmt.Sprintf(":%d", th)
		}
		outs = append(outs, l.Name)
	}
	return strings.TrimSpace(fmt.Sprintf("%v %s -> %s", e.Kind, l.Name, strings.Join(outs, " ")))
}

// pending lists Pending: "conf:3 mroute a0 -> b0 b1: no interface b1".
func (w *world) pending(vifs int) string {
	res, v := w.resolve(vifs)
	var b strings.Builder
	noVIF := func(f mroute.Family) map[int]plan.Problem {
		lack := make(map[int]plan.Problem)
		for _, l := range res.WantVIFs() {
			if _, ok := v.Of(l.Index); !ok {
				lack[l.Index] = plan.Problem{Cause: mroute.CauseVIFTableFull, Reason: fmt.Sprintf("%s has no VIF in the %v table", l.Name, f)}
			}
		}
		return lack
	}
	for _, p := range res.Pending(plan.Problems{NoVIF: noVIF}, nil) {
		fmt.Fprintf(&b, "%v %s %s %v", p.Origin, p.Kind, p.From, p.Match)
		for i, o := range p.To {
			fmt.Fprint(&b, []string{" -> ", " "}[min(i, 1)], o)
		}
		fmt.Fprintf(&b, ": %s\n", p.Reason)
		if p.Cause == 0 {
			w.t.Errorf("%v is pending without a cause: %s", p.Origin, p.Reason)
		}
	}
	return b.String()
}

// joins lists Joins, each once: "a0 (*, 225.1.1.1)".
func (w *world) joins() string {
	res, _ := w.resolve(mroute.MaxVIFs)
	var b strings.Builder
	seen := make(map[plan.Membership]bool)
	res.Joins(func(m plan.Membership) bool {
		if seen[m] {
			return true
		}
		seen[m] = true
		l, _ := res.Link(m.Ifindex)
		fmt.Fprintf(&b, "%s %v\n", l.Name, m.SG)
		if !res.Joined(m) {
			w.t.Errorf("%v on %s is among the joins, but Joined denies it", m.SG, l.Name)
		}
		return true
	})
	return b.String()
}

// lines compares a listing with lines that may be indented.
func (w *world) lines(what, got, want string) {
	w.t.Helper()
	var ls []string
	for line := range strings.Lines(want) {
		if line = strings.TrimSpace(line); line != "" {
			ls = append(ls, line)
		}
	}
	var have []string
	for line := range strings.Lines(got) {
		have = append(have, strings.TrimSpace(line))
	}
	if g, x := strings.Join(have, "\n"), strings.Join(ls, "\n"); g != x {
		w.t.Errorf("%s:\n%s\nwant\n%s", what, g, x)
	}
}

// rules are all rows that res lists, and the ifindex of each.
func rules(res *plan.Resolver, v *plan.VIFs) (rows []mroute.RuleView, iifs []int) {
	res.Rules(func(mroute.Family) *plan.VIFs { return v }, nil, nil, func(row mroute.RuleView, _ *mroute.Route, ifindex int) {
		rows, iifs = append(rows, row), append(iifs, ifindex)
	})
	return rows, iifs
}
