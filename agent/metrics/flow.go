package metrics

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// flow is an entry that may have series of its own. Its counters are the kernel's
// own: that these begin anew with the entry is nothing new to Prometheus.
type flow struct {
	router   string
	sg       mroute.SG
	table    uint32
	iif      string
	counters mroute.Counters
	age      time.Duration
	rate     float64 // packets/s since the look before; that of one that was told of counts a little more
}

// stays is how much more the rate of a flow counts that was among the most the last
// time, so that two which are alike do not take turns.
const stays = 1.25

// top finds the flows with the most packets.
type top struct {
	most  int
	since time.Duration
	told  map[flowKey]bool
	flows []flow
}

type flowKey struct {
	sg  mroute.SG
	iif string
}

func newTop(most int, p *place, now time.Time) *top {
	t := &top{most: most, told: make(map[flowKey]bool, len(p.flows))}
	for i := range p.flows {
		t.told[flowKey{p.flows[i].sg, p.flows[i].iif}] = true
	}
	if t.since = now.Sub(p.at); p.at.IsZero() {
		t.since = 0
	}
	return t
}

func (t *top) add(router string, e *mroute.EntryView, more mroute.Counted) {
	if t.most == 0 {
		return
	}
	span := t.since
	if span <= 0 || e.Age < span {
		span = max(e.Age, time.Second)
	}
	f := flow{router, e.SG, e.Table, e.IIF, e.Counters, e.Age, float64(more.Packets) / span.Seconds()}
	if t.told[flowKey{f.sg, f.iif}] {
		f.rate *= stays
	}
	if t.flows = append(t.flows, f); len(t.flows) >= 4*t.most+64 {
		t.cut()
	}
}

// cut drops those that cannot be among the most.
func (t *top) cut() {
	slices.SortStableFunc(t.flows, byRate)
	t.flows = t.flows[:min(len(t.flows), t.most)]
}

func byRate(a, b flow) int {
	return cmp.Or(cmp.Compare(b.rate, a.rate), a.sg.Compare(b.sg), cmp.Compare(a.table, b.table))
}

func (t *top) list() []flow {
	t.cut()
	return t.flows
}

// tellFlows adds those of all routers with the most packets, of so many entries.
func (c *Collector) tellFlows(fs families, flows []flow, entries int) {
	slices.SortStableFunc(flows, byRate)
	flows = flows[:min(len(flows), c.o.Flows)]
	if c.o.Flows > 0 {
		fs.add(omitted, float64(entries-len(flows)), "flow")
	}
	type key struct {
		router string
		flowKey
	}
	told := map[key]bool{}
	for i := range flows {
		f := &flows[i]
		k := key{f.router, flowKey{f.sg, f.iif}}
		if told[k] {
			continue // in two tables, while it moves
		}
		told[k] = true
		labels := []string{f.router, source(f.sg.Source), f.sg.Group.String(), f.iif}
		idle := f.counters.Idle
		if idle < 0 || f.counters.Packets == 0 {
			idle = f.age
		}
		fs.add(flowPackets, float64(f.counters.Packets), labels...)
		fs.add(flowBytes, float64(f.counters.Bytes), labels...)
		fs.add(flowWrong, float64(f.counters.WrongIf), labels...)
		fs.add(flowIdle, idle.Seconds(), labels...)
	}
}

// source is "*" for any.
func source(a netip.Addr) string {
	if !a.IsValid() {
		return "*"
	}
	return a.String()
}
