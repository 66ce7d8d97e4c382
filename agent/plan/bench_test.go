package plan_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// benchFlow is the i-th flow of a group's first byte.
func benchFlow(first byte, i int) mroute.SG {
	x, y, z := byte(i>>16), byte(i>>8), byte(i)
	return mroute.SG{Source: netip.AddrFrom4([4]byte{10, x, y, z}), Group: netip.AddrFrom4([4]byte{first, x, y, z})}
}

// benchLayer wants n flows from a0 to b0, and templates of two lengths.
func benchLayer(n int) mroute.Layer {
	l := mroute.Layer{Name: "file", FirstMatch: true}
	to := []mroute.Output{{If: "b0"}}
	for i := range n {
		l.Routes = append(l.Routes, mroute.Route{From: "a0", Match: mroute.MatchSG(benchFlow(225, i)), To: to, Origin: mroute.Origin{Seq: i + 1}})
	}
	for i, group := range []string{"239.128.0.0/16", "239.0.0.0/8"} {
		l.Routes = append(l.Routes, mroute.Route{From: "a0", Match: mroute.Match{Group: netip.MustParsePrefix(group)}, To: to, Origin: mroute.Origin{Seq: n + i + 1}})
	}
	return l
}

var benchLinks = []mroute.Link{
	{Index: 1, Name: "a0", Up: true, Multicast: true},
	{Index: 2, Name: "b0", Up: true, Multicast: true},
}

// BenchmarkEntry asks which entry a flow gets: by a route of its own, and by a template
// among which many others do not fit.
func BenchmarkEntry(b *testing.B) {
	for _, kind := range []struct {
		name  string
		first byte
	}{{"exact", 225}, {"template", 239}} {
		for _, n := range []int{100, 100_000} {
			b.Run(fmt.Sprintf("%s/routes=%d", kind.name, n), func(b *testing.B) {
				in := plan.NewIntent()
				in.SetLayer(benchLayer(n))
				r := plan.NewResolver(in, benchLinks)
				var v plan.VIFs
				for i, l := range benchLinks {
					v.Set(mroute.VIF(i), l.Index)
				}
				i := 0
				b.ReportAllocs()
				for b.Loop() {
					if e, ok := r.Entry(benchFlow(kind.first, i%n), 1, &v); !ok || e.Kind == mroute.StopFilter {
						b.Fatalf("flow %d: %+v, %v", i%n, e, ok)
					}
					i++
				}
			})
		}
	}
}

// BenchmarkSetLayer hands over a layer of so many routes.
func BenchmarkSetLayer(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			l := benchLayer(n)
			b.ReportAllocs()
			for b.Loop() {
				plan.NewIntent().SetLayer(l)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/route")
		})
	}
}
