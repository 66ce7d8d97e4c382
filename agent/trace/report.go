package trace

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Report is what a trace found.
type Report struct {
	Start   time.Time `json:"start"`   // of the first packet
	Seconds float64   `json:"seconds"` // how long it was looked
	Streams []Stream  `json:"streams"` // in order of appearance
	Unseen  Unseen    `json:"unseen"`
}

// Unseen counts packets that were seen and not followed, or not seen at all.
type Unseen struct {
	Dropped uint64 `json:"dropped"` // the capture had no room for them: all other numbers are too low
	Broken  uint64 `json:"broken"`  // their headers made no sense
	Skipped uint64 `json:"skipped"` // of more streams, or on more interfaces, than are followed
	Alike   uint64 `json:"alike"`   // could not be told from others, so they are counted and not compared
	Sample  uint64 `json:"sample"`  // one packet of so many was compared; 1: all
	Left    uint64 `json:"left"`    // packets that were not compared, for there were too many
}

// Stream is packets of one source to one port of one group.
type Stream struct {
	Source    netip.Addr `json:"source"`
	Group     netip.Addr `json:"group"`
	Protocol  uint8      `json:"protocol"`            // of IP: 17 is UDP
	PortFrom  uint16     `json:"source_port"`         // 0: no port
	PortTo    uint16     `json:"port"`                // 0: no port
	Fragments bool       `json:"fragments,omitempty"` // the later fragments of packets, which have no ports
	Numbers   string     `json:"numbers"`             // what tells packets apart: "rtp", "mcast", "id" of the IP header, or "content"

	At   []At     `json:"at"`   // the interfaces where it was seen, or should have been
	Hops []Hop    `json:"hops"` // from where it comes in to where it goes out
	Says []string `json:"says"` // sentences for a person: where packets were lost, in the order of their way, and what else is odd
}

// At is a stream on an interface, in one direction.
type At struct {
	Interface string  `json:"interface"`
	Direction string  `json:"direction"`       // "in" or "out"
	VLAN      uint16  `json:"vlan,omitempty"`  // of the tag
	Route     string  `json:"route,omitempty"` // what the interface is to the router's entry: "iif" or "oif"
	Packets   uint64  `json:"packets"`
	Bytes     uint64  `json:"bytes"` // of IP packets, headers included
	Rate      float64 `json:"packets_per_second"`
	Bits      float64 `json:"bits_per_second"`
	MinTTL    uint8   `json:"min_ttl"`
	MaxTTL    uint8   `json:"max_ttl"`
	Copies    uint64  `json:"copies"` // packets that had been there before

	RTP    []RTP      `json:"rtp,omitempty"`
	Mcast  *Sequence  `json:"mcast,omitempty"`
	MPEGTS *Transport `json:"mpeg_ts,omitempty"`

	point Point
}

// Sequence is what the numbers of packets tell.
type Sequence struct {
	Packets    uint64  `json:"packets"`
	Missing    uint64  `json:"missing"`
	Which      []Range `json:"which"` // of Missing, the first ones
	Reordered  uint64  `json:"reordered"`
	Duplicates uint64  `json:"duplicates"`
	Leaps      uint64  `json:"leaps"` // the numbers went on elsewhere: a sender began anew, or thousands of packets are missing
}

// RTP is a synchronization source of RTP.
type RTP struct {
	SSRC uint32 `json:"ssrc"`
	Type uint8  `json:"payload_type"`
	Sequence
}

// Transport is what continuity counters of MPEG-TS tell.
type Transport struct {
	PIDs   []PID  `json:"pids"`
	Errors uint64 `json:"errors"`           // of all PIDs
	Broken uint64 `json:"broken"`           // packets that their sender marked as damaged
	Beyond uint64 `json:"beyond,omitempty"` // packets of more PIDs than are followed
	Cut    bool   `json:"cut,omitempty"`    // packets were too large to be captured as a whole: some were not looked at
}

// PID is an elementary stream of MPEG-TS.
type PID struct {
	PID     uint16 `json:"pid"`
	Packets uint64 `json:"packets"`
	Errors  uint64 `json:"errors"` // of its continuity counter
}

// Hop is the way from one interface to another.
type Hop struct {
	From  string  `json:"from"`
	To    string  `json:"to"`
	In    uint64  `json:"in"`                   // packets seen at From, of those that were compared
	Out   uint64  `json:"out"`                  // of these, seen at To
	Lost  uint64  `json:"lost"`                 // In - Out
	Which []Range `json:"which"`                // numbers of Lost, the first ones
	First float64 `json:"first_lost,omitempty"` // seconds from the start
	Last  float64 `json:"last_lost,omitempty"`
	Other uint64  `json:"other"` // packets seen at To and not at From

	from, to Point
}

