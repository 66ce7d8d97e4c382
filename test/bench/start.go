package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/smcroute/kube-smcroute/test/interop/program"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Rounds of starts, in which all sides take turns.
const (
	startRounds  = 21
	debianRounds = 3 // in the first of them
	largeEvery   = 4 // in every fourth the large table, too
)

// starts are the times from start to ready, and the memory then.
type starts struct {
	*router
	routes                   int
	debian, bare, loop, ours series
	debianRSS, oursRSS       int
}

// start measures starts with the small and the large table.
func (b *bench) start(tb netlab.TB) []row {
	s := &starts{router: b.router(tb, conf(small, "")), routes: small}
	l := &starts{router: b.router(tb, conf(large, "")), routes: large}
	for i := range startRounds {
		s.round(tb, b, b.hasDebian && i < debianRounds)
		if i%largeEvery == 0 {
			l.round(tb, b, false)
		}
	}
	ratio := float64(s.ours.median()) / float64(s.bare.median())
	growth := float64(l.ours.median()) / float64(s.ours.median())
	ofBare := float64(l.ours.median()) / float64(l.bare.median())
	rows := []row{{
		what: "start to installed, 10,000 (S,G) lines", debian: short(s.debian.median()),
		bare: fmt.Sprintf("%s (loop %s)", short(s.bare.median()), short(s.loop.median())), ours: short(s.ours.median()),
		ratio: fmt.Sprintf("%.2f of bare", ratio), goal: "at most 1.5 of bare", met: ratio <= 1.5,
	}, {
		what: "the same, 100,000 lines", debian: "over 400 s: not run",
		bare: fmt.Sprintf("%s (loop %s)", short(l.bare.median()), short(l.loop.median())), ours: short(l.ours.median()),
		ratio: fmt.Sprintf("%.1f of 10,000 (%.2f of bare)", growth, ofBare), goal: "linear: at most 12 of 10,000", met: growth <= 12,
	}}
	memory := row{
		what: "resident memory, 10,000 routes", debian: mib(s.debianRSS), bare: none, ours: mib(s.oursRSS),
		ratio: none, goal: "at most 3 of the C daemon", met: s.oursRSS <= 3*(19<<19), // 9.5 MiB, what it has elsewhere
	}
	if s.debianRSS > 0 {
		ratio := float64(s.oursRSS) / float64(s.debianRSS)
		memory.ratio, memory.met = fmt.Sprintf("%.1f of C", ratio), ratio <= 3
	}
	return append(rows, memory, row{
		what: "resident memory, 100,000 routes", debian: none, bare: none, ours: mib(l.oursRSS),
		ratio: none, goal: "under 150 MiB", met: l.oursRSS < 150<<20,
	})
}

// round starts each side once.
func (s *starts) round(tb netlab.TB, b *bench, debian bool) {
	tb.Helper()
	d := s.router.bare(tb, b, s.routes)
	s.bare = append(s.bare, d.Started)
	d.Kill() // and all that it printed is there
	ns, err := strconv.ParseInt(strings.TrimSpace(d.Log()), 10, 64)
	if err != nil {
		tb.Fatalf("bareloop: %v", err)
	}
	s.loop = append(s.loop, time.Duration(ns))

	d = s.daemon(tb, b.ours)
	s.ours = append(s.ours, d.Started)
	if s.oursRSS == 0 {
		s.oursRSS = resident(tb, d)
	}
	stop(tb, d)

	if debian {
		d := s.daemon(tb, b.debian)
		s.debian = append(s.debian, d.Started)
		s.debianRSS = resident(tb, d)
		stop(tb, d)
	}
}

func stop(tb netlab.TB, d *program.Daemon) {
	tb.Helper()
	if err := d.Stop(patience); err != nil {
		tb.Fatalf("%v", err)
	}
}
