package main

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// row is a line of the table: what was measured on our side, what it is compared
// with, and what the goal says to the ratio, or to the figure if it is compared
// with nothing.
type row struct {
	what, ours, against, ratio, goal, met string
}

// none stands where there is nothing to tell.
const none = "-"

// unit prints a figure.
type unit func(float64) string

// side has the figures of one side, one for each round, all in one unit.
type side struct {
	name    string
	figures []float64
	note    string // for the table, behind the figure; or why there is none
}

func (s *side) add(figure float64) { s.figures = append(s.figures, figure) }

// cell is the side in the table.
func (s *side) cell(u unit) string {
	text := none
	if len(s.figures) > 0 {
		text = u(median(s.figures))
	}
	if s.name != "" {
		text = s.name + " " + text
	}
	if s.note != "" {
		text += " (" + s.note + ")"
	}
	return text
}

// than is the ratio of s to another side. Where both have the same rounds it is
// the median of the ratios of each: what else goes on in the machine is about the
// same for both sides of a round.
func (s *side) than(other *side) float64 {
	if len(s.figures) != len(other.figures) {
		return median(s.figures) / median(other.figures)
	}
	ratios := make([]float64, len(s.figures))
	for i := range ratios {
		ratios[i] = s.figures[i] / other.figures[i]
	}
	return median(ratios)
}

// compare makes a row of the ratio of ours to another side.
func compare(what string, u unit, ours, other *side, g goal) row {
	r := row{what: what, ours: ours.cell(u), against: other.cell(u), ratio: none, goal: g.text(times), met: none}
	if len(ours.figures) == 0 || len(other.figures) == 0 {
		return r
	}
	ratio := ours.than(other)
	if math.IsNaN(ratio) || math.IsInf(ratio, 0) {
		return r // to nothing
	}
	r.ratio, r.met = times(ratio), g.verdict(ratio)
	return r
}

// alone makes a row of a figure that has to be good by itself.
func alone(what string, u unit, ours *side, g goal) row {
	r := row{what: what, ours: ours.cell(u), against: none, ratio: none, goal: g.text(u), met: none}
	if len(ours.figures) > 0 {
		r.met = g.verdict(median(ours.figures))
	}
	return r
}

// goal is a bound for a ratio or a figure. The zero goal is none.
type goal struct {
	bound float64
	sense string // "at most" or "at least"
	why   string // where the bound comes from, if that has to be said
}

func atMost(bound float64) goal  { return goal{bound: bound, sense: "at most"} }
func atLeast(bound float64) goal { return goal{bound: bound, sense: "at least"} }

// as says in words what the bound means.
func (g goal) as(why string) goal {
	g.why = why
	return g
}

func (g goal) text(u unit) string {
	switch {
	case g.sense == "":
		return none
	case g.why != "":
		return g.why + ": " + g.sense + " " + u(g.bound)
	}
	return g.sense + " " + u(g.bound)
}

func (g goal) verdict(x float64) string {
	switch {
	case g.sense == "":
		return none
	case g.sense == "at most" && x <= g.bound, g.sense == "at least" && x >= g.bound:
		return "yes"
	}
	return "**no**"
}

// table is the table in Markdown, whose columns are aligned for a terminal, with
// what was noted below it.
func (b *bench) table(m machine, took time.Duration) string {
	lines := [][]string{{"what", "ours", "compared with", "ratio", "goal", "met"}, nil}
	for _, r := range b.rows {
		lines = append(lines, []string{r.what, r.ours, r.against, r.ratio, r.goal, r.met})
	}
	widths := make([]int, len(lines[0]))
	for _, l := range lines {
		for i, cell := range l {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	var t strings.Builder
	for _, l := range lines {
		for i, w := range widths {
			if l == nil {
				t.WriteString("|" + strings.Repeat("-", w+2))
				continue
			}
			t.WriteString("| " + l[i] + strings.Repeat(" ", w-len([]rune(l[i]))+1))
		}
		t.WriteString("|\n")
	}
	for _, n := range b.notes {
		fmt.Fprintf(&t, "\n%s\n", n)
	}
	fmt.Fprintf(&t, "\n%s; took %s.\n", m, took.Round(time.Second))
	return t.String()
}

// Marks around the table in a file.
const (
	tableBegin = "<!-- table: made by \"make bench\" -->"
	tableEnd   = "<!-- end of table -->"
)
