package kerneltest

import (
	"net/netip"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

var upcallFacts = []fact{
	{"NoCacheAsksOnceAndReleases", noCacheAsksOnceAndReleases},
	{"FourPacketsOfAFlowWait", fourPacketsOfAFlowWait},
	{"DeletedEntryIsAskedForAgain", deletedEntryIsAskedForAgain},
	{"StopFilterSilences", stopFilterSilences},
	{"WrongVIFAsksOncePer3Seconds", wrongVIFAsksOncePer3Seconds},
	{"LinkWithoutVIFIsNotRouted", linkWithoutVIFIsNotRouted},
	{"LinkLocalGroupsAreNotRouted", linkLocalGroupsAreNotRouted},
}

// hush checks that about a flow nothing was asked but want, once all that was
// sent before has been asked about: a new flow's upcall comes last.
func (l *lab) hush(sg mroute.SG, want ...mroute.Upcall) {
	l.t.Helper()
	l.Await("upcalls about "+sg.String(), func() bool { return len(l.inbox.about(sg)) >= len(want) })
	l.hushes++
	last := l.flow(61_000 + l.hushes)
	l.fence()
	l.Send("a", last, 64)
	l.Await("the last upcall", func() bool { return len(l.inbox.about(last)) > 0 })
	l.apply(l.opSet(last, 0))
	got := l.inbox.about(sg)
	if len(got) != len(want) {
		l.t.Errorf("upcalls about %v: %v, want %v", sg, got, want)
		return
	}
	for i := range got {
		if got[i] != want[i] {
			l.t.Errorf("upcall %d about %v: %v, want %v", i, sg, got[i], want[i])
		}
	}
}

// The first packet of a flow without an entry asks; it and the next wait for
// the entry, which lets them go.
func noCacheAsksOnceAndReleases(l *lab) {
	sg := l.flow(1)
	for range 3 {
		l.Send("b", sg, 64)
	}
	asks := mroute.Upcall{Kind: mroute.NoCache, SG: sg, VIF: 1}
	l.Await("an upcall", func() bool { return l.inbox.asked(asks) > 0 })
	l.fence()
	if got := l.Left("c", sg); got != 0 {
		l.t.Errorf("%d packets left without an entry", got)
	}
	l.apply(l.opSet(sg, 1, 2))
	l.left(sg, map[string]int{"c": 3})
	if c := l.counters(sg); c.Packets != 3 {
		l.t.Errorf("counters %+v, want the packets that waited in them", c)
	}
	l.hush(sg, asks)
}

func fourPacketsOfAFlowWait(l *lab) {
	sg := l.flow(1)
	for range 7 {
		l.Send("a", sg, 64)
	}
	l.hush(sg, mroute.Upcall{Kind: mroute.NoCache, SG: sg, VIF: 0})
	l.apply(l.opSet(sg, 0, 1))
	l.left(sg, map[string]int{"b": 4})
}

func deletedEntryIsAskedForAgain(l *lab) {
	sg := l.flow(1)
	l.apply(l.opSet(sg, 0, 1), l.opDel(sg))
	l.Send("a", sg, 64)
	l.hush(sg, mroute.Upcall{Kind: mroute.NoCache, SG: sg, VIF: 0})
	l.left(sg, map[string]int{"b": 0})
}

// An entry without outputs ends the questions, and drops what waited.
func stopFilterSilences(l *lab) {
	sg := l.flow(1)
	l.Send("a", sg, 64)
	l.hush(sg, mroute.Upcall{Kind: mroute.NoCache, SG: sg, VIF: 0})
	l.apply(l.opSet(sg, 0))
	l.Send("a", sg, 64)
	l.hush(sg, mroute.Upcall{Kind: mroute.NoCache, SG: sg, VIF: 0})
	l.left(sg, map[string]int{"b": 0, "c": 0})
	if c := l.counters(sg); c.Packets != 2 {
		l.t.Errorf("counters %+v, want 2 packets", c)
	}
}

func wrongVIFAsksOncePer3Seconds(l *lab) {
	sg := l.flow(1)
	l.apply(l.opSet(sg, 0, 1))
	asks := mroute.Upcall{Kind: mroute.WrongVIF, SG: sg, VIF: 2}
	l.Send("c", sg, 64)
	l.Send("c", sg, 64)
	l.Send("b", sg, 64)
	l.hush(sg, asks)
	l.left(sg, map[string]int{"b": 0, "c": 0})
	l.Await("another upcall", func() bool {
		l.Send("c", sg, 64)
		return l.inbox.asked(asks) == 2
	})
	l.hush(sg, asks, asks)
}

// Packets from a link without a VIF raise no question. In IPv6 they still count
// as come from a wrong interface; IPv4 looks at the link first.
func linkWithoutVIFIsNotRouted(l *lab) {
	unknown, known := l.flow(1), l.flow(2)
	l.AddLink("d")
	l.apply(l.opSet(known, 0, 1))
	l.Send("d", unknown, 64)
	l.Send("d", known, 64)
	l.hush(unknown)
	l.hush(known)
	l.left(known, map[string]int{"b": 0})
	want := uint64(0)
	if l.f == mroute.IPv6 {
		want = 1
	}
	l.Await("the counter of wrong interfaces", func() bool { return l.counters(known).WrongIf >= want })
	if got := l.counters(known).WrongIf; got != want {
		l.t.Errorf("%d packets on a wrong interface, want %d", got, want)
	}
}

// Groups that must stay on their link are not asked for, and not forwarded even
// with an entry.
func linkLocalGroupsAreNotRouted(l *lab) {
	sg := l.flow(1)
	sg.Group = netip.MustParseAddr("224.0.0.200")
	if l.f == mroute.IPv6 {
		sg.Group = netip.MustParseAddr("ff02::2:200")
	}
	l.Send("a", sg, 64)
	l.hush(sg)
	l.apply(l.opSet(sg, 0, 1))
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"b": 0})
}
