package trace

import (
	"net/netip"

	"github.com/smcroute/kube-smcroute/agent/capture/ip"
)

// Point is where a packet is seen.
type Point struct {
	Link int    // index
	Out  bool   // going out; else coming in
	VLAN uint16 // of its tag; 0: none
}

// Limits of what is followed. What is beyond is counted.
const (
	maxPoints  = 64 // bits of a mask
	maxStreams = 256
	maxSSRCs   = 8 // of a stream at a point
)

// Trace is packets seen so far.
type Trace struct {
	points  []Point
	at      map[Point]int
	streams map[streamKey]*stream
	order   []*stream

	waiting matcher
	start   int64 // of the first packet, in nanoseconds since 1970; 0: none came
	end     int64 // when Close was called; 0: not yet
	last    int64
	skipped uint64 // packets of streams and at points that are not followed
}

// New returns an empty trace.
func New() *Trace {
	return &Trace{at: map[Point]int{}, streams: map[streamKey]*stream{}, waiting: newMatcher()}
}

// streamKey is what a stream has in common.
type streamKey struct {
	source, group netip.Addr
	protocol      uint8
	from, to      uint16 // ports
	fragments     bool   // later fragments, which have no ports
}

// stream is one source's packets to one port.
type stream struct {
	streamKey
	number   int
	at       []*seen // by point; nil: nothing was seen there
	numbered numbering
	outcomes outcomes
}

// numbering is what packets of a stream are told apart by.
type numbering uint8

const (
	byContent numbering = iota // and by nothing else, so that some may be alike
	byID                       // of the IP header
	byMcast
	byRTP
)

// seen is what was seen of a stream at one point.
type seen struct {
	packets, bytes uint64
	low, high      uint8 // TTLs
	first, last    int64
	copies         uint64 // packets that had been here before

	rtp    map[uint32]*source
	others uint64    // packets of RTP sources that are not followed
	number *sequence // of mcast
	ts     *continuity
}

// source is a synchronization source of RTP.
type source struct {
	sequence
	kind uint8 // payload type of the last packet
}

// Add takes a packet that was seen at time, in nanoseconds since 1970. Packets must come in
// the order in which they were seen. Nothing of p is kept.
func (t *Trace) Add(at Point, time int64, p *ip.Packet) {
	if t.start == 0 {
		t.start = time
	}
	point, ok := t.point(at)
	s := t.stream(p)
	if !ok || s == nil {
		t.skipped++
		return
	}
	known := t.waiting.identify(s, p)
	if t.end != 0 && (!at.Out || !t.waiting.knows(known.key)) {
		return // it came after the end; but what came before may be going out yet
	}
	t.last = max(t.last, time)
	here := s.seen(point, time, p)
	if !s.fragments && t.waiting.add(t, known, point, time) {
		here.copies++
	}
	if p.Protocol == ip.UDP && p.Offset == 0 {
		here.look(s, p)
	}
}

// Close ends the trace: packets that come in from now on are too late, and those that go
// out have come in before or do not count.
func (t *Trace) Close(time int64) { t.end = time }

// point returns the number of a point.
func (t *Trace) point(at Point) (int, bool) {
	n, ok := t.at[at]
	if !ok {
		if len(t.points) == maxPoints {
			return 0, false
		}
		n = len(t.points)
		t.points = append(t.points, at)
		t.at[at] = n
	}
	return n, true
}

// stream finds that of a packet; nil if there are too many.
func (t *Trace) stream(p *ip.Packet) *stream {
	key := streamKey{p.Source, p.Group, p.Protocol, p.PortFrom, p.PortTo, p.Offset > 0}
	s := t.streams[key]
	if s == nil && len(t.streams) < maxStreams {
		s = &stream{streamKey: key, number: len(t.order)}
		t.streams[key] = s
		t.order = append(t.order, s)
	}
	return s
}

// seen counts a packet at a point.
func (s *stream) seen(point int, time int64, p *ip.Packet) *seen {
	for len(s.at) <= point {
		s.at = append(s.at, nil)
	}
	here := s.at[point]
	if here == nil {
		here = &seen{low: p.TTL, first: time}
		s.at[point] = here
	}
	here.packets++
	here.bytes += uint64(p.Length)
	here.low, here.high = min(here.low, p.TTL), max(here.high, p.TTL)
	here.last = time
	return here
}

// look reads numbers in the payload.
func (e *seen) look(s *stream, p *ip.Packet) {
	if n, ok := decodeNumber(p.Payload); ok {
		if e.number == nil {
			e.number = &sequence{dropout: maxDropoutNumbered}
		}
		e.number.take(n)
		if e.number.valid() {
			s.numbered = max(s.numbered, byMcast)
		}
		return
	}
	payload, size := p.Payload, p.Size
	newest := true
	if r, ok := decodeRTP(p.Payload, p.Size); ok {
		from := e.source(r.ssrc)
		if from == nil {
			e.others++
			return
		}
		newest = from.rtp(r.seq)
		from.kind = r.kind
		if !from.valid() {
			return
		}
		s.numbered = byRTP
		payload, size = r.payload, r.size
	}
	// Packets in order only: others say nothing about what is missing.
	if newest && isTS(payload, size) {
		if e.ts == nil {
			e.ts = &continuity{}
		}
		e.ts.take(payload, size)
	}
}

// source finds a synchronization source, nil if there are too many. Those that never had
// two packets in a row make room.
func (e *seen) source(ssrc uint32) *source {
	if s := e.rtp[ssrc]; s != nil {
		return s
	}
	if e.rtp == nil {
		e.rtp = map[uint32]*source{}
	}
	if len(e.rtp) == maxSSRCs {
		for other, s := range e.rtp {
			if !s.valid() {
				delete(e.rtp, other)
				e.others += s.packets
				break
			}
		}
		if len(e.rtp) == maxSSRCs {
			return nil
		}
	}
	s := &source{sequence: sequence{dropout: maxDropout}}
	e.rtp[ssrc] = s
	return s
}
