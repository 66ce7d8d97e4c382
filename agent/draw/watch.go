package draw

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// ChangeKind is what has happened between two looks.
type ChangeKind string

// The kinds of changes.
const (
	Watching       ChangeKind = "watching"   // nothing: this is where it begins
	FlowLearned    ChangeKind = "learned"    // an entry is in the kernel
	FlowDropped    ChangeKind = "dropped"    // a stop filter is: packets come that no route takes
	FlowGone       ChangeKind = "gone"       // an entry is no more
	FlowMoved      ChangeKind = "moved"      // its inbound interface or its outputs are others
	FlowStopped    ChangeKind = "stopped"    // no packet has come for [Look.Silent]
	FlowStarted    ChangeKind = "started"    // packets come again
	FlowAstray     ChangeKind = "wrong-if"   // the first packet on another interface has come
	RoutePending   ChangeKind = "pending"    // a route, or a membership, is not wholly in the kernel
	RouteInKernel  ChangeKind = "programmed" // it is now
	RouteAdded     ChangeKind = "added"      // a rule is there on one more inbound interface
	RouteRemoved   ChangeKind = "removed"
	RouterSilent   ChangeKind = "no-answer" // the router of a node says nothing
	RouterAnswered ChangeKind = "answers"   // it does again
)

// Change is one thing that has happened.
type Change struct {
	Time   time.Time  `json:"time"` // of the state that showed it; zero if there is none
	Node   string     `json:"node,omitempty"`
	Change ChangeKind `json:"change"`
	Source string     `json:"source,omitempty"` // none: any
	Group  string     `json:"group,omitempty"`  // none: it is about the router
	IIF    string     `json:"iif,omitempty"`
	OIFs   []string   `json:"oifs,omitempty"`
	Route  string     `json:"route,omitempty"`
	Cause  string     `json:"cause,omitempty"`
	Reason string     `json:"reason,omitempty"`
}

// Beginning is what to print before any changes.
func (l *Look) Beginning() *Change {
	c := &Change{Change: Watching}
	nodes := 0
	l.each(func(_ string, now, _ *view.State) {
		nodes++
		if now.Time.After(c.Time) {
			c.Time = now.Time
		}
	})
	c.Reason = counted(len(l.Routes().Routes), "route") + ", " + counted(len(l.Flows().Flows), "flow")
	if len(l.Now) > 1 {
		c.Reason = counted(nodes, "node") + ", " + c.Reason
	}
	return c
}

// Changes returns what has happened between the two looks: of routers, then of
// routes, then of flows.
func (l *Look) Changes() []Change {
	var all []Change
	for i := range l.Now {
		now := &l.Now[i]
		n := slices.IndexFunc(l.Before, func(r Router) bool { return r.Node == now.Node })
		if n < 0 {
			if now.Problem != "" {
				all = append(all, Change{Node: now.Node, Change: RouterSilent, Reason: now.Problem})
			}
			continue
		}
		before := &l.Before[n]
		switch {
		case now.Problem != "" && before.Problem == "":
			all = append(all, Change{Node: now.Node, Change: RouterSilent, Reason: now.Problem})
		case now.Problem == "" && before.Problem != "":
			all = append(all, Change{Node: now.Node, Change: RouterAnswered, Time: now.State.Time})
		}
		if now.State != nil && before.State != nil {
			d := differ{l, now.Node, now.State, before.State}
			all = append(all, d.rules()...)
			all = append(all, d.pending()...)
			all = append(all, d.flows()...)
		}
	}
	return all
}

// Remember returns what to compare the next look with: what each router said now,
// or if it said nothing, before.
func Remember(before, now []Router) []Router {
	next := slices.Clone(now)
	for i := range next {
		if next[i].State != nil {
			continue
		}
		for _, old := range before {
			if old.Node == next[i].Node {
				next[i].State = old.State
			}
		}
	}
	return next
}

// differ compares two states of one router.
type differ struct {
	look        *Look
	node        string
	now, before *view.State
}

func (d *differ) change(kind ChangeKind, source, group view.Net, iif string, oifs []string) Change {
	return Change{
		Time: d.now.Time, Node: d.node, Change: kind,
		Source: sourceText(source), Group: group.String(), IIF: iif, OIFs: oifs,
	}
}

// split returns what is in now alone and what is in before alone, by key.
func split[T any, K comparable](now, before []T, key func(*T) K) (come, gone []*T) {
	missing := func(from, in []T) (all []*T) {
		has := make(map[K]bool, len(in))
		for i := range in {
			has[key(&in[i])] = true
		}
		for i := range from {
			if !has[key(&from[i])] {
				all = append(all, &from[i])
			}
		}
		return all
	}
	return missing(now, before), missing(before, now)
}

func (d *differ) rules() (all []Change) {
	type key struct {
		origin        view.Origin
		source, group view.Net
		iif           string
	}
	f := &d.look.Filter
	come, gone := split(d.now.Rules, d.before.Rules, func(r *view.Rule) key {
		o := r.Origin
		o.Generation = 0 // an object that was changed may have the same rule
		return key{o, r.Source, r.Group, r.IIF}
	})
	for kind, rules := range map2(RouteAdded, come, RouteRemoved, gone) {
		for _, r := range rules {
			if f.Takes(r.Source, r.Group) && f.from(r.Origin) {
				c := d.change(kind, r.Source, r.Group, r.IIF, r.OIFs)
				c.Route = origin(r.Origin)
				all = append(all, c)
			}
		}
	}
	return all
}

