package trace

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"time"

	"github.com/smcroute/kube-smcroute/agent/capture/ip"
)

const (
	// maxWaiting is how many packets are waited for at other points at the same time.
	maxWaiting = 1 << 18
	// patience is how long a packet is waited for.
	patience = time.Second
	// least is how long a packet has to be waited for at least. When so many packets come
	// that this is impossible, half of them are left alone.
	least = 200 * time.Millisecond
	// startTime is how long after the start a packet may go out that came in before it.
	startTime = 200 * time.Millisecond

	// maxAlike is how many packets that cannot be told apart are waited for.
	maxAlike = 8
	// contents is how much of a payload tells packets apart.
	contents = 512
)

// matcher finds packets again at other points.
type matcher struct {
	seed  maphash.Seed
	index map[uint64]uint32 // place in queue, by key
	queue []packet          // a ring
	head  int               // the oldest
	count int

	sample  uint64 // one of so many packets is looked at; a power of two
	left    uint64 // packets that were left alone
	alike   uint64 // packets that could not be told from maxAlike others
	hurried uint64 // packets that were not waited for as long as least
}

// packet is one that was seen somewhere.
type packet struct {
	key    uint64
	points uint64 // a bit for each point where it was
	time   int64  // when it was seen first
	number uint64 // in its payload, if it has one
	id     uint32 // of its IP header
	stream uint32
	first  uint8 // the point where it was seen first
}

func newMatcher() matcher {
	return matcher{seed: maphash.MakeSeed(), index: map[uint64]uint32{}, sample: 1}
}

// identify fills in a key of what routers do not change, and the numbers by which a person
// knows the packet. Of a packet that is sent in fragments the first one stands for it, on
// whichever side of the node it was cut; so nothing that differs there is in the key.
func (m *matcher) identify(s *stream, p *ip.Packet) packet {
	found := packet{id: p.ID, stream: uint32(s.number)}
	var b [8]byte
	binary.BigEndian.PutUint32(b[0:], found.id)
	binary.BigEndian.PutUint32(b[4:], found.stream)
	var h maphash.Hash
	h.SetSeed(m.seed)
	_, _ = h.Write(b[:])
	_, _ = h.Write(p.Payload[:min(len(p.Payload), contents)])
	found.key = h.Sum64()
	if n, ok := decodeNumber(p.Payload); ok {
		found.number = n
	} else if r, ok := decodeRTP(p.Payload, p.Size); ok {
		found.number = uint64(r.seq)
	}
	if p.ID != 0 {
		s.numbered = max(s.numbered, byID)
	}
	return found
}

// next is the key of another packet just like that of key. It is in the same samples.
func next(key uint64) uint64 { return key + 0x9e3779b9<<32 }

// knows reports whether a packet was seen.
func (m *matcher) knows(key uint64) bool {
	_, ok := m.index[key]
	return ok
}

// add notes that a packet was seen at a point. It reports whether one just like it had been
// there before.
func (m *matcher) add(t *Trace, p packet, point int, now int64) (copied bool) {
	if p.key&(m.sample-1) != 0 {
		m.left++
		return false
	}
	m.expire(t, now)
	bit := uint64(1) << point
	for range maxAlike {
		i, ok := m.index[p.key]
		if !ok {
			p.points, p.time, p.first = bit, now, uint8(point)
			m.push(t, p)
			return copied
		}
		if waits := &m.queue[i]; waits.points&bit == 0 {
			waits.points |= bit
			return copied
		}
		copied = true
		p.key = next(p.key)
	}
	m.alike++
	return true
}

// push waits for a packet.
func (m *matcher) push(t *Trace, p packet) {
	switch {
	case m.count < len(m.queue):
	case m.count < maxWaiting:
		m.grow()
	default:
		if p.time-m.queue[m.head].time < int64(least) {
			m.hurried++
			m.halve()
			if p.key&(m.sample-1) != 0 {
				m.left++
				return
			}
		}
		if m.count == len(m.queue) {
			m.pop(t)
		}
	}
	i := (m.head + m.count) % len(m.queue)
	m.queue[i] = p
	m.index[p.key] = uint32(i)
	m.count++
}

// grow doubles the queue.
func (m *matcher) grow() {
	queue := make([]packet, max(1024, 2*len(m.queue)))
	for i := range m.count {
		queue[i] = m.queue[(m.head+i)%len(m.queue)]
		m.index[queue[i].key] = uint32(i)
	}
	m.queue, m.head = queue, 0
}

// halve leaves alone every other packet from now on, and of those that are waited for.
func (m *matcher) halve() {
	m.sample *= 2
	kept := 0
	for i := range m.count {
		p := m.queue[(m.head+i)%len(m.queue)]
		delete(m.index, p.key)
		if p.key&(m.sample-1) != 0 {
			m.left += uint64(bits.OnesCount64(p.points))
			continue
		}
		// kept never overtakes i.
		at := (m.head + kept) % len(m.queue)
		m.queue[at] = p
		m.index[p.key] = uint32(at)
		kept++
	}
	m.count = kept
}

// expire gives up waiting for packets that were seen long ago.
func (m *matcher) expire(t *Trace, now int64) {
	for m.count > 0 && now-m.queue[m.head].time > int64(patience) {
		m.pop(t)
	}
}

// pop gives up waiting for the oldest packet: where it was by now is where it came.
func (m *matcher) pop(t *Trace) {
	p := m.queue[m.head]
	delete(m.index, p.key)
	m.head = (m.head + 1) % len(m.queue)
	m.count--
	t.judge(p)
}

// flush gives up waiting for all.
func (m *matcher) flush(t *Trace) {
	for m.count > 0 {
		m.pop(t)
	}
}

// outcomes tell how many packets of a stream were seen at which points.
type outcomes struct {
	byPoints map[uint64]*outcome
	beyond   uint64 // packets of outcomes that are not listed
}

// maxOutcomes is how many different sets of points are told apart.
const maxOutcomes = 128

// outcome is packets that were seen at the same points.
type outcome struct {
	numbers     ranges
	first, last int64 // when they were seen first
}

// judge notes where a packet was seen.
func (t *Trace) judge(p packet) {
	s := t.order[p.stream]
	if p.points&t.ins() == 0 && p.time-t.start < int64(startTime) && s.comesIn(t) {
		return // it came in before the start
	}
	o := &s.outcomes
	found := o.byPoints[p.points]
	if found == nil {
		if len(o.byPoints) == maxOutcomes {
			o.beyond++
			return
		}
		if o.byPoints == nil {
			o.byPoints = map[uint64]*outcome{}
		}
		found = &outcome{first: p.time}
		o.byPoints[p.points] = found
	}
	label := p.number
	if s.numbered == byID {
		label = uint64(p.id)
	}
	found.numbers.add(label, label)
	found.last = p.time
}

// ins has the bit of each point where packets come in.
func (t *Trace) ins() (points uint64) {
	for i, p := range t.points {
		if !p.Out {
			points |= 1 << i
		}
	}
	return points
}

// comesIn reports whether packets of the stream were seen coming in anywhere.
func (s *stream) comesIn(t *Trace) bool {
	for i, here := range s.at {
		if here != nil && !t.points[i].Out {
			return true
		}
	}
	return false
}
