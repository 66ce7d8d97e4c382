package chaos

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// rate of each stream, in packets a second.
const rate = 2000

// arrives is how long a packet may take that was sent, and a capture to tell of it:
// long, since machines can be busy.
const arrives = time.Minute

// flow is a stream that a line of the configuration asks for.
type flow struct {
	name   string
	sg     mroute.SG
	line   string   // of smcroute.conf
	outs   []string // where the line sends it
	always bool     // the line is never taken away

	on     bool // the line is in the file
	stream *netlab.Stream
	open   map[string]span // by output: what has been going on since a moment

	// rewrites are when the entry may have been written again, although it is
	// wanted as it was: since an interface has gone. The kernel does that in place,
	// and may lose a packet which comes at that very moment (docs/hitless.md).
	rewrites []numbers
	lost     int // packets that this has cost
}

// numbers are those of packets, the first and the last.
type numbers struct{ first, last uint64 }

// span is a run of numbers of which all must arrive, or else none.
type span struct {
	wanted bool
	from   uint64
}

func newFlow(name, source, group, line string, outs ...string) *flow {
	return &flow{
		name: name,
		sg:   mroute.SG{Source: netip.MustParseAddr(source), Group: netip.MustParseAddr(group)},
		line: line,
		outs: outs,
		open: map[string]span{},
	}
}

// flows are those of a run.
func flows() []*flow {
	all := []*flow{
		newFlow("exact", "10.0.0.1", "225.1.1.1", "mroute from in source 10.0.0.1 group 225.1.1.1 to out0 out1", "out0", "out1"),
		newFlow("learned", "10.0.0.2", "225.2.1.1", "mroute from in group 225.2.0.0/16 to out0", "out0"),
		newFlow("exact6", "2001:db8::1", "ff3e::1:1", "mroute from in source 2001:db8::1 group ff3e::1:1 to out1", "out1"),
		newFlow("learned6", "2001:db8::2", "ff3e::1:2", "mroute from in group ff3e::1:2 to out0", "out0"),
	}
	for _, f := range all {
		f.always, f.on = true, true
	}
	return append(all,
		newFlow("sometimes", "10.0.0.3", "225.3.1.1", "mroute from in source 10.0.0.3 group 225.3.1.1 to out0 flap", "out0", "flap"),
		newFlow("sometimes learned", "10.0.0.4", "225.4.1.1", "mroute from in group 225.4.0.0/16 to out1 flap", "out1", "flap"),
		newFlow("sometimes6", "2001:db8::3", "ff3e::1:3", "mroute from in source 2001:db8::3 group ff3e::1:3 to flap out0", "out0", "flap"),
		newFlow("trap", "10.0.0.5", "225.5.1.1", "mroute from in source 10.0.0.5 group 225.5.1.1 to trap", "trap"),
	)
}

// begin notes that from the next packet on all, or none, must arrive at an output.
func (f *flow) begin(out string, wanted bool) {
	f.open[out] = span{wanted, f.stream.Sent() + 1}
}

// end checks what has been going on at an output, before anything is done that
// may change it. It does not wait for what must not come.
func (f *flow) end(t testing.TB, out string, seen *netlab.Capture) error {
	s, ok := f.open[out]
	if !ok {
		return nil
	}
	delete(f.open, out)
	until := f.stream.Sent() // this one may be on its way
	if until <= s.from {
		return nil
	}
	if s.wanted {
		netlab.Poll(arrives, func() bool { return seen.Has(f.sg, until-1) })
		netlab.Flush(t, 2, arrives) // it may have overtaken another
	}
	got := seen.Flow(netlab.In, f.sg)
	if !s.wanted {
		there := 0
		for seq := s.from; seq < until; seq++ {
			if got.Has(seq) {
				there++
			}
		}
		if there > 0 {
			return fmt.Errorf("%s (%v) to %s: %d of %d packets got through that nobody asked for", f.name, f.sg, out, there, until-s.from)
		}
		return nil
	}
	var gaps []netlab.Gap
	missing := uint64(0)
	for _, g := range got.Gaps(until) {
		g.First = max(g.First, s.from)
		if g.Last < s.from || g.First == g.Last && f.rewrote(g.First) {
			continue
		}
		gaps = append(gaps, g)
		missing += g.Last - g.First + 1
	}
	if missing > 0 {
		return fmt.Errorf("%s (%v) to %s: %d of %d packets that were promised are missing: %v", f.name, f.sg, out, missing, until-s.from, gaps[:min(len(gaps), 5)])
	}
	return nil
}

// rewrote uses up a moment in which the packet with that number may have been
// lost. It is one for all outputs.
func (f *flow) rewrote(seq uint64) bool {
	for i, r := range f.rewrites {
		if r.first <= seq && seq <= r.last {
			if r.first < r.last {
				f.rewrites[i] = numbers{seq, seq}
				f.lost++
			}
			return true
		}
	}
	return false
}