func (d *differ) pending() (all []Change) {
	type key struct {
		kind          string
		origin        view.Origin
		source, group view.Net
		iif, reason   string
	}
	f := &d.look.Filter
	with := func(p *view.Pending) key {
		return key{p.Kind, p.Origin, p.Source, p.Group, p.IIF, p.Reason}
	}
	still := map[key]bool{} // whatever the reason is
	for i := range d.now.Pending {
		k := with(&d.now.Pending[i])
		k.reason = ""
		still[k] = true
	}
	come, gone := split(d.now.Pending, d.before.Pending, with)
	for kind, lines := range map2(RoutePending, come, RouteInKernel, gone) {
		for _, p := range lines {
			k := with(p)
			k.reason = ""
			if kind == RouteInKernel && (still[k] || !d.wanted(p)) || !f.Takes(p.Source, p.Group) || !f.from(p.Origin) {
				continue
			}
			c := d.change(kind, p.Source, p.Group, p.IIF, p.OIFs)
			c.Route = origin(p.Origin)
			if kind == RoutePending {
				c.Cause, c.Reason = p.Cause, p.Reason
			}
			all = append(all, c)
		}
	}
	return all
}

// wanted reports whether what was pending is still there: it may be pending no
// more because it was removed.
func (d *differ) wanted(p *view.Pending) bool {
	if p.Kind != "mroute" {
		return slices.ContainsFunc(d.now.Groups, func(m view.Membership) bool {
			return m.Source == p.Source && m.Group == p.Group && m.If == p.IIF
		})
	}
	return slices.ContainsFunc(d.now.Rules, func(r view.Rule) bool {
		return r.Source == p.Source && r.Group == p.Group && r.Origin == p.Origin && matches(p.IIF, r.IIF)
	})
}

func (d *differ) flows() (all []Change) {
	f := &d.look.Filter
	come, gone := split(d.now.Flows, d.before.Flows, keyOf)
	for kind, flows := range map2(FlowLearned, come, FlowGone, gone) {
		for _, w := range flows {
			if kind == FlowLearned && w.Kind == view.StopFilter {
				all = append(all, d.flow(FlowDropped, w)...)
				continue
			}
			all = append(all, d.flow(kind, w)...)
		}
	}
	was := make(map[flowKey]*view.Flow, len(d.before.Flows))
	for i := range d.before.Flows {
		was[keyOf(&d.before.Flows[i])] = &d.before.Flows[i]
	}
	for i := range d.now.Flows {
		now := &d.now.Flows[i]
		before := was[keyOf(now)]
		if before == nil || !f.Takes(now.Source, now.Group) {
			continue
		}
		if now.IIF != before.IIF || !slices.Equal(now.OIFs, before.OIFs) {
			all = append(all, d.flow(FlowMoved, now)...)
		}
		if now.WrongIf > 0 && before.WrongIf == 0 {
			all = append(all, d.flow(FlowAstray, now)...)
		}
		switch ran, runs := d.runs(before), d.runs(now); {
		case ran && !runs:
			all = append(all, d.flow(FlowStopped, now)...)
		case !ran && runs:
			all = append(all, d.flow(FlowStarted, now)...)
		}
	}
	return all
}

func (d *differ) flow(kind ChangeKind, f *view.Flow) []Change {
	if !d.look.Filter.Takes(f.Source, f.Group) || !d.look.Filter.from(f.Origins...) {
		return nil
	}
	return []Change{d.change(kind, f.Source, f.Group, f.IIF, f.OIFs)}
}

// runs reports whether packets of a flow have come lately.
func (d *differ) runs(f *view.Flow) bool {
	idle, known := f.Idle.Known()
	return known && f.Packets > 0 && idle < d.look.silent()
}

// map2 ranges over two lists, each with its kind.
func map2[T any](a ChangeKind, as []T, b ChangeKind, bs []T) func(yield func(ChangeKind, []T) bool) {
	return func(yield func(ChangeKind, []T) bool) {
		_ = yield(a, as) && yield(b, bs)
	}
}

// text is one line: when, where, what, and what it is about.
func (c *Change) text(s Style) string {
	var words []string
	if !c.Time.IsZero() {
		words = append(words, c.Time.Format("15:04:05.000"))
	}
	if c.Node != "" {
		words = append(words, c.Node)
	}
	words = append(words, fmt.Sprintf("%-10s", c.Change))
	if c.Group != "" {
		words = append(words, anySource(c.Source)+" -> "+c.Group)
		if c.IIF != "" {
			words = append(words, c.IIF+" -> "+names(c.OIFs))
		}
	}
	if c.Route != "" {
		words = append(words, c.Route)
	}
	if c.Reason != "" {
		words = append(words, c.Reason)
	}
	return strings.TrimRight(s.line(strings.Join(words, "  ")), " ") + "\n"
}
