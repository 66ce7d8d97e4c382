package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"time"
)

// report is a line of JSON of recv.
type report struct {
	Final   bool         `json:"final"` // whether it is the last one
	Packets uint64       `json:"packets"`
	Others  uint64       `json:"otherPackets,omitempty"` // of flows beyond the limit
	Flows   []flowReport `json:"flows"`
}

// flowReport is a flow in it, or a line of text.
type flowReport struct {
	Source       netip.Addr `json:"source"`
	SourcePort   uint16     `json:"sourcePort"`
	Group        netip.Addr `json:"group"`
	Packets      uint64     `json:"packets"`
	Bytes        uint64     `json:"bytes"` // of payload
	Numbered     uint64     `json:"numbered"`
	FirstNumber  uint64     `json:"firstNumber"`
	LastNumber   uint64     `json:"lastNumber"` // the highest
	Lost         uint64     `json:"lost"`
	Duplicates   uint64     `json:"duplicates"`
	Late         uint64     `json:"late"`
	MinTTL       int        `json:"minTTL"`
	MaxTTL       int        `json:"maxTTL"`
	First        time.Time  `json:"first"`
	Last         time.Time  `json:"last"`
	LongestPause float64    `json:"longestPause"` // in seconds
}

// sentReport is a line of JSON of send.
type sentReport struct {
	Final bool       `json:"final"`
	Flows []sentFlow `json:"flows"`
}

type sentFlow struct {
	Source     netip.Addr `json:"source"`
	SourcePort uint16     `json:"sourcePort"`
	Group      netip.Addr `json:"group"`
	Packets    uint64     `json:"packets"`
	Bytes      uint64     `json:"bytes"`
	TTL        int        `json:"ttl"`
}

// printer writes reports.
type printer struct {
	out  io.Writer
	json bool
	seen map[flowKey]uint64 // packets that were printed
}

func newPrinter(out io.Writer, json bool) *printer {
	return &printer{out: out, json: json, seen: map[flowKey]uint64{}}
}

// note says something in between; JSON has no place for it.
func (p *printer) note(format string, args ...any) {
	if !p.json {
		fmt.Fprintf(p.out, format+"\n", args...)
	}
}

// changed reports whether a flow has other numbers than when it was printed.
func (p *printer) changed(source netip.Addr, port uint16, group netip.Addr, packets uint64) bool {
	key := flowKey{netip.AddrPortFrom(source, port), group}
	before, ok := p.seen[key]
	p.seen[key] = packets
	return !ok || before != packets
}

// received writes the flows that have changed, or all if it is the last time.
func (p *printer) received(r report) {
	changed := r.Flows[:0:0]
	for _, f := range r.Flows {
		if p.changed(f.Source, f.SourcePort, f.Group, f.Packets) || r.Final {
			changed = append(changed, f)
		}
	}
	switch {
	case len(changed) == 0 && !r.Final:
	case p.json:
		p.line(r)
	case len(changed) == 0:
		p.note("nothing has arrived")
	default:
		for _, f := range changed {
			p.note("%v", f)
		}
	}
	if r.Final && r.Others > 0 {
		p.note("%d packets of more sources, beyond the first %d", r.Others, maxFlows)
	}
}

// sent does so of what was sent.
func (p *printer) sent(r sentReport) {
	any := r.Final
	for _, f := range r.Flows {
		if p.changed(f.Source, f.SourcePort, f.Group, f.Packets) || r.Final {
			any = true
			p.note("%v", f)
		}
	}
	if p.json && any {
		p.line(r)
	}
}

// line writes JSON. There is nobody to tell that the output is closed.
func (p *printer) line(v any) { _ = json.NewEncoder(p.out).Encode(v) }

func (f flowReport) String() string {
	ttl := strconv.Itoa(f.MinTTL)
	if f.MaxTTL != f.MinTTL {
		ttl += "-" + strconv.Itoa(f.MaxTTL)
	}
	s := fmt.Sprintf("(%v, %v) %d packets", f.Source, f.Group, f.Packets)
	if f.Numbered > 0 {
		s += fmt.Sprintf(", %d lost, %d duplicates", f.Lost, f.Duplicates)
	}
	return s + ", TTL " + ttl
}

func (f sentFlow) String() string {
	return fmt.Sprintf("(%v, %v) %d packets sent, TTL %d", f.Source, f.Group, f.Packets, f.TTL)
}
