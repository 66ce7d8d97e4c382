package page

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// stream is what becomes a [Row] if somebody wants to see it. There may be 100,000, so
// it is small, and has no pointers.
type stream struct {
	packets, bytes, wrong uint64
	age, idle             time.Duration // see [view.Traffic]
	origins               span          // in table.origins
	source, group         addr
	iif, oifs, reason     int32  // numbers in table.names, table.lists and table.names
	number                uint32 // of the kernel's table
	rate                  rate

	kind  kind
	state int8 // number in states
	gone  bool // it is part of another one
}

// span is a part of a list.
type span struct {
	first uint32
	many  uint16
}

// kind is what a stream is of.
type kind uint8

const (
	staticKind kind = iota
	learnedKind
	stopKind
	foreignKind
	ruleKind
	pendingRoute
	pendingGroup
)

// kinds are the words for them in a row.
var kinds = [...]string{string(view.Static), string(view.Learned), string(view.StopFilter), "", "rule", "mroute", "mgroup"}

// kindOf is that of an entry that is not foreign.
func kindOf(k view.Kind) kind { return kind(max(0, slices.Index(kinds[:foreignKind], string(k)))) }

// addr is a prefix, those of IPv4 as RFC 4291, section 2.5.5.2, maps them. Of any source
// the length is -1.
type addr struct {
	of   [16]byte
	bits int16
}

func addrOf(n view.Net) addr {
	if n.IsZero() {
		return addr{bits: -1}
	}
	return addr{n.Addr().As16(), int16(n.Bits())}
}

func (a addr) net() view.Net {
	if a.bits < 0 {
		return view.Net{}
	}
	return view.Net{Prefix: netip.PrefixFrom(netip.AddrFrom16(a.of).Unmap(), int(a.bits))}
}

func (a addr) compare(b addr) int {
	if c := bytes.Compare(a.of[:], b.of[:]); c != 0 {
		return c
	}
	return int(a.bits) - int(b.bits)
}

// compare orders streams of one kind as people look for them.
func (s *stream) compare(other *stream) int {
	if c := s.group.compare(other.group); c != 0 {
		return c
	}
	return s.source.compare(other.source)
}

// traffic is what an entry counted.
func (s *stream) traffic() view.Traffic {
	return view.Traffic{Packets: s.packets, Bytes: s.bytes, WrongIf: s.wrong, Age: view.Seconds(s.age), Idle: view.Seconds(s.idle)}
}

// count takes what an entry counted.
func (s *stream) count(t *view.Traffic, r rate) {
	s.packets, s.bytes, s.wrong = t.Packets, t.Bytes, t.WrongIf
	s.age, s.idle, s.rate = time.Duration(t.Age), time.Duration(t.Idle), r
}

// numbers are those of values that many streams share.
type numbers[V any] struct {
	of   map[string]int32
	list []V
}

// number returns that of a key, with the value that is made for it if it is a new one.
func (n *numbers[V]) number(key []byte, value func() V) int32 {
	at, ok := n.of[string(key)]
	if !ok {
		if n.of == nil {
			n.of = map[string]int32{}
		}
		at = int32(len(n.list))
		n.of[string(key)], n.list = at, append(n.list, value())
	}
	return at
}
