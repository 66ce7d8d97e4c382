package kerneltest

import (
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

var counterFacts = []fact{
	{"CountersCount", countersCount},
	{"ReplacingKeepsCounters", replacingKeepsCounters},
	{"DeletingResetsCounters", deletingResetsCounters},
	{"CountersOfAbsentEntry", countersOfAbsentEntry},
	{"WrongInterfaceIsCounted", wrongInterfaceIsCounted},
	{"IdleIsTimeSinceUse", idleIsTimeSinceUse},
}

func countersCount(l *lab) {
	sg, stop := l.flow(1), l.flow(2)
	l.apply(l.opSet(sg, 0, 1), l.opSet(stop, 0))
	if c := l.counters(sg); c.Packets != 0 || c.Bytes != 0 || c.WrongIf != 0 {
		l.t.Errorf("counters of a new entry: %+v, want zero", c)
	}
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"b": 1})
	one := l.counters(sg)
	if one.Packets != 1 || one.Bytes < 20 {
		l.t.Errorf("counters after one packet: %+v", one)
	}
	l.Send("a", sg, 1) // counted although it can't leave
	l.Send("a", stop, 64)
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"b": 2})
	c := l.counters(sg)
	if c.Packets != 3 || c.Bytes != 3*one.Bytes || c.WrongIf != 0 {
		l.t.Errorf("counters after three packets: %+v, want three times %+v", c, one)
	}
	if c.Idle != -1 && (c.Idle < 0 || c.Idle > time.Minute) {
		l.t.Errorf("idle for %v just after a packet", c.Idle)
	}
	if c := l.counters(stop); c.Packets != 1 {
		l.t.Errorf("counters of a stop filter after one packet: %+v", c)
	}
}

func replacingKeepsCounters(l *lab) {
	sg := l.flow(1)
	l.apply(l.opSet(sg, 0, 1))
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"b": 1})
	l.apply(l.opSet(sg, 0, 2))
	l.apply(l.opSet(sg, 1, 2))
	if c := l.counters(sg); c.Packets != 1 || c.Bytes == 0 {
		l.t.Errorf("counters after replacing: %+v, want one packet", c)
	}
}

func deletingResetsCounters(l *lab) {
	sg := l.flow(1)
	l.apply(l.opSet(sg, 0, 1))
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"b": 1})
	l.apply(l.opDel(sg), l.opSet(sg, 0, 1))
	if c := l.counters(sg); c.Packets != 0 || c.Bytes != 0 {
		l.t.Errorf("counters after deleting and adding: %+v, want zero", c)
	}
}

// Absent entries among others give zeroes and an idle time of -1, in place.
func countersOfAbsentEntry(l *lab) {
	sgs := make([]mroute.SG, 40)
	for i := range sgs {
		sgs[i] = l.flow(i)
		if i%2 == 1 {
			l.apply(l.opSet(sgs[i], 0, 1))
			l.Send("a", sgs[i], 64)
		}
	}
	l.fence()
	out := make([]mroute.Counters, len(sgs))
	for i := range out {
		out[i] = mroute.Counters{Packets: 9, WrongIf: 9}
	}
	if err := l.k.Counters(l.f, sgs, out); err != nil {
		l.t.Fatalf("counters: %v", err)
	}
	for i, c := range out {
		if i%2 == 0 && c != (mroute.Counters{Idle: -1}) {
			l.t.Errorf("counters of absent entry %d: %+v", i, c)
		}
		if i%2 == 1 && (c.Packets != 1 || c.WrongIf != 0) {
			l.t.Errorf("counters of entry %d: %+v, want one packet", i, c)
		}
	}
	if err := l.k.Counters(l.f, nil, nil); err != nil {
		l.t.Errorf("counters of nothing: %v", err)
	}
}

func wrongInterfaceIsCounted(l *lab) {
	sg := l.flow(1)
	l.apply(l.opSet(sg, 0, 1))
	l.Send("a", sg, 64)
	l.Send("c", sg, 64)
	l.Send("c", sg, 64)
	l.left(sg, map[string]int{"b": 1})
	l.Await("three packets on the counter", func() bool { return l.counters(sg).Packets == 3 })
	if c := l.counters(sg); c.WrongIf != 2 {
		l.t.Errorf("counters: %+v, want 2 on a wrong interface", c)
	}
}

// Idle starts when the entry is set, and again with each packet, even one from
// a wrong interface, and each replacement.
func idleIsTimeSinceUse(l *lab) {
	const long = 200 * time.Millisecond
	sg := l.flow(1)
	l.apply(l.opSet(sg, 0, 1))
	if l.counters(sg).Idle == -1 {
		return // the kernel does not tell
	}
	for _, use := range []struct {
		what string
		do   func()
	}{
		{"a packet", func() { l.Send("a", sg, 64) }},
		{"a packet on a wrong interface", func() { l.Send("c", sg, 64) }},
		{"a replacement", func() { l.apply(l.opSet(sg, 0, 2)) }},
	} {
		l.Await("an entry without use to be idle", func() bool { return l.counters(sg).Idle >= long })
		use.do()
		l.Await("the end of idleness after "+use.what, func() bool { return l.counters(sg).Idle < long })
	}
}
