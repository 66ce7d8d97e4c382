package draw

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// Flow is an entry of a router's forwarding cache.
type Flow struct {
	Node   string   `json:"node,omitempty"`
	Source string   `json:"source,omitempty"` // none: of any source
	Group  string   `json:"group"`
	IIF    string   `json:"iif,omitempty"` // none: of an interface that is gone
	OIFs   []string `json:"oifs"`
	Kind   string   `json:"kind"` // of [view.Flow], or "native" or "foreign"
	Silent bool     `json:"silent"`
	Table  uint32   `json:"table,omitempty"`
	Routes []string `json:"routes,omitempty"` // that make it leave through OIFs

	Rate
	view.Traffic
}

// Flows are rows of many routers.
type Flows struct {
	Flows    []Flow    `json:"flows"`
	Problems []Problem `json:"problems,omitempty"`
	Notes    []string  `json:"notes,omitempty"`

	Total *Total `json:"total,omitempty"` // in top alone
}

// Total is about all flows of a listing, those included that have no row.
type Total struct {
	Time    time.Time `json:"time"` // of the latest look
	Nodes   int       `json:"nodes"`
	Flows   int       `json:"flows"`
	Running int       `json:"running"` // which packets came for
	Rate
}

// Flows returns the entries in order of insertion, those of other programs last.
func (l *Look) Flows() *Flows {
	all := &Flows{Flows: []Flow{}, Problems: l.Problems()}
	l.each(func(node string, now, before *view.State) {
		rates := newRates(now, before)
		for _, flows := range [][]view.Flow{now.Flows, now.Foreign} {
			for i := range flows {
				f := &flows[i]
				if l.Filter.Takes(f.Source, f.Group) && l.Filter.from(f.Origins...) {
					all.Flows = append(all.Flows, l.flow(node, f, &rates))
				}
			}
		}
	})
	return all
}

func (l *Look) flow(node string, f *view.Flow, rates *rates) Flow {
	idle, known := f.Idle.Known()
	row := Flow{
		Node: node, Source: sourceText(f.Source), Group: f.Group.String(), IIF: f.IIF, OIFs: f.OIFs, Kind: string(f.Kind),
		Silent: !known || idle >= l.silent(), Table: f.Table, Rate: rates.of(f), Traffic: f.Traffic,
	}
	switch {
	case f.Kind == "":
		row.Kind = "foreign"
	case f.Source.IsZero():
		row.Kind = "native"
	}
	for _, o := range f.Origins {
		row.Routes = append(row.Routes, origin(o))
	}
	return row
}

// Top returns the flows with the highest rates first, and no more than n of them
// if n is positive.
func (l *Look) Top(n int) *Flows {
	all := l.Flows()
	all.Total = &Total{Flows: len(all.Flows)}
	l.each(func(_ string, now, _ *view.State) {
		all.Total.Nodes++
		if now.Time.After(all.Total.Time) {
			all.Total.Time = now.Time
		}
	})
	for i := range all.Flows {
		all.Total.add(all.Flows[i].Rate)
		if pps, _, _ := all.Flows[i].Rate.known(); pps > 0 {
			all.Total.Running++
		}
	}
	slices.SortStableFunc(all.Flows, func(a, b Flow) int {
		ap, ab, _ := a.Rate.known()
		bp, bb, _ := b.Rate.known()
		return cmp.Or(cmp.Compare(bb, ab), cmp.Compare(bp, ap), cmp.Compare(b.Packets, a.Packets))
	})
	if n > 0 && len(all.Flows) > n {
		all.Flows = all.Flows[:n]
	}
	return all
}

// text has a line on top that tells of all.
func (r *Flows) text(s Style) string {
	body := r.table(s.Wide).text(s)
	if r.Total == nil {
		return body
	}
	head := r.Total.Time.Format(time.TimeOnly) + "  "
	if r.Total.Nodes > 1 {
		head += counted(r.Total.Nodes, "node") + "  "
	}
	head += fmt.Sprintf("%s, %d running", counted(r.Total.Flows, "flow"), r.Total.Running)
	return s.line(head+r.Total.Rate.words()) + "\n" + body
}

func (r *Flows) table(wide bool) *table {
	ranked := r.Total != nil
	rated, nodes, tables := ranked, false, false
	for i := range r.Flows {
		_, _, ok := r.Flows[i].Rate.known()
		rated = rated || ok
		nodes = nodes || r.Flows[i].Node != ""
		tables = tables || r.Flows[i].Table != 0
	}
	t := newTable(
		column{"PPS", right, ranked}, column{"BIT/S", right, ranked},
		column{"NODE", left, nodes}, column{"SOURCE", left, true}, column{"GROUP", left, true},
		column{"IIF", left, true}, column{"OIFS", left, true}, column{"KIND", left, true},
		column{"PPS", right, rated && !ranked}, column{"BIT/S", right, rated && !ranked},
		column{"PACKETS", right, true}, column{"WRONG-IF", right, true}, column{"IDLE", right, true},
		column{"BYTES", right, wide}, column{"AGE", right, wide}, column{"TABLE", right, wide && tables}, column{"ROUTES", left, wide},
	)
	for i := range r.Flows {
		x := &r.Flows[i]
		pps, bps := x.Rate.texts()
		t.row(pps, bps, x.Node, anySource(x.Source), x.Group, cmp.Or(x.IIF, "-"), names(x.OIFs), x.Kind, pps, bps,
			number(x.Packets), number(x.WrongIf), seconds(x.Idle),
			number(x.Bytes), seconds(x.Age), number(uint64(x.Table)), list(x.Routes, ", "))
	}
	t.empty, t.problems, t.notes = "no flows", r.Problems, r.Notes
	return t
}
