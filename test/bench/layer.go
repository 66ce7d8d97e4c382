package main

import (
	"fmt"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// layerChange measures a change in a large layer: of one of its parts, of one route where it is handed over
// whole, and of one object on a node, from the caches of the API to the simulated kernel.
func (b *bench) layerChange(tb netlab.TB) []row {
	change := func(what, pkg, name string, few int, of string, g goal) row {
		side := func(routes int) *side {
			return b.benchmark(tb, pkg, fmt.Sprintf("%s/routes=%d", name, routes), "-test.benchtime="+b.shortBenchtime).side("cpu-ms/op", 1e-3)
		}
		most, least := side(full.large), side(few)
		least.name = of
		return compare(what, seconds, most, least, g)
	}
	same := atMost(1.2).as("the same")
	hundred := count(float64(full.hundred)) + " routes"
	return []row{
		change("one of 5,000 parts of a layer changed: CPU", corePackage, "BenchmarkOneChange/part", full.hundred, hundred, same),
		change("one of 1,000 objects of an agent changed: CPU", nodePackage, "BenchmarkChange", 200, "2 objects", goal{}),
		change("one route of a whole layer changed: CPU", corePackage, "BenchmarkOneChange/changed", full.hundred, hundred, goal{}),
	}
}
