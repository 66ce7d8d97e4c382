package core_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/cputime"
)

// run carries out effects on a kernel that agrees to everything at once.
func run(s *core.State, effects []core.Effect, now time.Time) (ops int) {
	for _, eff := range effects {
		if a, ok := eff.(core.Apply); ok {
			ops += len(a.Ops) + run(s, s.Step(core.Applied{}, now), now)
		}
	}
	return ops
}

func exactRoutes(n int) mroute.Layer {
	l := mroute.Layer{Name: "file", FirstMatch: true}
	to := []mroute.Output{{If: "b0"}, {If: "b1"}}
	for i := range n {
		l.Routes = append(l.Routes, mroute.Route{
			From: "a0",
			Match: mroute.MatchSG(mroute.SG{
				Source: netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + i%250)}),
				Group:  netip.AddrFrom4([4]byte{225, byte(i >> 16), byte(i >> 8), byte(i)}),
			}),
			To:     to,
			Origin: mroute.Origin{Ref: "conf", Line: i + 1, Seq: i + 1},
		})
	}
	return l
}

var benchLinks = core.LinksRead{Links: []mroute.Link{
	{Index: 2, Name: "a0", Up: true, Multicast: true},
	{Index: 3, Name: "b0", Up: true, Multicast: true},
	{Index: 4, Name: "b1", Up: true, Multicast: true},
}}

var sizes = []int{100, 10_000, 100_000}

func BenchmarkStart(b *testing.B) {
	for _, n := range sizes {
		layer := exactRoutes(n)
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s := core.New(core.Options{})
				run(s, s.Step(benchLinks, time.Now()), time.Now())
				if got := run(s, s.Step(core.SetLayer{Layer: layer}, time.Now()), time.Now()); got < n {
					b.Fatalf("%d ops for %d routes", got, n)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/route")
		})
	}
}

func started(b *testing.B, n int) (*core.State, mroute.Layer) {
	s, layer := core.New(core.Options{}), exactRoutes(n)
	run(s, s.Step(benchLinks, time.Now()), time.Now())
	run(s, s.Step(core.SetLayer{Layer: layer}, time.Now()), time.Now())
	return s, layer
}

// The layer that comes says the same, but shares nothing with the one before.
func BenchmarkReloadUnchanged(b *testing.B) {
	for _, n := range sizes {
		s, layer := started(b, n)
		benchmarkLayers(b, s, [2]mroute.Layer{layer, apart(n)}, 0)
	}
}

// In the layer that comes one route in the middle is another, or not there: then all
// routes behind it have other places.
func BenchmarkOneChange(b *testing.B) {
	b.Run("changed", func(b *testing.B) {
		for _, n := range sizes {
			s, layer := started(b, n)
			other := apart(n)
			other.Routes[n/2].To = []mroute.Output{{If: "b1"}}
			benchmarkLayers(b, s, [2]mroute.Layer{layer, other}, 1)
		}
	})
	b.Run("part", func(b *testing.B) {
		for _, n := range sizes {
			layer := inParts(exactRoutes(n))
			other := layer
			other.Parts = slices.Clone(layer.Parts)
			at := len(other.Parts) / 2
			routes := slices.Clone(layer.Parts[at].Routes)
			routes[3].To = []mroute.Output{{If: "b1"}}
			other.Parts[at] = &mroute.Part{Routes: routes}
			s := core.New(core.Options{})
			run(s, s.Step(benchLinks, time.Now()), time.Now())
			run(s, s.Step(core.SetLayer{Layer: layer}, time.Now()), time.Now())
			benchmarkLayers(b, s, [2]mroute.Layer{layer, other}, 1)
		}
	})
	b.Run("removed", func(b *testing.B) {
		for _, n := range sizes {
			s, layer := started(b, n)
			other := apart(n)
			other.Routes = slices.Delete(other.Routes, n/2, n/2+1)
			benchmarkLayers(b, s, [2]mroute.Layer{layer, other}, 1)
		}
	})
}

// A link that no rule names comes and goes, as those of pods do.
func BenchmarkOtherLink(b *testing.B) {
	for _, n := range sizes {
		s, _ := started(b, n)
		more := core.LinksRead{Links: append(slices.Clone(benchLinks.Links), mroute.Link{Index: 9, Name: "veth9", Up: true, Multicast: true})}
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, ev := range []core.LinksRead{more, benchLinks} {
					if got := run(s, s.Step(ev, time.Now()), time.Now()); got != 0 {
						b.Fatalf("%d ops", got)
					}
				}
			}
		})
	}
}

// apart makes exactRoutes of which no two have memory in common, as a source may.
func apart(n int) mroute.Layer {
	l := exactRoutes(n)
	for i := range l.Routes {
		l.Routes[i].To = slices.Clone(l.Routes[i].To)
	}
	return l
}

// inParts is a layer of parts of twenty routes each, as of so many objects of an API.
func inParts(l mroute.Layer) mroute.Layer {
	parted := mroute.Layer{Name: l.Name}
	for routes := range slices.Chunk(l.Routes, 20) {
		parted.Parts = append(parted.Parts, &mroute.Part{Routes: routes})
	}
	return parted
}

// benchmarkLayers replaces the first layer, which is in force, by the second, that
// by the first, and so on; each time there are so many ops.
func benchmarkLayers(b *testing.B, s *core.State, layers [2]mroute.Layer, ops int) {
	n := layers[0].Size()
	i := 0
	b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
		b.ReportAllocs()
		used := cputime.Used()
		for b.Loop() {
			i = 1 - i
			if got := run(s, s.Step(core.SetLayer{Layer: layers[i]}, time.Now()), time.Now()); got != ops {
				b.Fatalf("%d ops", got)
			}
		}
		cputime.Report(b, used, b.N)
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/route")
	})
}

