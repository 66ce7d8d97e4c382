package main

import (
	"errors"
	"fmt"

	"slices"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Streams that begin in the onset measurement: packets of each, and how many a
// second.
const (
	onsetPackets = 50
	onsetRate    = 5000
)

// onset measures how many packets streams lose while they begin, by how their
// group is routed and by whom.
func (b *bench) onset(tb netlab.TB) []row {
	const line = "mroute from in group 239.1.1.1 to out\n"
	lost := func(r *router, s *side, group bool) *side {
		for i := range b.onsets {
			s.add(float64(r.begin(tb, firstSource(i), group)))
		}
		sum := 0.0
		for _, f := range s.figures {
			sum += f
		}
		s.figures = []float64{sum}
		return s
	}
	start := func(line string) *router {
		r := b.addressed(tb, conf(mroute.IPv4, 0, line))
		r.daemon(tb, b.ours)
		r.forwarder(tb, "").await(tb)
		return r
	}
	learned := lost(start(line), &side{}, false)
	native := lost(start("mroute from in group 239.1.1.1 native to out\n"), &side{}, true)
	debian := &side{}
	if r := b.addressed(tb, conf(mroute.IPv4, 0, line)); r.original(tb, b, debian) != nil {
		r.forwarder(tb, "").await(tb)
		lost(r, debian, false)
	}
	of := fmt.Sprintf("of %s", count(float64(b.onsets*onsetPackets)))
	learned.note, native.note = of, of
	if len(debian.figures) > 0 {
		debian.note = of
	}
	what := fmt.Sprintf("packets lost, streams that begin with %s", perSecond(onsetRate))
	return []row{
		compare(what+", learned", count, learned, debian, goal{}),
		alone("the same, native (*,G)", count, native, atMost(0)),
	}
}

// begin sends a stream of a new source, and returns how many of its packets were
// not forwarded. With group the group has one entry for all sources.
func (r *router) begin(tb netlab.TB, source [4]byte, group bool) (lost int) {
	tb.Helper()
	key := source
	if group {
		key = [4]byte{}
	}
	before := r.forwarded(tb, key)
	r.sender(tb, "a", slices.Repeat([][]byte{frame(source, firstGroup)}, onsetPackets)).run(tb, onsetRate)
	return onsetPackets - int(r.forwarded(tb, key)-before)
}

// forwarded is the count of an entry of firstGroup, 0 if there is none.
func (r *router) forwarded(tb netlab.TB, source [4]byte) (packets uint64) {
	tb.Helper()
	err := r.counters(func(get func(source, group [4]byte) (uint64, error)) (err error) {
		packets, err = get(source, firstGroup)
		return err
	})
	if err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
		tb.Fatalf("SIOCGETSGCNT: %v", err)
	}
	return packets
}
