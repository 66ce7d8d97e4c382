package mroute_test

import (
	"fmt"
	"maps"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// A BySG is a map[SG]: whatever is done to both, both hold the same.
func TestBySGIsAMap(t *testing.T) {
	var sgs []mroute.SG
	for _, s := range []string{"", "0.0.0.0", "10.0.0.1", "255.255.255.255", "::", "2001:db8::1", "::ffff:10.0.0.1"} {
		for _, g := range []string{"225.0.0.1", "239.255.255.255", "ff05::1", "::ffff:225.0.0.1"} {
			sg := mroute.SG{Group: netip.MustParseAddr(g)}
			if s != "" {
				sg.Source = netip.MustParseAddr(s)
			}
			sgs = append(sgs, sg)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		var m mroute.BySG[int]
		want := make(map[mroute.SG]int)
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				sg, v := rapid.SampledFrom(sgs).Draw(t, "sg"), rapid.Int().Draw(t, "v")
				m.Set(sg, v)
				want[sg] = v
			},
			"delete": func(t *rapid.T) {
				sg := rapid.SampledFrom(sgs).Draw(t, "sg")
				m.Delete(sg)
				delete(want, sg)
			},
			"grow": func(t *rapid.T) { m.Grow(rapid.SampledFrom(mroute.Families[:]).Draw(t, "family"), 10) },
			"": func(t *rapid.T) {
				if got := maps.Collect(m.All()); !maps.Equal(got, want) || m.Len() != len(want) {
					t.Fatalf("%d values %v, want %v", m.Len(), got, want)
				}
				for _, sg := range sgs {
					v, ok := want[sg]
					if gotV, gotOK := m.Lookup(sg); gotV != v || gotOK != ok || m.Get(sg) != v {
						t.Fatalf("%v: %d, %v, want %d, %v", sg, gotV, gotOK, v, ok)
					}
				}
				n := 0
				for range m.Keys() {
					n++
				}
				if n != len(want) {
					t.Fatalf("%d keys, want %d", n, len(want))
				}
			},
		})
	})
}

func BenchmarkBySG(b *testing.B) {
	const n = 100_000
	sgs := make([]mroute.SG, n)
	for i := range sgs {
		sgs[i] = mroute.SG{
			Source: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}),
			Group:  netip.AddrFrom4([4]byte{232, byte(i >> 16), byte(i >> 8), byte(i)}),
		}
	}
	b.Run(fmt.Sprintf("set/routes=%d", n), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var m mroute.BySG[int32]
			m.Grow(mroute.IPv4, n)
			for i, sg := range sgs {
				m.Set(sg, int32(i))
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/route")
	})
	b.Run(fmt.Sprintf("get/routes=%d", n), func(b *testing.B) {
		var m mroute.BySG[int32]
		for i, sg := range sgs {
			m.Set(sg, int32(i))
		}
		b.ReportAllocs()
		for b.Loop() {
			for i, sg := range sgs {
				if m.Get(sg) != int32(i) {
					b.Fatal(sg)
				}
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/route")
	})
}
