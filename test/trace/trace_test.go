package trace

import (
	"slices"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	report "github.com/smcroute/kube-smcroute/agent/trace"
)

// Of 5000 packets of RTP, whose numbers wrap around, twelve do not reach the node, and three
// do not get through it.
func TestLostPackets(t *testing.T) {
	eachFamily(t, func(t *testing.T, sg mroute.SG) {
		l := newLab(t)
		l.route(sg, "in", "out1", "out2")
		s := l.follow(sg, func() {
			for i := range 5000 {
				seq := uint16(62000 + i) // 65535 is the 3536th
				switch seq {
				case 100, 101, 102, 103, 104, 105, 200, 201, 202, 203, 204, 205:
				case 123, 124, 900:
					l.send(sg, 1, rtp(96, seq)) // ends here
				default:
					l.send(sg, 64, rtp(96, seq))
				}
			}
		})
		in := l.at(&s, "in", "in")
		if in.Packets != 4988 || in.MinTTL != 1 || in.MaxTTL != 64 || in.Route != "iif" || len(in.RTP) != 1 {
			t.Fatalf("at in: %+v, want 4988 packets of one source with TTLs 1 to 64, and that it is the IIF", in)
		}
		r := in.RTP[0]
		if r.SSRC != 0xfeedbeef || r.Type != 96 || r.Missing != 12 || r.Reordered != 0 || r.Duplicates != 0 ||
			!slices.Equal(r.Which, []report.Range{{First: 100, Last: 105}, {First: 200, Last: 205}}) {
			t.Errorf("numbers at in: %+v, want 100 to 105 and 200 to 205 missing", r)
		}
		for _, name := range []string{"out1", "out2"} {
			out := l.at(&s, "out", name)
			if out.Packets != 4985 || out.MinTTL != 63 || out.MaxTTL != 63 || out.Route != "oif" || len(out.RTP) != 1 || out.RTP[0].Missing != 15 {
				t.Errorf("at %s: %+v, want 4985 packets with TTL 63, 15 missing, and that it is an OIF", name, out)
			}
			h := l.hop(&s, "in", name)
			if h.In != 4988 || h.Out != 4985 || h.Lost != 3 || h.Other != 0 || !slices.Equal(h.Which, []report.Range{{First: 123, Last: 124}, {First: 900, Last: 900}}) {
				t.Errorf("from in to %s: %+v, want 123, 124 and 900 lost, of 4988", name, h)
			}
		}
		text := strings.Join(s.Says, "\n")
		for _, want := range []string{
			"It arrives at in with 12 packets missing already (100-105, 200-205): lost before this node.",
			"in -> out1: 4988 in, 4985 out: 3 lost between (sequence number 123, 124, 900)",
			"Some packets come in at in with TTL 1: these cannot be forwarded.",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("it does not say %q:\n%s", want, text)
			}
		}
	})
}
