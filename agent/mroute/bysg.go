package mroute

import (
	"encoding/binary"
	"iter"
	"net/netip"
)

// BySG maps (S,G) to values. It is a Go map that takes a third of the room for
// IPv4, and as much less time once it no longer fits the processor's cache: a
// source and a group of IPv4 are 8 bytes without a pointer, where an [SG] is
// 48 with two. The zero value is empty, and can be set.
type BySG[V any] struct {
	pairs map[uint64]V // IPv4, with a source
	rest  map[SG]V

	mostPairs, mostRest int // that were in there: see Shrunk
}

// pair packs a source and a group of IPv4; ok is false for others.
func pair(sg SG) (p uint64, ok bool) {
	if !sg.Group.Is4() || !sg.Source.Is4() {
		return 0, false
	}
	s, g := sg.Source.As4(), sg.Group.As4()
	return uint64(binary.BigEndian.Uint32(s[:]))<<32 | uint64(binary.BigEndian.Uint32(g[:])), true
}

func unpair(p uint64) SG {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], p)
	return SG{Source: netip.AddrFrom4([4]byte(b[:4])), Group: netip.AddrFrom4([4]byte(b[4:]))}
}

// Grow makes room for about n values of a family, to spare the copying of a large
// map that grows. It does nothing if there are values of that kind already.
func (m *BySG[V]) Grow(f Family, n int) {
	switch {
	case f == IPv4 && len(m.pairs) == 0:
		m.pairs, m.mostPairs = make(map[uint64]V, n), n
	case f != IPv4 && len(m.rest) == 0:
		m.rest, m.mostRest = make(map[SG]V, n), n
	}
}

// Shrink gives back what room is much more than needed.
func (m *BySG[V]) Shrink() {
	m.pairs = Shrunk(m.pairs, &m.mostPairs)
	m.rest = Shrunk(m.rest, &m.mostRest)
}

// Get returns the value of sg, or the zero value if it has none.
func (m *BySG[V]) Get(sg SG) V {
	v, _ := m.Lookup(sg)
	return v
}

// Lookup returns the value of sg, and whether it has one.
func (m *BySG[V]) Lookup(sg SG) (v V, ok bool) {
	if p, packs := pair(sg); packs {
		v, ok = m.pairs[p]
	} else {
		v, ok = m.rest[sg]
	}
	return v, ok
}

// Set gives sg a value.
func (m *BySG[V]) Set(sg SG, v V) {
	if p, ok := pair(sg); ok {
		if m.pairs == nil {
			m.pairs = make(map[uint64]V)
		}
		m.pairs[p] = v
		return
	}
	if m.rest == nil {
		m.rest = make(map[SG]V)
	}
	m.rest[sg] = v
}

// Delete takes the value of sg away, if it has one.
func (m *BySG[V]) Delete(sg SG) {
	if p, ok := pair(sg); ok {
		delete(m.pairs, p)
	} else {
		delete(m.rest, sg)
	}
}

// Len is the number of values.
func (m *BySG[V]) Len() int { return len(m.pairs) + len(m.rest) }

// All goes over all values, in no order.
func (m *BySG[V]) All() iter.Seq2[SG, V] {
	return func(yield func(SG, V) bool) {
		for p, v := range m.pairs {
			if !yield(unpair(p), v) {
				return
			}
		}
		for sg, v := range m.rest {
			if !yield(sg, v) {
				return
			}
		}
	}
}

// Keys goes over every (S,G) that has a value, in no order.
func (m *BySG[V]) Keys() iter.Seq[SG] {
	return func(yield func(SG) bool) {
		for sg := range m.All() {
			if !yield(sg) {
				return
			}
		}
	}
}
