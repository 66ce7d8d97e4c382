package draw

import (
	"strings"
	"unicode/utf8"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// side is where the text of a column stands.
type side bool

const (
	left  side = false
	right side = true
)

// column is a column of a table, which may be left out.
type column struct {
	name  string
	side  side
	shown bool
}

// table is a listing under construction.
type table struct {
	columns []column
	rows    [][]string

	empty    string // what to say if there are no rows
	problems []Problem
	notes    []string
}

func newTable(columns ...column) *table { return &table{columns: columns} }

// row adds a row, with a cell for each column, shown or not.
func (t *table) row(cells ...string) {
	for i := range cells {
		cells[i] = view.Printable(cells[i])
	}
	t.rows = append(t.rows, cells)
}

// text draws the table, the last column ragged.
func (t *table) text(style Style) string {
	var b strings.Builder
	if len(t.rows) == 0 && len(t.problems) == 0 && t.empty != "" {
		b.WriteString(style.line(t.empty) + "\n")
	}
	if len(t.rows) > 0 {
		t.draw(&b, style)
	}
	for _, p := range t.problems {
		text := p.Problem
		if p.Node != "" {
			text = p.Node + ": " + text
		}
		b.WriteString(style.line("! "+text) + "\n")
	}
	for _, note := range t.notes {
		b.WriteString(style.line("# "+note) + "\n")
	}
	return b.String()
}

func (t *table) draw(b *strings.Builder, style Style) {
	widths := make([]int, len(t.columns))
	used := make([]bool, len(t.columns)) // REASON has nothing to say if all is well
	for i, c := range t.columns {
		widths[i] = len(c.name)
		for _, row := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
			used[i] = used[i] || row[i] != ""
		}
	}
	heading := make([]string, len(t.columns))
	for i, c := range t.columns {
		heading[i] = c.name
	}
	for _, row := range append([][]string{heading}, t.rows...) {
		var line strings.Builder
		for i, c := range t.columns {
			if !c.shown || !used[i] {
				continue
			}
			if line.Len() > 0 {
				line.WriteString("  ")
			}
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(row[i]))
			if c.side == right {
				line.WriteString(pad + row[i])
			} else {
				line.WriteString(row[i] + pad)
			}
		}
		b.WriteString(strings.TrimRight(style.line(line.String()), " ") + "\n")
	}
}
