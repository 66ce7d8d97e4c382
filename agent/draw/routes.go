package draw

import (
	"strings"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// Condition is how a route fares.
type Condition string

// The conditions.
const (
	Programmed Condition = "programmed" // it is in the kernel, and packets come
	Silent     Condition = "silent"     // it is in the kernel, and no packet has come lately
	WrongIf    Condition = "wrong-if"   // packets come, but all on another interface; told only with rates
	Pending    Condition = "pending"    // it is not wholly in the kernel
)

// Route is a rule on one inbound interface, or one that is pending.
type Route struct {
	Node   string    `json:"node,omitempty"`
	Route  string    `json:"route"`            // where it comes from: "file:line", the name of an object, "client"
	Source string    `json:"source,omitempty"` // none: any
	Group  string    `json:"group"`
	IIF    string    `json:"iif"`
	OIFs   []string  `json:"oifs"`
	State  Condition `json:"state"`
	Cause  string    `json:"cause,omitempty"`  // of pending, a word
	Reason string    `json:"reason,omitempty"` // of pending, a sentence

	Rate
	view.Traffic
	Flows int `json:"flows"` // in the kernel
}

// Routes are rows of many routers.
type Routes struct {
	Routes   []Route   `json:"routes"`
	Problems []Problem `json:"problems,omitempty"`
	Notes    []string  `json:"notes,omitempty"` // about all of it
}

// Routes returns the rules, in order, and with them what is pending.
func (l *Look) Routes() *Routes {
	all := &Routes{Routes: []Route{}, Problems: l.Problems()}
	l.each(func(node string, now, before *view.State) {
		all.Routes = append(all.Routes, l.routesOf(node, now, before)...)
	})
	return all
}

// ruleKey finds rules by what flows know of them.
type ruleKey struct {
	origin view.Origin
	iif    string
}

func (l *Look) routesOf(node string, now, before *view.State) []Route {
	var rows []Route
	var rules []*view.Rule
	at := map[ruleKey][]int{} // numbers of rows
	for i := range now.Rules {
		r := &now.Rules[i]
		if !l.Filter.Takes(r.Source, r.Group) || !l.Filter.from(r.Origin) {
			continue
		}
		key := ruleKey{r.Origin, r.IIF}
		at[key] = append(at[key], len(rows))
		rules = append(rules, r)
		rows = append(rows, Route{
			Node: node, Route: origin(r.Origin), Source: sourceText(r.Source), Group: r.Group.String(), IIF: r.IIF, OIFs: r.OIFs,
			Traffic: view.Traffic{Age: r.Age, Idle: -1},
		})
	}
	rates := newRates(now, before)
	for i := range now.Flows {
		f := &now.Flows[i]
		for _, o := range f.Origins {
			for _, n := range at[ruleKey{o, f.IIF}] {
				if covers(rules[n], f) {
					rows[n].Flows++
					addTraffic(&rows[n].Traffic, f.Traffic)
					rows[n].Rate.add(rates.of(f))
				}
			}
		}
	}
	for i := range rows {
		if rows[i].Flows == 0 {
			rows[i].Rate = rates.none()
		}
		rows[i].State = l.condition(&rows[i])
	}
	return l.pend(rows, rules, node, now)
}

// condition is that of a route that is not pending.
func (l *Look) condition(r *Route) Condition {
	idle, known := r.Idle.Known()
	switch {
	case r.Rate.astray():
		return WrongIf
	case !known || idle >= l.silent():
		return Silent
	}
	return Programmed
}

// covers reports whether a rule is for a flow that names its origin. Many rules may
// have that origin.
func covers(r *view.Rule, f *view.Flow) bool {
	if f.Source.IsZero() { // forwarded natively
		return r.Source.IsZero() && r.Group == f.Group
	}
	return r.Group.Overlaps(f.Group.Prefix) && (r.Source.IsZero() || r.Source.Overlaps(f.Source.Prefix))
}

// pend marks the rows of rules of which something is pending, and adds rows for
// what has none.
func (l *Look) pend(rows []Route, rules []*view.Rule, node string, now *view.State) []Route {
	type line struct {
		origin        view.Origin
		source, group view.Net
	}
	of := map[line][]int{}
	for n, r := range rules {
		key := line{r.Origin, r.Source, r.Group}
		of[key] = append(of[key], n)
	}
	for i := range now.Pending {
		p := &now.Pending[i]
		if p.Kind != "mroute" || !l.Filter.Takes(p.Source, p.Group) || !l.Filter.from(p.Origin) {
			continue
		}
		found := false
		for _, n := range of[line{p.Origin, p.Source, p.Group}] {
			if matches(p.IIF, rules[n].IIF) {
				rows[n].State, rows[n].Cause, rows[n].Reason = Pending, p.Cause, p.Reason
				found = true
			}
		}
		if !found {
			rows = append(rows, Route{
				Node: node, Route: origin(p.Origin), Source: sourceText(p.Source), Group: p.Group.String(), IIF: p.IIF, OIFs: p.OIFs,
				State: Pending, Cause: p.Cause, Reason: p.Reason, Traffic: view.Traffic{Age: -1, Idle: -1},
			})
		}
	}
	return rows
}

// matches reports whether a pattern, "eth0" or "eth+", is for an interface.
func matches(pattern, name string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "+"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return pattern == name
}

// sourceText is "" for any.
func sourceText(n view.Net) string {
	if n.IsZero() {
		return ""
	}
	return n.String()
}

func (r *Routes) table(wide bool) *table {
	rated, nodes := false, false
	for i := range r.Routes {
		_, _, ok := r.Routes[i].Rate.known()
		rated = rated || ok
		nodes = nodes || r.Routes[i].Node != ""
	}
	t := newTable(
		column{"NODE", left, nodes}, column{"ROUTE", left, true}, column{"SOURCE", left, true}, column{"GROUP", left, true},
		column{"IIF", left, true}, column{"OIFS", left, true}, column{"STATE", left, true},
		column{"PPS", right, rated}, column{"BIT/S", right, rated}, column{"PACKETS", right, true}, column{"IDLE", right, true},
		column{"BYTES", right, wide}, column{"WRONG-IF", right, wide}, column{"FLOWS", right, wide}, column{"AGE", right, wide},
		column{"REASON", left, true},
	)
	for i := range r.Routes {
		x := &r.Routes[i]
		pps, bps := x.Rate.texts()
		t.row(x.Node, x.Route, anySource(x.Source), x.Group, x.IIF, names(x.OIFs), string(x.State),
			pps, bps, number(x.Packets), seconds(x.Idle),
			number(x.Bytes), number(x.WrongIf), number(uint64(x.Flows)), seconds(x.Age), x.Reason)
	}
	t.empty, t.problems, t.notes = "no routes", r.Problems, r.Notes
	return t
}
