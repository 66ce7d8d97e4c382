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

// routeTables writes the three tables of routes.
type routeTables struct {
	table
	iifWidth int
	detail   bool
	open     bool // the current table has its headings
}

func routesText(snap *mroute.Snapshot, detail bool) string {
	t := routeTables{detail: detail, iifWidth: iifWidth(snap)}
	t.table = make(table, 0, (len(snap.Rules)+len(snap.Entries)+6)*96)

	t.rules(snap, "(*,G) Template Rules", false)
	t.rules(snap, "(S,G) Rules", true)

	// Entries with outputs come first, then the stop filters.
	t.open = false
	for _, withOutputs := range [...]bool{true, false} {
		for i := range snap.Entries {
			if e := &snap.Entries[i]; (len(e.OIFs) > 0) == withOutputs {
				t.row("Kernel MFC Table", entryRow(e))
			}
		}
	}
	if detail {
		t.open = false
		for i := range snap.Foreign {
			t.row("MFC Table of Other Programs", entryRow(&snap.Foreign[i]))
		}
	}
	return string(t.table)
}

// iifWidth is the length of the longest interface name of the system, 3 at least.
func iifWidth(snap *mroute.Snapshot) int {
	width := len("IIF")
	for i := range snap.Links {
		width = max(width, len(snap.Links[i].Name))
	}
	return width
}

func (t *routeTables) rules(snap *mroute.Snapshot, title string, exact bool) {
	t.open = false
	for i := range snap.Rules {
		if r := &snap.Rules[i]; r.Match.IsExact() == exact {
			t.row(title, ruleRow(r))
		}
	}
}

// row writes a row, and before the first one of a table its headings.
func (t *routeTables) row(title string, r routeRow) {
	if !t.open {
		t.open = true
		t.title(title)
		t.heading()
	}
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
