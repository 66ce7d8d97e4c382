package show

import (
	"cmp"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// routeRow is what the tables of routes have in common.
type routeRow struct {
	match    mroute.Match
	scopes   mroute.ScopeMask
	iif      string
	oifs     []string
	counters *mroute.Counters
}

func ruleRow(r *mroute.RuleView) routeRow {
	return routeRow{r.Match, r.Scopes, r.IIF, r.OIFs, &r.Counters}
}

func entryRow(e *mroute.EntryView) routeRow {
	return routeRow{mroute.MatchSG(e.SG), mroute.ScopeMask{}, e.IIF, e.OIFs, &e.Counters}
}

// routeTables is a table of routes.
type routeTables struct {
	table
	iifWidth int
	detail   bool
	open     bool // the current table has its headings
}

// textRoutes are the tables of routes as text. Of entries those with outputs come
// first, then the stop filters.
type textRoutes struct{ now, later routeTables }

func newTextRoutes(links []mroute.LinkView, detail bool) *textRoutes {
	t := routeTables{iifWidth: iifWidth(links), detail: detail}
	return &textRoutes{now: t, later: t}
}

func (t *textRoutes) text() *[]byte { return (*[]byte)(&t.now.table) }

func (t *textRoutes) rule(r *mroute.RuleView) {
	if r.Match.IsExact() {
		t.later.row("(S,G) Rules", ruleRow(r))
	} else {
		t.now.row("(*,G) Template Rules", ruleRow(r))
	}
}

func (t *textRoutes) endOfRules() {
	t.now.table, t.later.table = joined(t.now.table, t.later.table), nil
	t.now.open, t.later.open = false, true // those that come later may be of a table that is begun
}

const entriesTitle = "Kernel MFC Table"

func (t *textRoutes) entry(e *mroute.EntryView) {
	if len(e.OIFs) > 0 {
		t.now.row(entriesTitle, entryRow(e))
	} else {
		t.later.row(entriesTitle, entryRow(e))
	}
}

func (t *textRoutes) end(snap *mroute.Snapshot) {
	if len(t.later.table) > 0 {
		t.now.begin(entriesTitle)
		t.now.table = joined(t.now.table, t.later.table)
	}
	if t.now.open = false; t.now.detail {
		for i := range snap.Foreign {
			t.now.row("MFC Table of Other Programs", entryRow(&snap.Foreign[i]))
		}
	}
}

// iifWidth is the length of the longest interface name of the system, 3 at least.
func iifWidth(links []mroute.LinkView) int {
	width := len("IIF")
	for i := range links {
		width = max(width, len(links[i].Name))
	}
	return width
}

// begin writes the headings of a table, if it has none yet.
func (t *routeTables) begin(title string) {
	if !t.open {
		t.open = true
		t.title(title)
		t.heading()
	}
}

// row writes a row, and before the first one of a table its headings.
func (t *routeTables) row(title string, r routeRow) {
	t.begin(title)
	start := len(t.table)
	t.table = appendMatch(t.table, r.match, r.scopes)
	t.pad(start, pairWidth)
	t.text(" ")
	start = len(t.table)
	t.name(cmp.Or(r.iif, "-")) // of an input that is gone
	t.pad(start, t.iifWidth)
	t.text(" ")
	if t.detail {
		t.number(r.counters.Packets, 10)
		t.text(" ")
		t.number(r.counters.Bytes, 10)
		t.text(" ")
	}
	for _, oif := range r.oifs {
		t.text(" ")
		t.name(oif)
	}
	t.endRow()
}

func (t *routeTables) heading() {
	start := len(t.table)
	t.text("ROUTE (S,G)")
	t.pad(start, pairWidth)
	t.text(" ")
	start = len(t.table)
	t.text("IIF")
	t.pad(start, t.iifWidth)
	t.text(" ")
	if t.detail {
		t.right("PACKETS", 10)
		t.text(" ")
		t.right("BYTES", 10)
		t.text(" ")
	}
	t.text(" OIFS")
	t.endHeading()
}
