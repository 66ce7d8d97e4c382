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

// MPEG-TS over RTP: what the node loses shows in the counters of the way out alone.
func TestMPEGTS(t *testing.T) {
	for _, overRTP := range []bool{true, false} {
		t.Run(map[bool]string{true: "RTP", false: "UDP"}[overRTP], func(t *testing.T) {
			sg := flows[0]
			l := newLab(t)
			l.route(sg, "in", "out1")
			s := l.follow(sg, func() {
				for i := range 100 {
					payload := ts(7 * i)
					if overRTP {
						payload = rtp(33, uint16(i), payload...)
					}
					ttl := uint8(64)
					if i == 20 || i == 60 {
						ttl = 1
					}
					l.send(sg, ttl, payload)
				}
			})
			for name, errors := range map[string]uint64{"in": 0, "out1": 2} {
				direction := map[bool]string{true: "in", false: "out"}[name == "in"]
				a := l.at(&s, direction, name)
				if a.MPEGTS == nil || a.MPEGTS.Errors != errors || len(a.MPEGTS.PIDs) != 1 || a.MPEGTS.PIDs[0].PID != 256 || a.MPEGTS.Cut {
					t.Errorf("at %s: MPEG-TS %+v, want PID 256 with %d errors", name, a.MPEGTS, errors)
				}
				if rtp := len(a.RTP) == 1; rtp != overRTP {
					t.Errorf("at %s: RTP %v, want %v", name, rtp, overRTP)
				}
			}
			if h := l.hop(&s, "in", "out1"); h.In != 100 || h.Lost != 2 {
				t.Errorf("from in to out1: %+v, want 2 of 100 lost", h)
			}
		})
	}
}

// A packet that is sent in fragments on the way out has not been lost.
func TestFragments(t *testing.T) {
	sg := flows[0]
	l := newLab(t)
	l.node.SetMTU("out1", 1000)
	l.route(sg, "in", "out1", "out2")
	s := l.trace(func() {
		for i := range 10 {
			l.send(sg, 64, rtp(96, uint16(i), make([]byte, 1300)...))
		}
	}, sg.Group.String())
	for _, want := range []string{
		"in -> out1: 10 in, 10 out, none lost.",
		"in -> out2: 10 in, 10 out, none lost.",
		"later fragments",
	} {
		if !strings.Contains(s, want) {
			t.Errorf("it does not say %q", want)
		}
	}
}

// What is too large for an output of IPv6 is lost there, and not at another.
func TestTooLarge(t *testing.T) {
	sg := flows[1]
	l := newLab(t)
	l.node.SetMTU("out1", 1280)
	l.route(sg, "in", "out1", "out2")
	s := l.follow(sg, func() {
		for i := range 50 {
			size := 100
			if i%10 == 7 {
				size = 1300
			}
			l.send(sg, 64, rtp(96, uint16(i), make([]byte, size)...))
		}
	})
	want := []report.Range{{First: 7, Last: 7}, {First: 17, Last: 17}, {First: 27, Last: 27}, {First: 37, Last: 37}, {First: 47, Last: 47}}
	if h := l.hop(&s, "in", "out1"); h.In != 50 || h.Out != 45 || !slices.Equal(h.Which, want) {
		t.Errorf("from in to out1: %+v, want %v lost", h, want)
	}
	if h := l.hop(&s, "in", "out2"); h.In != 50 || h.Out != 50 {
		t.Errorf("from in to out2: %+v, want none lost", h)
	}
}

// A firewall's losses are between the interfaces, whatever the packets are: these have no
// numbers but that of IP, or none at all.
func TestFirewall(t *testing.T) {
	eachFamily(t, func(t *testing.T, sg mroute.SG) {
		l := newLab(t)
		l.route(sg, "in", "out1")
		l.dropLength(sg, 33+map[bool]int{true: 28, false: 48}[sg.Source.Is4()])
		s := l.follow(sg, func() {
			for i := range 100 {
				size := 32
				if i == 10 || i == 90 {
					size = 33
				}
				payload := make([]byte, size)
				payload[0] = byte(i)
				l.send(sg, 64, payload)
			}
		})
		if h := l.hop(&s, "in", "out1"); h.In != 100 || h.Out != 98 || h.Lost != 2 {
			t.Errorf("from in to out1: %+v, want 2 of 100 lost", h)
		}
	})
}

// A bridge that a stream comes in by is a step on its way.
func TestBridge(t *testing.T) {
	eachFamily(t, func(t *testing.T, sg mroute.SG) {
		l := newLab(t)
		l.node.Bridge("br0", "in")
		l.route(sg, "br0", "out1")
		s := l.follow(sg, func() {
			for i := range 10 {
				l.send(sg, 64, rtp(96, uint16(i)))
			}
		})
		for _, way := range [][2]string{{"in", "br0"}, {"br0", "out1"}} {
			if h := l.hop(&s, way[0], way[1]); h.In != 10 || h.Out != 10 {
				t.Errorf("from %s to %s: %+v, want 10 in and out", way[0], way[1], h)
			}
		}
	})
}

// Packets come in where the route does not expect them; and without a daemon there is less to
// say, but enough.
func TestWrongInterface(t *testing.T) {
	eachFamily(t, func(t *testing.T, sg mroute.SG) {
		l := newLab(t)
		send := func() {
			for i := range 10 {
				l.send(sg, 64, rtp(96, uint16(i)))
			}
		}
		text := l.trace(send, sg.Group.String())
		if want := "Packets come in and none goes out"; !strings.Contains(text, want) {
			t.Errorf("it does not say %q", want)
		}
		l.route(sg, "out1", "in")
		s := l.follow(sg, send)
		if want := "Packets come in at in, which is not the inbound interface of the router's entry."; !slices.Contains(s.Says, want) {
			t.Errorf("it does not say %q", want)
		}
	})
}

// The paths of ST 2022-7 carry the same packets from two sources: none is a copy of the
// other's, and each is a stream of its own.
func TestTwoPaths(t *testing.T) {
	sg := flows[0]
	other := mroute.SG{Source: sg.Source.Next(), Group: sg.Group}
	l := newLab(t)
	l.start(line(sg, "in", "out1"), line(other, "in", "out1"))
	text := l.trace(func() {
		for i := range 50 {
			for _, path := range []mroute.SG{sg, other} {
				if i != 30 || path == sg {
					l.send(path, 64, rtp(96, uint16(i), 1, 2, 3))
				}
			}
		}
	}, sg.Group.String(), "-o", "wide")
	for _, want := range []string{"0 reordered, 0 duplicates", "50 packets, 0 missing", "49 packets, 1 missing (30)", "50 in, 50 out, none lost", "49 in, 49 out, none lost"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if strings.Contains(text, "had passed") {
		t.Error("it takes packets of one path for copies of the other's")
	}
}

// Nothing comes, and nothing is wrong with the command.
func TestNothing(t *testing.T) {
	l := newLab(t)
	if text := l.trace(func() {}, "239.1.1.1", "192.0.2.1"); !strings.Contains(text, "No packet from 192.0.2.1 to 239.1.1.1 came in or went out") {
		t.Error("it does not say that no packet came")
	}
}
