package heap

import (
	"math"
	"runtime/debug"
	"testing"

	"pgregory.net/rapid"
)

// setting is what the runtime goes by.
type setting struct {
	percent int
	limit   int64
}

func now() setting {
	percent := debug.SetGCPercent(-1)
	debug.SetGCPercent(percent)
	return setting{percent, debug.SetMemoryLimit(-1)}
}

// In whatever order they begin and end, each has what it wants meanwhile, and in the end
// all is as it was.
func TestAnyOrder(t *testing.T) {
	before := now()
	defer func() { debug.SetGCPercent(before.percent); debug.SetMemoryLimit(before.limit) }()
	rapid.Check(t, func(t *rapid.T) {
		normal := setting{rapid.SampledFrom([]int{-1, 10, 25, 100, 400}).Draw(t, "percent"), math.MaxInt64}
		debug.SetGCPercent(normal.percent)
		debug.SetMemoryLimit(normal.limit)
		type wish struct {
			roomy  bool
			normal func()
		}
		var all []wish
		for i := range rapid.IntRange(2, 12).Draw(t, "steps") {
			switch what := rapid.IntRange(0, 3).Draw(t, "what"); {
			case what == 0:
				all = append(all, wish{false, Frugal()})
			case what == 1:
				all = append(all, wish{true, Roomy(1 << 40)})
			case len(all) > 0:
				n := rapid.IntRange(0, len(all)-1).Draw(t, "who")
				all[n].normal()
				all[n].normal() // which does nothing more
				all = append(all[:n], all[n+1:]...)
			}
			want := normal
			for _, w := range all {
				if w.roomy {
					want = setting{-1, 1 << 40}
				} else if want.limit == math.MaxInt64 {
					want.percent = min(want.percent, frugalPercent)
				}
			}
			if got := now(); got != want {
				t.Fatalf("step %d: %+v, want %+v", i, got, want)
			}
		}
		for _, w := range all {
			w.normal()
		}
		if got := now(); got != normal {
			t.Fatalf("at the end: %+v, want %+v", got, normal)
		}
	})
}
