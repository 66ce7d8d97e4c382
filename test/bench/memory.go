package main

import (
	"fmt"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/interop/program"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// memory measures resident memory with tables of both sizes, and after floods of
// forged sources.
func (b *bench) memory(tb netlab.TB) []row {
	measure := func(s *side, d *program.Daemon) *side {
		if d != nil {
			s.resident(tb, d)
			d.Kill()
		}
		return s
	}
	few, many := b.router(tb, conf(mroute.IPv4, b.small, "")), b.router(tb, conf(mroute.IPv4, b.large, ""))
	debian := &side{}
	measure(debian, few.original(tb, b, debian))
	ours, large := measure(&side{}, few.daemon(tb, b.ours)), measure(&side{}, many.daemon(tb, b.ours))
	return append([]row{
		compare(fmt.Sprintf("resident memory, %s routes", count(float64(b.small))), mib, ours, debian, atMost(3)),
		alone(fmt.Sprintf("resident memory, %s routes", count(float64(b.large))), mib, large, atMost(100<<20)),
	}, b.afterFloods(tb)...)
}

// afterFloods measures what stays of floods: one of sources that a rule lets
// through, and then a second of others.
func (b *bench) afterFloods(tb netlab.TB) []row {
	r := b.router(tb, conf(mroute.IPv4, 0, template))
	d := r.daemon(tb, b.ours)
	flood := func(first int) *side {
		r.newSender(tb, first, b.flood).run(tb, b.fast)
		s := &side{}
		s.resident(tb, d)
		return s
	}
	one, two := flood(0), flood(b.flood)
	one.name = "after the first"
	return []row{compare(fmt.Sprintf("resident memory after two floods of %s sources", count(float64(b.flood))), mib, two, one, atMost(1.2).as("no growth"))}
}
