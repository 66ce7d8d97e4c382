package main

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// flowKey tells flows apart. The port is different for each run of a sender.
type flowKey struct {
	source netip.AddrPort
	group  netip.Addr
}

func (k flowKey) compare(l flowKey) int {
	return cmp.Or(k.group.Compare(l.group), k.source.Compare(l.source))
}

// flow is what has come of one.
type flow struct {
	packets, bytes   uint64
	numbered         uint64 // how many of the packets
	late, duplicates uint64
	minTTL, maxTTL   int
	first, last      time.Time
	longest          time.Duration // pause between two packets
	window           *window       // nil: none was numbered
}

// maxFlows bounds the memory: a flow takes up to 8 KiB.
const maxFlows = 1024

// tally counts packets by flow. Its methods may be called from any goroutine.
type tally struct {
	mu     sync.Mutex
	flows  map[flowKey]*flow
	total  uint64 // packets
	others uint64 // packets of flows beyond maxFlows
}

// arrived is a packet as a socket delivers it.
type arrived struct {
	key     flowKey
	ttl     int
	payload []byte
	at      time.Time
}

// add counts a packet and returns how many there were.
func (t *tally) add(a arrived) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total++
	f := t.flows[a.key]
	if f == nil {
		if len(t.flows) >= maxFlows {
			t.others++
			return t.total
		}
		if t.flows == nil {
			t.flows = map[flowKey]*flow{}
		}
		f = &flow{minTTL: a.ttl, maxTTL: a.ttl, first: a.at, last: a.at}
		t.flows[a.key] = f
	}
	f.add(a)
	return t.total
}

func (f *flow) add(a arrived) {
	f.packets++
	f.bytes += uint64(len(a.payload))
	f.minTTL, f.maxTTL = min(f.minTTL, a.ttl), max(f.maxTTL, a.ttl)
	f.longest = max(f.longest, a.at.Sub(f.last))
	f.last = a.at
	n, ok := number(a.payload)
	if !ok {
		return
	}
	f.numbered++
	if f.window == nil {
		f.window = &window{}
	}
	switch f.window.add(n) {
	case late:
		f.late++
	case duplicate:
		f.duplicates++
	}
}

// report is what the tally is at a moment, flows in order.
func (t *tally) report() report {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := report{Packets: t.total, Others: t.others, Flows: []flowReport{}}
	keys := make([]flowKey, 0, len(t.flows))
	for key := range t.flows {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, flowKey.compare)
	for _, key := range keys {
		f := t.flows[key]
		fr := flowReport{
			Source: key.source.Addr(), SourcePort: key.source.Port(), Group: key.group,
			Packets: f.packets, Bytes: f.bytes, Numbered: f.numbered,
			Duplicates: f.duplicates, Late: f.late, MinTTL: f.minTTL, MaxTTL: f.maxTTL,
			First: f.first, Last: f.last, LongestPause: f.longest.Seconds(),
		}
		if f.window != nil {
			fr.Lost, fr.FirstNumber, fr.LastNumber = f.window.lost(), f.window.first, f.window.highest
		}
		r.Flows = append(r.Flows, fr)
	}
	return r
}