// Report ends the trace and tells what it found. links are those of the node, flows what its
// router says about them; both may be empty.
func (t *Trace) Report(links []Link, flows []Flow) *Report {
	t.waiting.flush(t)
	m := newNode(links)
	r := &Report{Streams: []Stream{}, Unseen: Unseen{
		Skipped: t.skipped, Alike: t.waiting.alike, Sample: t.waiting.sample, Left: t.waiting.left,
	}}
	if t.start != 0 {
		r.Start = time.Unix(0, t.start)
		r.Seconds = float64(max(t.end, t.last)-t.start) / 1e9
	}
	for _, s := range t.order {
		if !slices.ContainsFunc(s.at, func(e *seen) bool { return e != nil }) {
			continue
		}
		r.Streams = append(r.Streams, t.tell(s, m, flowOf(flows, s.source, s.group)))
	}
	return r
}

// tell tells of one stream.
func (t *Trace) tell(s *stream, m *node, flow *Flow) Stream {
	v := Stream{
		Source: s.source, Group: s.group, Protocol: s.protocol, PortFrom: s.from, PortTo: s.to, Fragments: s.fragments,
		Numbers: [...]string{byContent: "content", byID: "id", byMcast: "mcast", byRTP: "rtp"}[s.numbered],
		At:      []At{}, Hops: []Hop{},
	}
	for i, e := range s.at {
		if e != nil {
			v.At = append(v.At, e.view(t.points[i], m, flow))
		}
	}
	v.At = append(v.At, m.expected(v.At, flow)...)
	slices.SortStableFunc(v.At, func(a, b At) int {
		return cmp.Or(cmp.Compare(a.Direction, b.Direction), cmp.Compare(a.point.Link, b.point.Link), cmp.Compare(a.VLAN, b.VLAN))
	})
	if !s.fragments { // there may be other fragments on other sides
		for _, pair := range m.hops(v.At) {
			v.Hops = append(v.Hops, t.hop(s, pair[0], pair[1]))
		}
	}
	v.Says = v.sentences()
	return v
}

func (e *seen) view(p Point, m *node, flow *Flow) At {
	a := m.at(p, flow)
	a.Packets, a.Bytes, a.MinTTL, a.MaxTTL, a.Copies = e.packets, e.bytes, e.low, e.high, e.copies
	if e.packets > 1 && e.last > e.first {
		// The first packet begins the time and is not in it.
		seconds := float64(e.last-e.first) / 1e9
		a.Rate = float64(e.packets-1) / seconds
		a.Bits = float64(e.bytes) * 8 * float64(e.packets-1) / float64(e.packets) / seconds
	}
	for _, ssrc := range slices.Sorted(maps.Keys(e.rtp)) {
		if s := e.rtp[ssrc]; s.valid() {
			a.RTP = append(a.RTP, RTP{SSRC: ssrc, Type: s.kind, Sequence: s.view(0xffff)})
		}
	}
	if e.number != nil && e.number.valid() {
		v := e.number.view(^uint64(0))
		a.Mcast = &v
	}
	if e.ts != nil {
		a.MPEGTS = e.ts.view()
	}
	return a
}

// view tells of the numbers, of which the bits of mask count.
func (s *sequence) view(mask uint64) Sequence {
	s.settle()
	v := Sequence{Packets: s.packets, Missing: s.missing.count, Which: []Range{}, Reordered: s.reordered, Duplicates: s.duplicates, Leaps: s.leaps}
	for _, r := range s.missing.list {
		v.Which = append(v.Which, Range{r.First & mask, r.Last & mask})
	}
	return v
}

func (c *continuity) view() *Transport {
	v := &Transport{PIDs: []PID{}, Broken: c.broken, Beyond: c.beyond, Cut: c.cut}
	for _, pid := range slices.Sorted(maps.Keys(c.pids)) {
		p := c.pids[pid]
		v.PIDs = append(v.PIDs, PID{pid, p.packets, p.errors})
		v.Errors += p.errors
	}
	return v
}

// hop compares two points; to may be one where nothing was seen.
func (t *Trace) hop(s *stream, from, to *At) Hop {
	h := Hop{From: from.Name(), To: to.Name(), Which: []Range{}, from: from.point, to: to.point}
	fromBit, toBit := t.bit(from.point), t.bit(to.point)
	var lost []*outcome
	for points, o := range s.outcomes.byPoints {
		switch n := o.numbers.count; {
		case points&fromBit != 0 && points&toBit != 0:
			h.In += n
			h.Out += n
		case points&fromBit != 0:
			h.In += n
			h.Lost += n
			lost = append(lost, o)
		case points&toBit != 0:
			h.Other += n
		}
	}
	if len(lost) == 0 {
		return h
	}
	slices.SortFunc(lost, func(a, b *outcome) int { return cmp.Compare(a.first, b.first) })
	h.First = float64(lost[0].first-t.start) / 1e9
	var all ranges
	for _, o := range lost {
		h.Last = max(h.Last, float64(o.last-t.start)/1e9)
		for _, r := range o.numbers.list {
			all.add(r.First, r.Last)
		}
	}
	if s.numbered != byContent {
		h.Which = append(h.Which, all.list...)
	}
	return h
}

// bit is that of a point; 0 if nothing was seen there.
func (t *Trace) bit(p Point) uint64 {
	if n, ok := t.at[p]; ok {
		return 1 << n
	}
	return 0
}
