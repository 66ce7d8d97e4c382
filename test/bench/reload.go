package main

import (
	"context"
	"errors"
	"net/netip"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/interop/program"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// streamRate is packets a second.
const streamRate = 2000

// reloads is what reloads of an unchanged file cost.
type reloads struct {
	took      side
	rewritten int // entries
	sent      uint64
	lost      uint64 // packets
}

// reload measures reloads of the small table, unchanged, with a stream of
// packets passing through it, and what a reload of the large one computes.
func (b *bench) reload(tb netlab.TB) []row {
	ours := b.reloads(tb, func(r *router, _ *side) *program.Daemon { return r.daemon(tb, b.ours) }, b.reloadRounds)
	debian := b.reloads(tb, func(r *router, s *side) *program.Daemon { return r.original(tb, b, s) }, 1)
	lines := count(float64(b.small))
	rewritten, lost := &side{name: cDaemon}, &side{name: cDaemon}
	if debian.sent > 0 {
		rewritten.add(float64(debian.rewritten))
		lost.add(float64(debian.lost))
		lost.note = "of " + count(float64(debian.sent))
	}
	zero := func(what string, n float64, note string, debian *side) row {
		r := alone(what, count, &side{figures: []float64{n}, note: note}, atMost(0))
		r.against = debian.cell(count)
		return r
	}
	rows := []row{
		compare("reload of "+lines+" unchanged lines", seconds, &ours.took, &debian.took, atMost(1.0/50)),
		zero("entries rewritten by a reload", float64(ours.rewritten), "", rewritten),
		zero("packets lost at 2,000/s while reloading", float64(ours.lost), "of "+count(float64(ours.sent)), lost),
	}
	return append(rows, b.unchanged(tb)...)
}

// reloads measures one daemon, if start returns one.
func (b *bench) reloads(tb netlab.TB, start func(*router, *side) *program.Daemon, rounds int) *reloads {
	rs := &reloads{}
	r := b.router(tb, conf(mroute.IPv4, b.small, ""))
	d := start(r, &rs.took)
	if d == nil {
		return rs
	}
	defer d.Kill()

	capture := r.hosts.Capture("b")
	flow := netlab.Packet{Src: netip.MustParseAddr("10.0.0.1"), Group: netip.MustParseAddr("232.0.0.1")}
	stream := r.hosts.Stream(context.Background(), "a", flow, streamRate)
	sg := mroute.SG{Source: flow.Src, Group: flow.Group}
	capture.Await(sg, streamRate/10, patience)

	notices := r.Notices()
	for range rounds {
		took, err := d.Reload(patience)
		if errors.Is(err, program.ErrLate) {
			took, err, rs.took.note = patience, nil, "and more"
		}
		if err != nil {
			tb.Fatalf("reload: %v", err)
		}
		rs.took.add(took.Seconds())
	}
	rs.rewritten = notices.Set() / rounds
	capture.Await(sg, capture.Count(sg)+streamRate/10, patience)

	sent, err := stream.Stop()
	if err != nil {
		tb.Fatalf("stream: %v", err)
	}
	// A packet behind all others tells when the last of them has arrived.
	last := netlab.Packet{Src: netip.MustParseAddr("10.0.0.2"), Group: netip.MustParseAddr("232.0.0.2")}
	r.hosts.Send("a", last)
	capture.Await(mroute.SG{Source: last.Src, Group: last.Group}, 1, patience)
	if n := capture.Dropped(); n > 0 {
		tb.Fatalf("the capture lost %d packets", n)
	}
	f := capture.Flow(netlab.In, sg)
	rs.sent, rs.lost = sent, sent-uint64(f.Distinct())
	return rs
}
