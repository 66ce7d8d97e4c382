package trace

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/smcroute/kube-smcroute/agent/capture/ip"
)

var (
	sender = netip.MustParseAddr("192.0.2.1")
	group  = netip.MustParseAddr("239.1.1.1")
	in     = Point{Link: 2}
	out    = Point{Link: 3, Out: true}
	links  = []Link{{Index: 2, Name: "eth0"}, {Index: 3, Name: "eth1"}, {Index: 4, Name: "br0"}, {Index: 5, Name: "port", Master: 4}, {Index: 6, Name: "eth0.10", Parent: 2, VLAN: 10}}
	routed = []Flow{{Source: sender, Group: group, IIF: "eth0", OIFs: []string{"eth1"}}}
)

// ms is a time after the start, in nanoseconds.
func ms(n int64) int64 { return 1e18 + n*1e6 }

func packetOf(payload []byte, id uint32) *ip.Packet {
	return &ip.Packet{
		Source: sender, Group: group, TTL: 64, Protocol: ip.UDP, Length: 28 + len(payload), ID: id,
		PortFrom: 5004, PortTo: 5004, Payload: payload, Size: len(payload),
	}
}

func rtpOf(seq uint16) *ip.Packet {
	b := make([]byte, 12)
	b[0], b[1] = 0x80, 96
	binary.BigEndian.PutUint16(b[2:], seq)
	return packetOf(b, 0)
}

// Packets of the last moment may go out after the end; what comes in then does not count.
func TestEnd(t *testing.T) {
	tr := New()
	for n := range int64(10) {
		tr.Add(in, ms(n), rtpOf(uint16(n)))
	}
	tr.Close(ms(10))
	tr.Add(in, ms(11), rtpOf(10))
	tr.Add(in, ms(12), rtpOf(9))
	for n := range int64(11) {
		tr.Add(out, ms(20+n), rtpOf(uint16(n)))
	}
	s := tr.Report(links, routed).Streams[0]
	if h := s.Hops[0]; h.In != 10 || h.Out != 10 || h.Other != 0 {
		t.Errorf("got %+v, want 10 in and out", h)
	}
	if s.At[0].Packets != 10 || s.At[1].Packets != 10 {
		t.Errorf("got %+v, want 10 packets in and out", s.At)
	}
}

// A packet that goes out at the start came in before it.
func TestStart(t *testing.T) {
	tr := New()
	for n := range int64(10) {
		if n > 2 {
			tr.Add(in, ms(n), rtpOf(uint16(n)))
		}
		tr.Add(out, ms(n), rtpOf(uint16(n)))
	}
	if h := tr.Report(links, routed).Streams[0].Hops[0]; h.In != 7 || h.Out != 7 || h.Other != 0 {
		t.Errorf("got %+v, want 7 in and out, and nothing said of those before", h)
	}
}

// A packet that is just like one of long ago is another one.
func TestPatience(t *testing.T) {
	tr := New()
	for n := range int64(20) {
		tr.Add(in, ms(1500*n), packetOf([]byte("hello"), 0))
		tr.Add(out, ms(1500*n+900), packetOf([]byte("hello"), 0))
	}
	r := tr.Report(links, routed)
	s := r.Streams[0]
	if h := s.Hops[0]; h.In != 20 || h.Out != 20 || h.Other != 0 || s.At[0].Copies != 0 || r.Unseen.Alike != 0 {
		t.Errorf("got %+v of %+v, want 20 in and out and no copies", h, s.At)
	}
}

// An output where nothing left is told of, and all is lost there.
func TestNothingLeaves(t *testing.T) {
	tr := New()
	for n := range int64(10) {
		tr.Add(in, ms(n), rtpOf(uint16(n)))
	}
	s := tr.Report(links, routed).Streams[0]
	if want := []string{"eth0 -> eth1: 10 in, 0 out: all lost between."}; !slices.Equal(s.Says, want) {
		t.Errorf("it says %q, want %q", s.Says, want)
	}
	tr = New()
	tr.Add(in, ms(1), rtpOf(1))
	if s := tr.Report(nil, nil).Streams[0]; len(s.Says) != 1 || !strings.Contains(s.Says[0], "none goes out") || s.At[0].Interface != "if2" {
		t.Errorf("without routes: it says %q of %+v", s.Says, s.At)
	}
}

// Packets that are all alike are counted, and as many as can be told apart are compared.
func TestAlike(t *testing.T) {
	tr := New()
	for n := range int64(100) {
		tr.Add(in, ms(n), packetOf([]byte("hello"), 0))
		tr.Add(out, ms(n), packetOf([]byte("hello"), 0))
	}
	r := tr.Report(links, routed)
	s := r.Streams[0]
	if h := s.Hops[0]; h.Lost != 0 || h.In != maxAlike || s.Numbers != "content" || r.Unseen.Alike != 2*(100-maxAlike) {
		t.Errorf("got %+v by %s, %d alike; want %d in and out", h, s.Numbers, r.Unseen.Alike, maxAlike)
	}
}

