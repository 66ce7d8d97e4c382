package linux

import (
	"fmt"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/cputime"
)

// BenchmarkSetMFC adds 10,000 entries with Apply, and with a loop of bare
// setsockopt calls whose values were made before. "ratio" is Apply's time in
// terms of the loop's, of the same run.
func BenchmarkSetMFC(b *testing.B) {
	const n = 10_000
	for _, f := range mroute.Families {
		b.Run(f.String(), func(b *testing.B) {
			k := newRouter(b).Kernel
			o := k.owner(f)
			set, del := flowOps(f, mroute.SetMFC, n), flowOps(f, mroute.DelMFC, n)
			values := make([][]byte, n)
			for i, op := range set {
				mfc := uapi.MFC{Origin: op.SG.Source, Group: op.SG.Group, TTLs: [uapi.MaxVIFs]uint8{1: 1}}
				values[i] = mfc.Append(nil)
			}
			var apply, loop time.Duration
			b.ReportAllocs()
			for b.Loop() {
				start := time.Now()
				mustApply(b, k, set...)
				apply += time.Since(start)
				mustApply(b, k, del...)
				start = time.Now()
				for _, v := range values {
					if errno := setsockopt(o.fd, level(f), uapi.MRTAddMFC, v); errno != 0 {
						b.Fatal(errno)
					}
				}
				loop += time.Since(start)
				mustApply(b, k, del...)
			}
			per := float64(b.N * n)
			b.ReportMetric(float64(apply)/per, "ns/entry")
			b.ReportMetric(float64(loop)/per, "ns/setsockopt")
			b.ReportMetric(float64(apply)/float64(loop), "ratio")
		})
	}
}

// BenchmarkSmallBatch is for minBatch.
func BenchmarkSmallBatch(b *testing.B) {
	for _, n := range []int{1, 2, 3, 4, 6, 8, 16} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			k := newRouter(b).Kernel
			ops, batch := flowOps(mroute.IPv4, mroute.SetMFC, n), make([]int, n)
			for i := range batch {
				batch[i] = i
			}
			var one, each time.Duration
			for b.Loop() {
				start := time.Now()
				if !k.netlinkMFC(ops, batch, func(i int, err error) {
					if err != nil {
						b.Fatal(i, err)
					}
				}) {
					b.Fatal("answers are missing")
				}
				one += time.Since(start)
				start = time.Now()
				for i := range ops {
					if err := k.apply(&ops[i]); err != nil {
						b.Fatal(err)
					}
				}
				each += time.Since(start)
			}
			b.ReportMetric(float64(one)/float64(each), "ratio")
		})
	}
}

// BenchmarkCounters reads the counters of all entries of a table.
func BenchmarkCounters(b *testing.B) {
	for _, f := range mroute.Families {
		for _, n := range []int{1_000, 10_000, 100_000} {
			b.Run(fmt.Sprintf("%v/routes=%d", f, n), func(b *testing.B) {
				k := newRouter(b).Kernel
				mustApply(b, k, flowOps(f, mroute.SetMFC, n)...)
				sgs, out := make([]mroute.SG, n), make([]mroute.Counters, n)
				for i := range sgs {
					sgs[i] = flow(f, i)
				}
				if err := k.Counters(f, sgs, out); err != nil { // makes its buffers
					b.Fatal(err)
				}
				b.ReportAllocs()
				used := cputime.Used()
				for b.Loop() {
					if err := k.Counters(f, sgs, out); err != nil {
						b.Fatal(err)
					}
				}
				cputime.Report(b, used, b.N)
				if out[n-1].Idle < 0 {
					b.Fatal("the last entry is missing")
				}
				b.ReportMetric(float64(b.Elapsed())/float64(b.N*n), "ns/entry")
			})
		}
	}
}
