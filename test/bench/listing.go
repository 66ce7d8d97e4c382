package main

import (
	"fmt"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/interop/program"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// whileListing measures how long the daemon's answer to an added route takes while
// another client has it list a large table with all counters.
func (b *bench) whileListing(tb netlab.TB) []row {
	r := b.router(tb, conf(mroute.IPv4, b.large, ""))
	r.daemon(tb, b.ours)
	quiet, busy := &target{p: b.ours, dir: r.dir}, &target{p: b.ours, dir: r.dir}
	added := 0
	longest := func(t *target, until <-chan program.Result) float64 {
		t.call.figures = nil
		for {
			t.ask(tb, added)
			added++
			select {
			case result := <-until:
				if result.Code != 0 {
					tb.Fatalf("smcroutectl -d show routes: %+v", result)
				}
				return quantile(t.call.figures, 1)
			default:
			}
		}
	}
	ours, calm := &side{}, &side{name: "when it is quiet"}
	for range b.listRounds {
		quiet.ask(tb, added)
		added++
		calm.add(quiet.call.figures[len(quiet.call.figures)-1])

		listed := make(chan program.Result, 1)
		go func() {
			result, err := b.ours.Control(r.dir, "", "-d", "show", "routes")
			if err != nil {
				result.Code, result.Stderr = -1, err.Error()
			}
			listed <- result
		}()
		ours.add(longest(busy, listed))
	}
	what := fmt.Sprintf("longest answer to an added route while %s counters are listed", count(float64(b.large)))
	return []row{compare(what, seconds, ours, calm, goal{})}
}
