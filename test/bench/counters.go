package main

import (
	"fmt"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// counters measures reading the counters of all entries of a large table.
func (b *bench) counters(tb netlab.TB) (rows []row) {
	n := b.counted
	for _, f := range mroute.Families {
		r := b.benchmark(tb, kernelPackage, fmt.Sprintf("BenchmarkCounters/%v/routes=%d", f, n))
		what := fmt.Sprintf("counters of %s %v entries: CPU", count(float64(n)), f)
		rows = append(rows,
			alone(what, seconds, r.side("cpu-ms/op", 1e-3), atMost(0.150)),
			alone("the same: allocations", count, r.side("allocs/op", 1), atMost(0)))
	}
	return append(rows, b.stall(tb))
}

// stall measures how long entries take to be set while counters are read, all of them over
// and over: the kernel has one lock for both.
func (b *bench) stall(tb netlab.TB) row {
	side := func(chunk int) *side {
		r := b.benchmark(tb, kernelPackage, fmt.Sprintf("BenchmarkStall/chunk=%d", chunk), "-test.benchtime="+b.shortBenchtime)
		s := r.side("p50-us", 1e-6)
		s.note = "p99 " + seconds(r["p99-us"]*1e-6)
		return s
	}
	reading, quiet := side(1024), side(0)
	quiet.name = "when none is read"
	return compare("32 entries set while counters are read", seconds, reading, quiet, atMost(1.2).as("not disturbed"))
}

// unchanged measures what a reload of a large, unchanged file computes.
func (b *bench) unchanged(tb netlab.TB) []row {
	r := b.benchmark(tb, corePackage, fmt.Sprintf("BenchmarkReloadUnchanged/routes=%d", full.large))
	return []row{alone(fmt.Sprintf("difference of %s unchanged routes: CPU", count(float64(full.large))), seconds, r.side("cpu-ms/op", 1e-3), atMost(0.050))}
}
