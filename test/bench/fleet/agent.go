package main

import (
	"fmt"
	"io"
	"slices"
)

// many is for how many agents the last column of printAgent is.
const many = 10_000

// states are reports.
const states = "multicastnodestates"

// phaseOf is one that was measured to its end, or nil.
func (b *bench) phaseOf(name string) *phase {
	i := slices.IndexFunc(b.phases, func(p phase) bool { return p.name == name })
	if i < 0 {
		return nil
	}
	return &b.phases[i]
}

// printAgent writes what an agent costs, and what 10,000 of them would at that rate.
func (b *bench) printAgent(w io.Writer) {
	p := b.phaseOf("start")
	if p == nil {
		return
	}
	fmt.Fprintf(w, "\n| what an agent costs | one of %d | without any | %d at that rate |\n|---|---:|---:|---:|\n", b.o.agents, many)
	for _, r := range []struct {
		name        string
		value, base float64
	}{
		{"memory of the API server, MB", p.after.server.rss - p.before.server.rss, p.before.server.rss},
		{"memory of the controller, MB", p.after.control.rss - p.before.control.rss, p.before.control.rss},
		{"memory of this process, with all agents, MB", p.after.self.rss - p.before.self.rss, p.before.self.rss},
		{"etcd's file, MB", p.after.etcd - p.before.etcd, p.before.etcd},
		{"sent to it at the start, MB", float64(p.after.traffic.Received - p.before.traffic.Received), 0},
	} {
		one := r.value / float64(b.o.agents)
		fmt.Fprintf(w, "| %s | %.3f | %s | %s |\n", r.name, one/1e6, mega(r.base), mega(r.base+many*one))
	}
}

// printFormula writes what was measured next to what was promised before there was code:
// docs/scale.md, "Who talks".
func (b *bench) printFormula(w io.Writer) {
	fmt.Fprintf(w, "\n| held against the formulas | computed | measured |\n|---|---:|---:|\n")
	row := func(name, computed string, measured float64) {
		fmt.Fprintf(w, "| %s | %s | %.1f |\n", name, computed, measured)
	}
	n := float64(b.o.agents)
	if p := b.phaseOf("steady"); p != nil {
		row("reports a second with traffic on every node, N / interval", fmt.Sprintf("%.1f", n/b.o.interval.Seconds()), p.reports()/p.seconds())
		row("open watches of our kinds, 2 N + 4", number(2*n+4), p.after.watches)
	}
	if p := b.phaseOf("start"); p != nil {
		row("events an agent until all statuses are told, R at least", number(float64(b.o.routes)), since(p.before.events, p.after.events)/n)
		row("CPU time of the API server for each of these, µs, all that it does", "100", 1e6*since(p.before.server.cpu, p.after.server.cpu)/since(p.before.events, p.after.events))
	}
	if p := b.phaseOf("route for all changed"); p != nil {
		row("reports when a route for all is changed, N", number(n), p.reports()/float64(b.o.changes))
		row("kB from an agent for one, 190 bytes a route", fmt.Sprintf("%.1f", 0.19*b.routesOfNode()), float64(p.after.traffic.Sent-p.before.traffic.Sent)/p.reports()/1e3)
		row("events a second then, 10,000 at most", "", since(p.before.events, p.after.events)/p.seconds())
	}
}

// reports is how many were written.
func (p *phase) reports() float64 { return since(p.before.writes[states], p.after.writes[states]) }

// routesOfNode is how many routes a node has, on an average.
func (b *bench) routesOfNode() float64 {
	all := 0
	for i := range b.o.routes {
		all += b.fleet.Nodes(i)
	}
	return float64(all) / float64(b.o.agents)
}
