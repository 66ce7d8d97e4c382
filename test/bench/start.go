package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// starts are the times from start to ready with one configuration.
type starts struct {
	*router
	family             mroute.Family
	routes             int
	debian, bare, ours side
	loop               side // of the bare loop, without its process
}

func (b *bench) starts(tb netlab.TB, f mroute.Family, routes int) *starts {
	return &starts{
		router: b.router(tb, conf(f, routes, "")), family: f, routes: routes,
		bare: side{name: bareLoop},
	}
}

// start measures starts with small and large tables.
func (b *bench) start(tb netlab.TB) []row {
	s, l := b.starts(tb, mroute.IPv4, b.small), b.starts(tb, mroute.IPv4, b.large)
	s6, l6 := b.starts(tb, mroute.IPv6, b.small), b.starts(tb, mroute.IPv6, b.large)
	for i := range b.startRounds {
		s.round(tb, b, i < b.debianRounds)
		s6.round(tb, b, false)
		if i%b.largeEvery == 0 {
			l.round(tb, b, false)
			l6.round(tb, b, false)
		}
	}
	what := func(s *starts) string {
		return fmt.Sprintf("start to installed, %s %v lines", count(float64(s.routes)), s.family)
	}
	smaller := side{name: count(float64(b.small)) + " lines", figures: s.ours.figures}
	linear := 1.2 * float64(b.large) / float64(b.small)
	return []row{
		compare(what(s), seconds, &s.ours, &s.debian, goal{}),
		compare("the same", seconds, &s.ours, s.bareSide(), atMost(1.5)),
		compare(what(l), seconds, &l.ours, l.bareSide(), atMost(0.6)),
		compare("the same", seconds, &l.ours, &smaller, atMost(linear).as("linear")),
		compare(what(s6), seconds, &s6.ours, s6.bareSide(), goal{}),
		compare(what(l6), seconds, &l6.ours, l6.bareSide(), goal{}),
	}
}

// bareSide is the bare loop as the table has it.
func (s *starts) bareSide() *side {
	if len(s.loop.figures) > 0 {
		s.bare.note = "loop alone " + s.loop.cell(seconds)
	}
	return &s.bare
}

// round starts each side once.
func (s *starts) round(tb netlab.TB, b *bench, debian bool) {
	tb.Helper()
	quiet()
	d := s.router.bare(tb, b, s.family, s.routes)
	s.bare.add(d.Started.Seconds())
	d.Kill() // and all that it printed is there
	ns, err := strconv.ParseInt(strings.TrimSpace(d.Log.String()), 10, 64)
	if err != nil {
		tb.Fatalf("bareloop: %v", err)
	}
	s.loop.add(time.Duration(ns).Seconds())

	quiet()
	d = s.daemon(tb, b.ours)
	s.ours.add(d.Started.Seconds())
	stop(tb, d)

	if !debian {
		return
	}
	quiet()
	if d := s.original(tb, b, &s.debian); d != nil {
		s.debian.add(d.Started.Seconds())
		stop(tb, d)
	}
}