// More packets than there is room for are compared in part, and no loss is made up.
func TestTooManyPackets(t *testing.T) {
	tr := New()
	const n = 3 * maxWaiting
	lost := 0
	for i := range n {
		b := binary.BigEndian.AppendUint64([]byte(magic), uint64(i))
		tr.Add(in, ms(0)+int64(i), packetOf(b, 0))
		if i%100 == 0 {
			lost++
			continue
		}
		tr.Add(out, ms(0)+int64(i), packetOf(b, 0))
	}
	r := tr.Report(links, routed)
	h := r.Streams[0].Hops[0]
	if r.Unseen.Sample < 4 || h.In < n/16 || h.In > n/2 || h.Other != 0 {
		t.Errorf("one of %d was compared: %+v", r.Unseen.Sample, h)
	}
	if share := float64(h.Lost) / float64(h.In); share < 0.005 || share > 0.02 {
		t.Errorf("%d of %d are lost, want one of a hundred", h.Lost, h.In)
	}
	if len(tr.waiting.queue) > maxWaiting {
		t.Errorf("%d packets wait", len(tr.waiting.queue))
	}
}

// Made-up sources and streams are counted, and no more.
func TestMadeUp(t *testing.T) {
	tr := New()
	for i := range 2 * maxStreams {
		p := rtpOf(1)
		p.PortTo = uint16(1 + i)
		tr.Add(in, ms(int64(i)), p)
	}
	for i := range 100 {
		p := rtpOf(uint16(i))
		p.PortTo = 1
		binary.BigEndian.PutUint32(p.Payload[8:], uint32(i))
		tr.Add(in, ms(1000), p)
	}
	for i := range 100 {
		tr.Add(Point{Link: 100 + i}, ms(1000), rtpOf(1))
	}
	r := tr.Report(nil, nil)
	if len(r.Streams) != maxStreams || r.Unseen.Skipped == 0 || len(tr.points) != maxPoints || len(tr.order[0].at[0].rtp) > maxSSRCs {
		t.Errorf("%d streams, %d skipped, %d points, %d sources", len(r.Streams), r.Unseen.Skipped, len(tr.points), len(tr.order[0].at[0].rtp))
	}
}

// The way goes up to the interface that is routed from, and down from those routed to.
func TestHops(t *testing.T) {
	for _, tt := range []struct {
		name   string
		points []Point
		flows  []Flow
		want   []string
	}{
		{"plain", []Point{in, out}, routed, []string{"eth0 eth1"}},
		{"no routes known", []Point{in, out}, nil, []string{"eth0 eth1"}},
		{"bridge in", []Point{{Link: 5}, {Link: 4}, out}, []Flow{{Source: sender, Group: group, IIF: "br0", OIFs: []string{"eth1"}}}, []string{"port br0", "br0 eth1"}},
		{"bridge in, no routes known", []Point{{Link: 5}, {Link: 4}, out}, nil, []string{"port br0", "br0 eth1"}},
		{"bridge out", []Point{in, {Link: 4, Out: true}, {Link: 5, Out: true}}, nil, []string{"eth0 br0", "br0 port"}},
		{"VLAN in", []Point{{Link: 2, VLAN: 10}, {Link: 6}, out}, nil, []string{"eth0 (VLAN 10) eth0.10", "eth0.10 eth1"}},
		{"another VLAN", []Point{{Link: 2, VLAN: 11}}, nil, nil},
		{"sent here", []Point{{Link: 2, Out: true}, out}, routed, []string{"eth0 eth1"}},
		{"any source", []Point{in, out}, []Flow{{Group: group, IIF: "eth0", OIFs: []string{"eth0", "eth1", "br0"}}}, []string{"eth0 eth1", "eth0 br0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr := New()
			for i, p := range tt.points {
				tr.Add(p, ms(int64(i)), rtpOf(1))
			}
			var got []string
			for _, h := range tr.Report(links, tt.flows).Streams[0].Hops {
				got = append(got, h.From+" "+h.To)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// FuzzTrace: whatever passes, what is told adds up, and stays small.
func FuzzTrace(f *testing.F) {
	v4 := []byte{0x45, 0, 0, 40, 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 239, 1, 1, 1, 0, 1, 0, 1, 0, 20, 0, 0}
	f.Add(append(slices.Clone(v4), rtpOf(1).Payload...), uint16(40))
	f.Add(slices.Concat(v4, []byte(magic), make([]byte, 4)), uint16(7))
	f.Fuzz(func(t *testing.T, b []byte, each uint16) {
		size := int(each)%1500 + 1
		tr := New()
		total := uint64(0)
		now := ms(0)
		for i := 0; len(b) > 0; i++ {
			n := min(size, len(b))
			piece := b[:n]
			b = b[n:]
			p, err := ip.Decode(piece)
			if err != nil {
				continue
			}
			at := Point{Link: 2 + int(piece[n-1]&3), Out: piece[n-1]&4 != 0, VLAN: uint16(piece[n-1] >> 6)}
			now += int64(piece[n/2]) * 1e7
			for range 1 + i%3 {
				tr.Add(at, now, &p)
				total++
			}
			if piece[0]&0x1f == 0x1f {
				tr.Close(now)
			}
		}
		r := tr.Report(links, routed)
		seen := r.Unseen.Skipped
		for _, s := range r.Streams {
			for _, a := range s.At {
				seen += a.Packets
				if a.Packets > 0 && (a.MinTTL > a.MaxTTL || a.Name() == "") {
					t.Errorf("%+v makes no sense", a)
				}
			}
			for _, h := range s.Hops {
				if h.In != h.Out+h.Lost || len(h.Which) > maxRanges {
					t.Errorf("%+v makes no sense", h)
				}
			}
		}
		if seen > total {
			t.Errorf("%d packets seen, %d added", seen, total)
		}
		var text strings.Builder
		if err := WriteText(&text, r, true); err != nil {
			t.Error(err)
		}
		_ = fmt.Sprint(r)
	})
}
