package kerneltest

import (
	"net/netip"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Facts of (*,G) entries, which have their input among their outputs.
var anySourceFacts = []fact{
	{"AnySourceEntryForwardsByItself", anySourceEntryForwardsByItself},
	{"AnySourceEntryIsOneWay", anySourceEntryIsOneWay},
	{"AnySourceEntryLeavesOtherLinksAlone", anySourceEntryLeavesOtherLinksAlone},
	{"AnySourceEntryAsksOncePer3Seconds", anySourceEntryAsksOncePer3Seconds},
	{"AnySourceThresholds", anySourceThresholds},
	{"SourceGoesBeforeAnySource", sourceGoesBeforeAnySource},
	{"AnySourceReleasesNothing", anySourceReleasesNothing},
	{"AnySourceCountsAllSources", anySourceCountsAllSources},
	{"NoSourceIsAnySource", noSourceIsAnySource},
}

// anySource is the key of sg's (*,G).
func anySource(sg mroute.SG) mroute.SG { return mroute.SG{Group: sg.Group} }

// source is another flow to the group of sg.
func (l *lab) source(sg mroute.SG, n int) mroute.SG {
	return mroute.SG{Source: l.flow(n).Source, Group: sg.Group}
}

// A (*,G) whose input is among its outputs forwards all sources, without an
// upcall, and not back. Without its input it matches nothing.
func anySourceEntryForwardsByItself(l *lab) {
	sg, without := l.flow(1), l.flow(2)
	l.apply(
		l.opSet(anySource(sg), 0, 0, 1),
		l.opSet(anySource(without), 0, 1),
	)
	if e, ok := l.dump().Entries[anySource(sg)]; !ok || e.IIF != 0 || e.OIFs != (mroute.OIFs{0: 1, 1: 1}) {
		l.t.Errorf("the (*,G) entry is %+v, %v", e, ok)
	}
	l.Send("a", sg, 64)
	l.Send("a", without, 64)
	l.left(sg, map[string]int{"a": 0, "b": 1, "c": 0})
	l.left(without, map[string]int{"a": 0, "b": 0, "c": 0})
	l.Await("an upcall", func() bool { return len(l.inbox.about(without)) == 1 })
	if us := l.inbox.about(sg); len(us) != 0 {
		l.t.Errorf("upcalls about a flow of a (*,G) entry: %v", us)
	}
}

// What comes in at an output of a (*,G) entry leaves nowhere: neither through
// its input nor through the other outputs. It counts as come from a wrong
// interface, and makes no entry that would ask.
func anySourceEntryIsOneWay(l *lab) {
	sg := l.flow(1)
	l.apply(l.opSet(anySource(sg), 0, 0, 1, 2))
	l.Send("b", sg, 64)
	l.Send("c", sg, 64)
	l.hush(sg, mroute.Upcall{Kind: mroute.WrongVIF, SG: sg, VIF: 1})
	l.left(sg, map[string]int{"a": 0, "b": 0, "c": 0})
	if c := l.counters(anySource(sg)); c.Packets != 2 || c.WrongIf != 2 {
		l.t.Errorf("counters %+v, want 2 packets on a wrong interface", c)
	}
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"a": 0, "b": 1, "c": 1})
}

// What comes in at a link that the entry does not name is asked about as if
// there were none.
func anySourceEntryLeavesOtherLinksAlone(l *lab) {
	sg := l.flow(1)
	l.apply(l.opSet(anySource(sg), 0, 0, 1))
	l.Send("c", sg, 64)
	l.hush(sg, mroute.Upcall{Kind: mroute.NoCache, SG: sg, VIF: 2})
	l.left(sg, map[string]int{"a": 0, "b": 0, "c": 0})
	// The flow that waits does not keep the entry from its packets.
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"a": 0, "b": 1, "c": 0})
}

// All sources that come in at outputs share one question in 3 seconds.
func anySourceEntryAsksOncePer3Seconds(l *lab) {
	sg := l.flow(1)
	other := l.source(sg, 2)
	l.apply(l.opSet(anySource(sg), 0, 0, 1))
	asks := mroute.Upcall{Kind: mroute.WrongVIF, SG: sg, VIF: 1}
	l.Send("b", sg, 64)
	l.Send("b", other, 64)
	l.hush(other)
	l.hush(sg, asks)
	asks.SG = other
	l.Await("another upcall", func() bool {
		l.Send("b", other, 64)
		return l.inbox.asked(asks) == 1
	})
}

