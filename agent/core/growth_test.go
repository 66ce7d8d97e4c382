package core_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// day has questions about new flows come to a router for 24 simulated hours, of a
// kernel that agrees to everything and counts no packet but the first. It returns
// the heap in use after the first hour and at the end, and the most entries that
// the kernel held.
func day(t testing.TB, questions int, o core.Options) (first, last uint64, entries int) {
	t.Helper()
	now := time.Unix(1_700_000_000, 0)
	s := core.New(o)
	held := make(map[mroute.SG]time.Time)
	var run func([]core.Effect)
	step := func(ev core.Event) { run(s.Step(ev, now)) }
	look := time.Time{}
	run = func(effects []core.Effect) {
		for _, eff := range effects {
			switch eff := eff.(type) {
			case core.Apply:
				for _, op := range eff.Ops {
					switch op.Kind {
					case mroute.SetMFC:
						held[op.SG] = now
					case mroute.DelMFC:
						delete(held, op.SG)
					}
					entries = max(entries, len(held))
				}
				step(core.Applied{})
			case core.ReadCounters:
				for i, sg := range eff.SGs {
					eff.Counters[i] = mroute.Counters{Packets: 1, Idle: now.Sub(held[sg])}
				}
				step(core.CountersRead{ReadCounters: eff})
			case core.LookAgain:
				look = now.Add(eff.After)
			}
		}
	}
	step(benchLinks)
	layer := exactRoutes(100)
	for _, m := range []string{"* 239.0.0.0/14", "* 239.4.0.0/14"} { // what is left gets stop filters
		layer.Routes = append(layer.Routes, mroute.Route{From: "a0", Match: match(m), To: []mroute.Output{{If: "b0"}}})
	}
	layer.Routes[100].MaxFlows = 1000
	step(core.SetLayer{Layer: layer})
	step(core.Complete{})
	exact := len(held)

	const minutes = 24 * 60
	inUse := func() uint64 {
		clear(held) // the test's own, which would grow otherwise
		for range 2 {
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	asked := 0
	ups := make(core.Upcalls, 0, 256)
	for minute := range minutes {
		// They come in the first five minutes of each hour, and are forgotten in the
		// rest of it.
		due := questions/24*(minute/60) + questions/24*min(minute%60+1, 5)/5
		for asked < due {
			ups = ups[:0]
			for len(ups) < cap(ups) && asked < due {
				ups = append(ups, newFlow(asked*40503&(1<<20-1))) // of all rules in turn
				asked++
			}
			step(ups)
			now = now.Add(5 * time.Millisecond)
		}
		now = now.Add(time.Minute)
		if !look.IsZero() && !now.Before(look) {
			look = time.Time{}
			step(core.Look{})
		}
		if minute%7 == 3 {
			layer.Routes[100].MaxFlows = 500 + minute%3*500
			step(core.SetLayer{Layer: layer})
		}
		step(core.Expire{Age: time.Minute})
		if minute == 59 {
			first = inUse()
		}
	}
	step(core.Expire{Age: time.Minute})
	last = inUse()
	runtime.KeepAlive(s)
	return first, last, entries - exact
}

// TestNoGrowth is BenchmarkDay with fewer questions.
func TestNoGrowth(t *testing.T) {
	const limit = 1024
	first, last, entries := day(t, 100_000, core.Options{MaxFlows: limit})
	if entries > limit {
		t.Errorf("%d entries that packets made, want %d at most", entries, limit)
	}
	if last > first+first/10 {
		t.Errorf("%d bytes of the heap in use after the first hour, %d after a day", first, last)
	}
}

// BenchmarkDay is a million questions in a day. "first-KiB" and "last-KiB" are the
// heap in use after the first hour and at the end, "entries" the most there were.
func BenchmarkDay(b *testing.B) {
	for _, o := range []core.Options{{}, {MaxFlows: 1 << 12}} {
		b.Run(fmt.Sprintf("limit=%d", o.MaxFlows), func(b *testing.B) {
			for b.Loop() {
				first, last, entries := day(b, 1_000_000, o)
				b.ReportMetric(float64(first)/1024, "first-KiB")
				b.ReportMetric(float64(last)/1024, "last-KiB")
				b.ReportMetric(float64(entries), "entries")
			}
		})
	}
}