func BenchmarkAddAndRemoveOne(b *testing.B) {
	for _, n := range sizes {
		s, _ := started(b, n)
		ed := mroute.Edit{Route: mroute.Route{
			From:  "a0",
			Match: mroute.MatchSG(mroute.SG{Source: netip.MustParseAddr("10.9.9.9"), Group: netip.MustParseAddr("239.1.1.1")}),
			To:    []mroute.Output{{If: "b0"}},
		}}
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, ed.Kind = range []mroute.EditKind{mroute.AddRoute, mroute.RemoveRoute} {
					effects, err := s.Edit(ed)
					if got := run(s, effects, time.Now()); err != nil || got != 1 {
						b.Fatalf("%d ops, %v", got, err)
					}
				}
			}
		})
	}
}

func BenchmarkSnapshot(b *testing.B) {
	for _, n := range sizes {
		s, _ := started(b, n)
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got := len(s.Snapshot(time.Now(), countAll).Entries); got != n {
					b.Fatalf("%d entries", got)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/route")
		})
	}
}

// BenchmarkSurvey is what documents and metrics are made from.
func BenchmarkSurvey(b *testing.B) {
	var some [512]mroute.Counters
	count := func(_ mroute.Family, sgs []mroute.SG) []mroute.Counters { return some[:len(sgs)] }
	for _, n := range sizes {
		s, _ := started(b, n)
		for name, asked := range map[string]mroute.Survey{"rules": {Rules: all.Rules}, "entries": {Entries: all.Entries}, "whole": all} {
			b.Run(fmt.Sprintf("%s/routes=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					l, got := s.Survey(asked, count), 0
					for more := true; more; {
						more = l.Gather(time.Now())
						_, rules := l.TakeRules()
						_, entries := l.Take()
						got += len(rules) + len(entries)
					}
					if l.Stop(); got < n {
						b.Fatalf("%d rules and entries", got)
					}
				}
			})
		}
	}
}

// How long a listing keeps the router from all else at a time, beside reading
// counters.
func BenchmarkListing(b *testing.B) {
	for _, n := range sizes {
		s, _ := started(b, n)
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			var chunks []time.Duration
			var gathering time.Duration
			for b.Loop() {
				l := s.List(countAll)
				for more := true; more; {
					start := time.Now()
					more = l.Gather(start)
					chunks = append(chunks, time.Since(start))
					gathering += chunks[len(chunks)-1]
				}
				if got := len(l.Snapshot().Entries); got != n {
					b.Fatalf("%d entries", got)
				}
				l.Stop()
			}
			slices.Sort(chunks)
			b.ReportMetric(chunks[len(chunks)*99/100].Seconds()*1000, "p99-ms/chunk")
			b.ReportMetric(chunks[len(chunks)-1].Seconds()*1000, "max-ms/chunk")
			b.ReportMetric(gathering.Seconds()*1000/float64(b.N), "ms-gathering")
		})
	}
}

// How long a line of many memberships keeps the router from all else, before the
// first chunk of them.
func BenchmarkManyJoins(b *testing.B) {
	l := mroute.Layer{Name: "file", Joins: []mroute.Join{{If: "a0", Match: match("* 225.0.0.0/16"), Origin: mroute.Origin{Seq: 1}}}}
	now := time.Now()
	for b.Loop() {
		s := core.New(core.Options{})
		run(s, s.Step(benchLinks, now), now)
		if got := run(s, s.Step(core.SetLayer{Layer: l}, now), now); got > 100 {
			b.Fatalf("%d ops at once", got)
		}
	}
}

// learning is a router with n exact routes, and a rule that learns.
func learning(b *testing.B, n int, o core.Options) *core.State {
	layer := exactRoutes(n)
	layer.Routes = append(layer.Routes, mroute.Route{
		From: "a0", Match: match("* 239.0.0.0/8"), To: []mroute.Output{{If: "b0"}},
		Origin: mroute.Origin{Ref: "conf", Line: n + 1, Seq: n + 1},
	})
	s := core.New(o)
	run(s, s.Step(benchLinks, time.Now()), time.Now())
	run(s, s.Step(core.SetLayer{Layer: layer}, time.Now()), time.Now())
	return s
}

// newFlow is a question about the i-th of 2^24 flows.
func newFlow(i int) mroute.Upcall {
	return mroute.Upcall{Kind: mroute.NoCache, SG: mroute.SG{
		Source: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}),
		Group:  netip.AddrFrom4([4]byte{239, byte(i >> 16), byte(i >> 8), byte(i)}),
	}}
}

// BenchmarkLearn is one question at a time, and as many as come at once at most.
// "flood" is beyond the limit on flows, which none of them is idle enough to make
// room for.
func BenchmarkLearn(b *testing.B) {
	for _, n := range sizes {
		for _, batch := range []int{1, 256} {
			b.Run(fmt.Sprintf("routes=%d/batch=%d", n, batch), func(b *testing.B) {
				benchmarkLearn(b, learning(b, n, core.Options{}), batch)
			})
		}
	}
	b.Run("flood/batch=256", func(b *testing.B) {
		benchmarkLearn(b, learning(b, 0, core.Options{MaxFlows: 1 << 16}), 256)
	})
}

func benchmarkLearn(b *testing.B, s *core.State, batch int) {
	ups := make(core.Upcalls, batch)
	i, ops := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		for j := range ups {
			i++
			ups[j] = newFlow(i)
		}
		ops += run(s, s.Step(ups, time.Now()), time.Now())
	}
	if ops < i {
		b.Fatalf("%d ops for %d flows", ops, i)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(i), "ns/flow")
}