// Thresholds of outputs hold for (*,G) entries. That of the input says only that
// it is one: a packet of any TTL matches.
func anySourceThresholds(l *lab) {
	sg := l.flow(1)
	op := l.opSet(anySource(sg), 0)
	op.Entry.OIFs = mroute.OIFs{0: 200, 1: 10, 2: 1}
	l.apply(op)
	l.Send("a", sg, 10)
	atThreshold := 0
	if !l.f.HasThresholds() {
		atThreshold = 1
	}
	l.left(sg, map[string]int{"a": 0, "b": atThreshold, "c": 1})
	l.Send("a", sg, 201)
	l.left(sg, map[string]int{"a": 0, "b": atThreshold + 1, "c": 2})
	l.hush(sg)
}

// An (S,G) entry decides about its flow, whatever a (*,G) says: another input,
// other outputs, or none.
func sourceGoesBeforeAnySource(l *lab) {
	sg := l.flow(1)
	stopped, other := l.source(sg, 2), l.source(sg, 3)
	l.apply(l.opSet(anySource(sg), 0, 0, 1, 2), l.opSet(sg, 1, 2), l.opSet(stopped, 0))
	l.Send("b", sg, 64)
	l.left(sg, map[string]int{"a": 0, "b": 0, "c": 1})
	l.Send("a", sg, 64)
	l.hush(sg, mroute.Upcall{Kind: mroute.WrongVIF, SG: sg, VIF: 0})
	l.Send("a", stopped, 64)
	l.Send("a", other, 64)
	l.left(sg, map[string]int{"a": 0, "b": 0, "c": 1})
	l.left(stopped, map[string]int{"a": 0, "b": 0, "c": 0})
	l.left(other, map[string]int{"a": 0, "b": 1, "c": 1})
	// Without it the flow is like others, at once.
	l.apply(l.opDel(sg))
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"a": 0, "b": 1, "c": 2})
}

// Packets that wait for an (S,G) entry still do when there is a (*,G) one, which
// takes those that come later. An (S,G) entry lets them go, and need not stay.
func anySourceReleasesNothing(l *lab) {
	sg := l.flow(1)
	l.Send("a", sg, 64)
	l.hush(sg, mroute.Upcall{Kind: mroute.NoCache, SG: sg, VIF: 0})
	l.apply(l.opSet(anySource(sg), 0, 0, 1))
	l.left(sg, map[string]int{"b": 0})
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"b": 1})
	l.apply(l.opSet(sg, 0, 1), l.opDel(sg))
	l.left(sg, map[string]int{"b": 2})
}

func anySourceCountsAllSources(l *lab) {
	sg := l.flow(1)
	other := l.source(sg, 2)
	l.apply(l.opSet(anySource(sg), 0, 0, 1))
	for range 2 {
		l.Send("a", sg, 64)
		l.Send("a", other, 64)
	}
	l.left(sg, map[string]int{"b": 2})
	l.left(other, map[string]int{"b": 2})
	if c := l.counters(anySource(sg)); c.Packets != 4 || c.WrongIf != 0 || c.Idle < 0 {
		l.t.Errorf("counters %+v, want 4 packets", c)
	}
	if c := l.counters(sg); c.Packets != 0 {
		l.t.Errorf("counters of one source %+v, want none", c)
	}
}

// The kernel takes the source 0.0.0.0 or :: of an entry for any source: the two
// are one entry.
func noSourceIsAnySource(l *lab) {
	sg := l.flow(1)
	none := mroute.SG{Source: netip.IPv4Unspecified(), Group: sg.Group}
	if l.f == mroute.IPv6 {
		none.Source = netip.IPv6Unspecified()
	}
	l.apply(l.opSet(anySource(sg), 0, 0, 1), l.opSet(none, 0, 0, 2))
	if d := l.dump(); len(d.Entries) != 1 || d.Entries[anySource(sg)].OIFs != (mroute.OIFs{0: 1, 2: 1}) {
		l.t.Errorf("entries are %v, want one, to c", d.Entries)
	}
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"b": 0, "c": 1})
	// A packet without a source is taken for one of an (S,G) entry, that of the
	// (*,G), wherever it comes in. IPv4 does not route it in the first place.
	passes := 0
	if l.f == mroute.IPv6 {
		passes = 1
	}
	l.Send("a", none, 64)
	l.left(none, map[string]int{"a": 0, "b": 0, "c": passes})
	l.Send("b", none, 64)
	l.left(none, map[string]int{"a": 0, "b": 0, "c": passes})
	if c := l.counters(none); c.WrongIf != uint64(passes) {
		l.t.Errorf("counters %+v, want %d packets on a wrong interface", c, passes)
	}
	l.apply(l.opDel(none))
	if d := l.dump(); len(d.Entries) != 0 {
		l.t.Errorf("entries are %v, want none", d.Entries)
	}
}
