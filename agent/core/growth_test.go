package core_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// simulated is a router with a kernel that agrees to everything and counts no packet of a
// flow but the first.
type simulated struct {
	*core.State
	now   time.Time
	layer mroute.Layer // 100 exact rules, and two that learn: of what is left there are stop filters
	held  map[mroute.SG]time.Time
	most  int       // entries that the kernel held
	look  time.Time // when it is due; zero: none is
	asked int
}

func newSimulated(o core.Options) *simulated {
	r := &simulated{State: core.New(o), now: time.Unix(1_700_000_000, 0), held: make(map[mroute.SG]time.Time), layer: exactRoutes(100)}
	for _, m := range []string{"* 239.0.0.0/14", "* 239.4.0.0/14"} {
		r.layer.Routes = append(r.layer.Routes, mroute.Route{From: "a0", Match: match(m), To: []mroute.Output{{If: "b0"}}})
	}
	r.step(benchLinks)
	r.step(core.SetLayer{Layer: r.layer})
	r.step(core.Complete{})
	return r
}

func (r *simulated) step(ev core.Event) {
	for _, eff := range r.Step(ev, r.now) {
		switch eff := eff.(type) {
		case core.Apply:
			for _, op := range eff.Ops {
				switch op.Kind {
				case mroute.SetMFC:
					r.held[op.SG] = r.now
				case mroute.DelMFC:
					delete(r.held, op.SG)
				}
				r.most = max(r.most, len(r.held))
			}
			r.step(core.Applied{})
		case core.ReadCounters:
			for i, sg := range eff.SGs {
				eff.Counters[i] = mroute.Counters{Packets: 1, Idle: r.now.Sub(r.held[sg])}
			}
			r.step(core.CountersRead{ReadCounters: eff})
		case core.LookAgain:
			r.look = r.now.Add(eff.After)
		}
	}
}

// ask has questions about new flows come until so many have.
func (r *simulated) ask(until int) {
	ups := make(core.Upcalls, 0, 256)
	for r.asked < until {
		ups = ups[:0]
		for len(ups) < cap(ups) && r.asked < until {
			ups = append(ups, newFlow(r.asked*40503&(1<<20-1))) // of all rules in turn
			r.asked++
		}
		r.step(ups)
		r.now = r.now.Add(5 * time.Millisecond)
	}
}

// inUse is the heap in use, without what the kernel is simulated with.
func (r *simulated) inUse() uint64 {
	r.held = make(map[mroute.SG]time.Time)
	for range 2 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	runtime.KeepAlive(r)
	return m.HeapAlloc
}

// day has questions about new flows come to a router for 24 simulated hours. It returns
// the heap in use after the first hour and at the end, and the most entries that
// packets made.
func day(questions int, o core.Options) (first, last uint64, entries int) {
	r := newSimulated(o)
	r.layer.Routes[100].MaxFlows = 1000
	r.step(core.SetLayer{Layer: r.layer})
	exact := len(r.held)
	const minutes = 24 * 60
	for minute := range minutes {
		// They come in the first five minutes of each hour, and are forgotten in the
		// rest of it.
		r.ask(questions/24*(minute/60) + questions/24*min(minute%60+1, 5)/5)
		r.now = r.now.Add(time.Minute)
		if !r.look.IsZero() && !r.now.Before(r.look) {
			r.look = time.Time{}
			r.step(core.Look{})
		}
		if minute%7 == 3 {
			r.layer.Routes[100].MaxFlows = 500 + minute%3*500
			r.step(core.SetLayer{Layer: r.layer})
		}
		r.step(core.Expire{Age: time.Minute})
		if minute == 59 {
			first = r.inUse()
		}
	}
	r.step(core.Expire{Age: time.Minute})
	return first, r.inUse(), r.most - exact
}

// A flood that is over leaves no room behind that it took: maps keep it, unless they are
// made anew.
func TestRoomGoesBack(t *testing.T) {
	r := newSimulated(core.Options{})
	before := r.inUse()
	const flood = 60_000
	r.ask(flood)
	if r.most < flood {
		t.Fatalf("the kernel held %d entries", r.most)
	}
	during := r.inUse()
	for range 3 { // a look at what there is, and what is idle goes
		r.now = r.now.Add(time.Hour)
		r.step(core.Expire{Age: time.Minute})
	}
	after := r.inUse()
	const room = 1 << 20 // of buffers: that of the maps is 9 MiB
	if during < before+flood*100 || after > before+room {
		t.Errorf("%d bytes of the heap are in use before a flood of %d flows, %d with them and %d after it", before, flood, during, after)
	}
}

// TestNoGrowth is BenchmarkDay with fewer questions.
func TestNoGrowth(t *testing.T) {
	const limit = 1024
	first, last, entries := day(100_000, core.Options{MaxFlows: limit})
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
				first, last, entries := day(1_000_000, o)
				b.ReportMetric(float64(first)/1024, "first-KiB")
				b.ReportMetric(float64(last)/1024, "last-KiB")
				b.ReportMetric(float64(entries), "entries")
			}
		})
	}
}
