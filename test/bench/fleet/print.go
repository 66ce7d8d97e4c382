package main

import (
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"
)

// print writes the tables.
func (b *bench) print(w io.Writer) {
	fmt.Fprintf(w, "%d agents, %d routes (one in five for all, the others for racks of %d); %d processors for all of it, GOGC=%d; load %s\n\n",
		b.o.agents, b.o.routes, b.o.rack, runtime.NumCPU(), b.o.gogc, load())
	fmt.Fprintf(w, "| time | n | p50 | p99 | max |\n|---|---:|---:|---:|---:|\n")
	for _, t := range b.times {
		if len(t.took) == 0 {
			continue
		}
		slices.Sort(t.took)
		at := func(q float64) time.Duration {
			return t.took[min(int(q*float64(len(t.took))), len(t.took)-1)].Round(time.Millisecond)
		}
		fmt.Fprintf(w, "| %s | %d | %v | %v | %v |\n", t.name, len(t.took), at(0.5), at(0.99), at(1))
	}
	fmt.Fprintf(w, "\n| |%s\n|---|%s\n", columns(b.phases, func(p phase) string { return p.name }), strings.Repeat("---:|", len(b.phases)))
	for _, r := range rows {
		fmt.Fprintf(w, "| %s |%s\n", r.name, columns(b.phases, r.value))
	}
	b.printAgent(w)
	b.printFormula(w)
	fmt.Fprintf(w, "\nWrites by resource in the steady state: %s\n", byResource(b.phases, "steady"))
}

func columns(phases []phase, f func(phase) string) string {
	var s strings.Builder
	for _, p := range phases {
		fmt.Fprintf(&s, " %s |", f(p))
	}
	return s.String()
}

func (p phase) seconds() float64 { return p.after.at.Sub(p.before.at).Seconds() }

// since is by how much a count of the API server has grown; it starts anew with the
// server.
func since(before, after float64) float64 {
	if after < before {
		return after
	}
	return after - before
}

func total(by map[string]float64) (n float64) {
	for _, v := range by {
		n += v
	}
	return n
}

// rows are those of the second table.
var rows = []struct {
	name  string
	value func(phase) string
}{
	{"seconds", func(p phase) string { return number(p.seconds()) }},
	{"writes of our kinds", func(p phase) string { return number(since(total(p.before.writes), total(p.after.writes))) }},
	{"writes a second", func(p phase) string {
		return fmt.Sprintf("%.2f", since(total(p.before.writes), total(p.after.writes))/p.seconds())
	}},
	{"writes that failed", func(p phase) string { return number(since(p.before.refused, p.after.refused)) }},
	{"gets and lists of our kinds", func(p phase) string { return number(since(total(p.before.reads), total(p.after.reads))) }},
	{"watch events of our kinds", func(p phase) string { return number(since(p.before.events, p.after.events)) }},
	{"open watches of our kinds", func(p phase) string { return number(p.after.watches) }},
	{"connections made", func(p phase) string { return number(float64(p.after.traffic.Dialled - p.before.traffic.Dialled)) }},
	{"to the agents, MB", func(p phase) string { return mega(float64(p.after.traffic.Received - p.before.traffic.Received)) }},
	{"from the agents, MB", func(p phase) string { return mega(float64(p.after.traffic.Sent - p.before.traffic.Sent)) }},
	{"API server, CPU s", func(p phase) string { return fmt.Sprintf("%.1f", since(p.before.server.cpu, p.after.server.cpu)) }},
	{"API server, RSS MB", func(p phase) string { return mega(p.after.server.rss) }},
	{"etcd's file, MB", func(p phase) string { return mega(p.after.etcd) }},
	{"controller, CPU s", func(p phase) string { return fmt.Sprintf("%.1f", p.after.control.cpu-p.before.control.cpu) }},
	{"controller, RSS MB", func(p phase) string { return mega(p.after.control.rss) }},
	{"all agents, CPU s", func(p phase) string { return fmt.Sprintf("%.1f", p.after.self.cpu-p.before.self.cpu) }},
	{"all agents, memory MB", func(p phase) string { return mega(p.after.self.rss) }},
}

func number(n float64) string { return fmt.Sprintf("%.0f", n) }

func mega(n float64) string { return fmt.Sprintf("%.1f", n/1e6) }

func byResource(phases []phase, name string) string {
	var all []string
	for _, p := range phases {
		if p.name != name {
			continue
		}
		for _, r := range slices.Sorted(maps.Keys(p.after.writes)) {
			if n := since(p.before.writes[r], p.after.writes[r]); n > 0 {
				all = append(all, fmt.Sprintf("%s %.0f", r, n))
			}
		}
	}
	return strings.Join(all, ", ")
}
