package draw

import (
	"math"
	"time"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// Rate is how fast packets come, or null in JSON if it was not measured.
type Rate struct {
	PacketsPerSecond *float64 `json:"packets_per_second"`
	BitsPerSecond    *float64 `json:"bits_per_second"` // IP headers included

	wrong float64 // packets per second on another interface
}

// known reports whether there is a rate, and what packets there are.
func (r Rate) known() (pps, bps float64, ok bool) {
	if r.PacketsPerSecond == nil || r.BitsPerSecond == nil {
		return 0, 0, false
	}
	return *r.PacketsPerSecond, *r.BitsPerSecond, true
}

// astray reports whether packets come, and all on another interface.
func (r Rate) astray() bool {
	pps, _, ok := r.known()
	return ok && pps > 0 && r.wrong >= pps
}

// flowKey tells flows of one router apart: each of its tables may have one.
type flowKey struct {
	source, group view.Net
	table         uint32
}

func keyOf(f *view.Flow) flowKey { return flowKey{f.Source, f.Group, f.Table} }

// rates knows the flows of a router at an earlier time.
type rates struct {
	time  time.Duration // between the two; 0: not known
	flows map[flowKey]view.Traffic
}

func newRates(now, before *view.State) rates {
	if before == nil {
		return rates{}
	}
	r := rates{time: now.Time.Sub(before.Time), flows: make(map[flowKey]view.Traffic, len(before.Flows)+len(before.Foreign))}
	for _, flows := range [][]view.Flow{before.Flows, before.Foreign} {
		for i := range flows {
			r.flows[keyOf(&flows[i])] = flows[i].Traffic
		}
	}
	return r
}

// of returns the rate of a flow. Counters that fell have begun anew, with 0.
func (r *rates) of(f *view.Flow) Rate {
	if r.time <= 0 {
		return Rate{}
	}
	old := r.flows[keyOf(f)]
	if f.Packets < old.Packets || f.Bytes < old.Bytes {
		old = view.Traffic{}
	}
	per := func(now, before uint64) float64 {
		if now < before {
			return 0
		}
		return math.Round(1000*float64(now-before)/r.time.Seconds()) / 1000
	}
	pps, bps := per(f.Packets, old.Packets), 8*per(f.Bytes, old.Bytes)
	return Rate{PacketsPerSecond: &pps, BitsPerSecond: &bps, wrong: per(f.WrongIf, old.WrongIf)}
}

// add sums up two rates.
func (r *Rate) add(other Rate) {
	pps, bps, ok := other.known()
	if !ok {
		return
	}
	p, b, _ := r.known()
	p, b = p+pps, b+bps
	r.PacketsPerSecond, r.BitsPerSecond = &p, &b
	r.wrong += other.wrong
}

// none is the rate of what has no flow: zero if rates are measured.
func (r *rates) none() Rate {
	if r.time <= 0 {
		return Rate{}
	}
	var p, b float64
	return Rate{PacketsPerSecond: &p, BitsPerSecond: &b}
}

// addTraffic sums up counters. It was used last when one of the two was.
func addTraffic(to *view.Traffic, t view.Traffic) {
	to.Packets += t.Packets
	to.Bytes += t.Bytes
	to.WrongIf += t.WrongIf
	if t.Idle >= 0 && (to.Idle < 0 || t.Idle < to.Idle) {
		to.Idle = t.Idle
	}
}
