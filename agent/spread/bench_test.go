package spread_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// BenchmarkNativeOrLearned changes a rule from native to learned and back while a source
// sends, and tells how many packets each change costs in the middle: the kernel does not
// know the sources of a (*,G) entry, so that the first packet after it is gone asks, and
// four wait (docs/kernel-notes.md, notes 17 and 19).
func BenchmarkNativeOrLearned(b *testing.B) {
	for _, f := range mroute.Families {
		for _, rate := range []int{1000, 10_000, 50_000} {
			b.Run(fmt.Sprintf("%v/rate=%d", f, rate), func(b *testing.B) {
				l := newLab(b)
				l.log = io.Discard
				l.link("in")
				l.link("out")
				l.start()
				sg := flow(f, 1)
				rule := map[mroute.AnySource]mroute.Route{}
				for _, how := range []mroute.AnySource{mroute.NativeSources, mroute.LearnSources} {
					r := anySource(sg, "in", "out")
					r.AnySource = how
					rule[how] = r
				}
				l.set(rule[mroute.NativeSources])
				s := &stream{t: b, l: l, sg: sg, at: l.host.Capture("xout")}
				s.s = l.host.Stream(b.Context(), "xin", packet(sg), rate)
				s.goesOn()
				lost := map[mroute.AnySource]uint64{}
				for b.Loop() {
					for _, how := range []mroute.AnySource{mroute.LearnSources, mroute.NativeSources} {
						before := s.missing()
						l.set(rule[how])
						s.goesOn()
						lost[how] += s.missing() - before
					}
				}
				if _, err := s.s.Stop(); err != nil {
					b.Fatal(err)
				}
				if n := s.at.Dropped(); n > 0 {
					b.Errorf("the capture lost %d packets", n)
				}
				b.ReportMetric(float64(lost[mroute.LearnSources])/float64(b.N), "lost/learn")
				b.ReportMetric(float64(lost[mroute.NativeSources])/float64(b.N), "lost/native")
			})
		}
	}
}

// missing counts the packets that have not arrived, though later ones have.
func (s *stream) missing() uint64 {
	f := s.at.Flow(netlab.In, s.sg)
	return f.Highest + 1 - uint64(f.Distinct())
}
