package linux

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// BenchmarkStall answers 32 new flows at a time while the counters of 100,000
// entries of another table are read over and over, "chunk" at a time as a router
// does; "chunk=0" is without. The kernel has one lock for all of it. What one answer
// takes is told as "p50-us", "p99-us" and "max-us".
func BenchmarkStall(b *testing.B) {
	const many, answered = 100_000, 32
	for _, chunk := range []int{0, 256, 1024, 4096, many} {
		b.Run(fmt.Sprintf("chunk=%d", chunk), func(b *testing.B) {
			r := newRouter(b)
			mustApply(b, r.Kernel, flowOps(mroute.IPv4, mroute.SetMFC, many)...)
			other, err := Open(Options{NetNS: r.ns.Path(), Table: 100})
			if err != nil {
				b.Fatal(err)
			}
			defer other.Close()
			for v, name := range []string{"a", "b"} {
				mustApply(b, other, mroute.Op{Kind: mroute.AddVIF, Family: mroute.IPv4, VIF: mroute.VIF(v), Link: r.link(name)})
			}
			set, del := flowOps(mroute.IPv4, mroute.SetMFC, answered), flowOps(mroute.IPv4, mroute.DelMFC, answered)
			var end atomic.Bool
			read := make(chan int)
			go func() {
				sgs, out := make([]mroute.SG, many), make([]mroute.Counters, many)
				for i := range sgs {
					sgs[i] = flow(mroute.IPv4, i)
				}
				n := 0
				for chunk > 0 && !end.Load() {
					at := n % many
					size := min(chunk, many-at)
					if err := r.Counters(mroute.IPv4, sgs[at:at+size], out[at:at+size]); err != nil {
						b.Error(err)
						break
					}
					n += size
				}
				read <- n
			}()
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				mustApply(b, other, set...)
				took = append(took, time.Since(start))
				mustApply(b, other, del...)
			}
			elapsed := b.Elapsed()
			end.Store(true)
			n := <-read
			slices.Sort(took)
			for _, q := range []struct {
				unit string
				at   int
			}{{"p50-us", len(took) / 2}, {"p99-us", len(took) * 99 / 100}, {"max-us", len(took) - 1}} {
				b.ReportMetric(float64(took[q.at].Nanoseconds())/1000, q.unit)
			}
			b.ReportMetric(float64(n)/elapsed.Seconds(), "counters/s")
		})
	}
}
