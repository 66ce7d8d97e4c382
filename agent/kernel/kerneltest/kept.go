package kerneltest

import (
	"errors"
	"maps"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Facts about programs that leave their tables to the next one, each shown with
// VIFs and entries that are static and with such that are not.
var keptFacts = slices.Concat(
	kept("HeldIsWhatWasThere", heldIsWhatWasThere),
	kept("AdoptedTableForwardsOn", adoptedTableForwardsOn),
	kept("AdoptedTableCanBeChanged", adoptedTableCanBeChanged),
	kept("AdoptedOwnerGetsUpcalls", adoptedOwnerGetsUpcalls),
	kept("KernelAsksAgain", kernelAsksAgain),
	kept("CountersLiveOn", countersLiveOn),
	kept("MembershipsOverlap", membershipsOverlap),
	kept("StaleOutputOutlivesAdoption", staleOutputOutlivesAdoption),
	kept("DetachedTableIsBusy", detachedTableIsBusy),
	kept("TablesAreAdoptedOneByOne", tablesAreAdoptedOneByOne),
	kept("CloseLeavesNothing", closeLeavesNothing),
	kept("GapWhenNobodyHolds", gapWhenNobodyHolds),
)

// kept makes two facts of one.
func kept(name string, show func(l *lab, static bool)) []fact {
	return []fact{
		{name, func(l *lab) { l.keep(false); show(l, false) }},
		{name + "Static", func(l *lab) { l.keep(true); show(l, true) }},
	}
}

// keep gives the table to a program that is kept, which makes the VIFs again.
func (l *lab) keep(static bool) {
	l.t.Helper()
	if err := l.k.Close(); err != nil {
		l.t.Fatal(err)
	}
	l.adopt(static)
	if h := l.k.Held(l.f); !h.Empty() {
		l.t.Fatalf("a table that was closed holds %+v", h)
	}
	for name, v := range l.vifs {
		l.addVIF(v, name)
	}
}

// detach ends the program, and leaves all to the next.
func (l *lab) detach() {
	l.t.Helper()
	if err := l.k.Detach(); err != nil {
		l.t.Fatal(err)
	}
}

// adopt begins the next program.
func (l *lab) adopt(static bool) {
	l.t.Helper()
	l.k = l.openKept(0, static)
	if err := l.k.FamilyErr(l.f); err != nil {
		l.t.Fatalf("adopt %v: %v", l.f, err)
	}
	l.inbox.watch(l.t, l.k)
}

func (l *lab) openKept(table uint32, static bool) kernel.Kernel {
	l.t.Helper()
	k, err := l.OpenKept(table, static)
	if err != nil {
		l.t.Fatalf("open table %d: %v", table, err)
	}
	return k
}

func (l *lab) settle(foreign ...mroute.SG) {
	l.t.Helper()
	if err := l.k.Settle(l.f, foreign); err != nil {
		l.t.Fatalf("settle: %v", err)
	}
}

// sends has a packet arrive on a, which must leave through b.
func (l *lab) sends(sg mroute.SG, when string) {
	l.t.Helper()
	before := l.Left("b", sg)
	l.Send("a", sg, 64)
	l.Await("a packet "+when, func() bool { return l.Left("b", sg) == before+1 })
}

func sameEntries(a, b map[mroute.SG]mroute.Entry) bool {
	return maps.EqualFunc(a, b, func(a, b mroute.Entry) bool { return a.Forwards(b) })
}

func heldIsWhatWasThere(l *lab, static bool) {
	if h := l.k.Held(l.f); !h.Empty() {
		l.t.Errorf("a new table holds %+v", h)
	}
	gone, any := l.flow(4), mroute.SG{Group: l.flow(5).Group}
	l.AddLink("d")
	l.addVIF(31, "d")
	l.AddLink("e")
	l.addVIF(17, "e")
	l.apply(
		l.opSet(l.flow(1), 0, 1, 2), l.opSet(l.flow(2), 31, 31, 0), l.opSet(l.flow(3), 2),
		l.opSet(gone, 17, 1), l.opSet(any, 0, 0, 17),
	)
	if l.f.HasThresholds() {
		op := l.opSet(l.flow(6), 1)
		op.Entry.OIFs = mroute.OIFs{0: 2, 31: 200}
		l.apply(op)
	}
	l.deleteLink("e")
	want := l.dump()
	if want.Entries[gone].IIF != mroute.NoVIF || len(want.VIFs) != 4 {
		l.t.Fatalf("the table is %+v", want)
	}
	l.detach()
	for range 2 {
		l.adopt(static)
		h := l.k.Held(l.f)
		if !maps.Equal(h.VIFs, want.VIFs) || !sameEntries(h.Entries, want.Entries) || !h.Own || len(h.Foreign) != 0 {
			l.t.Errorf("held is %+v, want %+v, all its own", h, want)
		}
		if d := l.dump(); !maps.Equal(d.VIFs, want.VIFs) || !sameEntries(d.Entries, want.Entries) {
			l.t.Errorf("the dump is %+v, want %+v", d, want)
		}
		l.detach()
	}
	l.adopt(static)
	l.settle()
	if h := l.k.Held(l.f); !h.Empty() {
		l.t.Errorf("a settled table holds %+v", h)
	}
}

func adoptedTableForwardsOn(l *lab, static bool) {
	sg, any := l.flow(1), l.flow(2)
	l.apply(l.opSet(sg, 0, 1), l.opSet(mroute.SG{Group: any.Group}, 0, 0, 1))
	for range 2 {
		for _, step := range []struct {
			when string
			do   func()
		}{
			{"before the end", func() {}},
			{"when the program has ended", l.detach},
			{"when the table is adopted", func() { l.adopt(static) }},
			{"when all is settled", func() { l.settle() }},
		} {
			step.do()
			l.sends(sg, step.when)
			l.sends(any, step.when)
		}
	}
}

// VIFs and entries of the program before can be replaced and deleted, and new
// ones be made. Entries are set by message and one at a time.
func adoptedTableCanBeChanged(l *lab, static bool) {
	var set []mroute.Op
	const n = 20
	for i := range n {
		set = append(set, l.opSet(l.flow(i), 0, 1))
	}
	l.apply(set...)
	l.detach()
	l.adopt(static)
	l.AddLink("d")
	l.addVIF(3, "d")
	var del []mroute.Op
	for i := range set {
		set[i].Entry.OIFs = mroute.OIFs{2: 1, 3: 1}
		del = append(del, l.opDel(l.flow(i)))
	}
	l.apply(set[0])
	l.apply(set...)
	l.delVIF("b")
	l.Send("a", l.flow(1), 64)
	l.left(l.flow(1), map[string]int{"b": 0, "c": 1, "d": 1})
	l.apply(del[0])
	l.apply(del...)
	if d := l.dump(); len(d.Entries) != 0 || len(d.VIFs) != 3 {
		l.t.Errorf("the table is %+v, want a, c and d", d)
	}
}

// A flow that asks while nobody is there gets its answer from the next program.
func adoptedOwnerGetsUpcalls(l *lab, static bool) {
	sg, later := l.flow(1), l.flow(2)
	l.detach()
	l.Send("a", sg, 64)
	l.Send("a", sg, 64)
	l.adopt(static)
	l.Await("the upcall", func() bool {
		return l.inbox.asked(mroute.Upcall{Kind: mroute.NoCache, SG: sg, VIF: 0}) == 1
	})
	l.apply(l.opSet(sg, 0, 1))
	l.left(sg, map[string]int{"b": 2})
	l.Send("c", sg, 64)
	l.Await("an upcall about the wrong interface", func() bool {
		return l.inbox.asked(mroute.Upcall{Kind: mroute.WrongVIF, SG: sg, VIF: 2}) == 1
	})
	l.Send("a", later, 64)
	l.Await("an upcall", func() bool { return len(l.inbox.about(later)) == 1 })
}

// About a flow of which the program before had read, and which it did not answer,
// the kernel asks again at its next packet, not after 10 seconds.
func kernelAsksAgain(l *lab, static bool) {
	noCache := func(sg mroute.SG) mroute.Upcall { return mroute.Upcall{Kind: mroute.NoCache, SG: sg, VIF: 1} }
	read, unread := l.flow(1), l.flow(2)
	l.apply(l.opSet(l.flow(3), 0, 1))
	l.Send("b", read, 64)
	l.Await("the upcall", func() bool { return l.inbox.asked(noCache(read)) == 1 })
	l.detach()
	l.Send("b", unread, 64)
	l.adopt(static)
	l.Send("b", read, 64)
	l.Send("b", unread, 64)
	l.Await("two upcalls", func() bool { return l.inbox.asked(noCache(read)) == 2 && l.inbox.asked(noCache(unread)) == 1 })
	l.apply(l.opSet(read, 1, 0), l.opSet(unread, 1, 0))
	l.left(read, map[string]int{"a": 1})
	l.left(unread, map[string]int{"a": 2})
	for _, sg := range []mroute.SG{read, unread} {
		if us := l.inbox.about(sg); us[len(us)-1].Kind != mroute.NoCache {
			l.t.Errorf("upcalls about %v are %v", sg, us)
		}
	}
	l.Send("c", l.flow(3), 64)
	l.Await("an upcall about the wrong interface", func() bool { return len(l.inbox.about(l.flow(3))) == 1 })
}

func countersLiveOn(l *lab, static bool) {
	sg := l.flow(1)
	l.apply(l.opSet(sg, 0, 1))
	l.sends(sg, "before the end")
	l.detach()
	l.sends(sg, "in between")
	l.adopt(static)
	if c := l.counters(sg); c.Packets != 2 || c.Bytes == 0 {
		l.t.Errorf("counters of an adopted entry: %+v, want 2 packets", c)
	}
	l.apply(l.opSet(sg, 0, 1, 2))
	l.sends(sg, "after a change")
	if c := l.counters(sg); c.Packets != 3 {
		l.t.Errorf("counters of an adopted entry that was replaced: %+v, want 3 packets", c)
	}
}

// What the program before had joined stays joined until all is settled; what this
// one has joined stays then.
func membershipsOverlap(l *lab, static bool) {
	both, one, first := mroute.SG{Group: l.flow(1).Group}, l.flow(2), mroute.SG{Group: l.flow(3).Group}
	var more []mroute.Op
	for i := range 50 {
		more = append(more, l.opJoin(mroute.SG{Group: l.flow(100 + i).Group}, "b"))
	}
	l.apply(more...)
	l.apply(l.opJoin(both, "b"), l.opJoin(one, "b"), l.opJoin(first, "b"))
	l.detach()
	for range 2 {
		if list := l.Memberships("b"); !slices.Contains(list, both) || !slices.Contains(list, first) {
			l.t.Errorf("when the program has ended %v are joined", list)
		}
		l.adopt(static)
		l.members("b", true, both, one, first)
		l.apply(l.opJoin(both, "b"), l.opJoin(one, "b"))
		l.members("b", true, both, one, first)
		l.detach() // it did not come far
	}
	l.adopt(static)
	l.apply(l.opJoin(both, "b"), l.opJoin(one, "b"))
	l.settle()
	l.members("b", true, both, one)
	l.members("b", false, first, more[0].SG, more[49].SG)
	l.apply(l.opLeave(both, "b"), l.opLeave(one, "b"))
	l.members("b", false, both, one)
}

// A link that goes while nobody is there leaves its bit in the entries, unseen.
func staleOutputOutlivesAdoption(l *lab, static bool) {
	sg, scrubbed := l.flow(1), l.flow(2)
	l.apply(l.opSet(sg, 0, 1, 2), l.opSet(scrubbed, 0, 1, 2))
	l.detach()
	l.deleteLink("b")
	l.AddLink("d")
	l.adopt(static)
	h := l.k.Held(l.f)
	if got := h.Entries[sg]; len(h.VIFs) != 2 || !got.Forwards(mroute.Entry{IIF: 0, OIFs: mroute.OIFs{2: 1}}) {
		l.t.Errorf("held is %+v, want c alone as output", h)
	}
	l.apply(l.opSet(scrubbed, 0, 2))
	l.addVIF(1, "d")
	l.Send("a", sg, 64)
	l.Send("a", scrubbed, 64)
	l.left(sg, map[string]int{"c": 1, "d": 1})
	l.left(scrubbed, map[string]int{"c": 1, "d": 0})
}

// Nobody else gets a table that is left to the next program.
func detachedTableIsBusy(l *lab, static bool) {
	l.detach()
	if _, err := l.Open(0); !errors.Is(err, kernel.ErrTableBusy) {
		l.t.Errorf("another program gets %v, want ErrTableBusy", err)
	}
	l.adopt(static)
	if err := l.k.Detach(); err != nil {
		l.t.Error(err)
	}
	if err := l.k.Detach(); err != nil {
		l.t.Errorf("detach again: %v", err)
	}
	if err := l.k.Close(); err != nil {
		l.t.Errorf("close of what is detached: %v", err)
	}
	l.adopt(static)
	if h := l.k.Held(l.f); len(h.VIFs) != 3 {
		l.t.Errorf("held is %+v, want three VIFs", h)
	}
}

// Another table has VIFs of its own, which no list of IPv6 shows.
func tablesAreAdoptedOneByOne(l *lab, static bool) {
	const table = 100
	other := l.openKept(table, static)
	sg := l.flow(1)
	for i, err := range other.Apply([]mroute.Op{l.opAddVIF(7, "a"), l.opAddVIF(30, "c"), l.opSet(sg, 7, 30)}) {
		if err != nil {
			l.t.Fatalf("op %d on table %d: %v", i, table, err)
		}
	}
	if err := other.Detach(); err != nil {
		l.t.Fatal(err)
	}
	other = l.openKept(table, static)
	h := other.Held(l.f)
	if want := map[mroute.VIF]int{7: l.ifindex("a"), 30: l.ifindex("c")}; !maps.Equal(h.VIFs, want) {
		l.t.Errorf("VIFs of table %d are %v, want %v", table, h.VIFs, want)
	}
	if got := h.Entries[sg]; len(h.Entries) != 1 || !got.Forwards(mroute.Entry{IIF: 7, OIFs: mroute.OIFs{30: 1}}) {
		l.t.Errorf("entries of table %d are %+v", table, h.Entries)
	}
	if err := other.Close(); err != nil {
		l.t.Error(err)
	}
	if d := l.dump(); len(d.VIFs) != 3 {
		l.t.Errorf("table 0 holds %+v", d)
	}
}

func closeLeavesNothing(l *lab, static bool) {
	join := l.opJoin(mroute.SG{Group: l.flow(1).Group}, "c")
	l.apply(l.opSet(l.flow(1), 0, 1), join)
	l.detach()
	l.adopt(static)
	l.apply(l.opSet(l.flow(2), 0, 1), join)
	if err := l.k.Close(); err != nil {
		l.t.Fatal(err)
	}
	l.Await("the membership to end", func() bool { return !slices.Contains(l.Memberships("c"), join.SG) })
	l.k = l.open(0) // nobody holds it
	if h := l.k.Held(l.f); !h.Empty() {
		l.t.Errorf("after Close the table holds %+v", h)
	}
	l.k.Close()
	l.adopt(static)
	if h := l.k.Held(l.f); !h.Empty() {
		l.t.Errorf("after Close the next program gets %+v", h)
	}
}

// When the keeper is killed, too, what is static stays but does not forward until
// the next program claims the table; the rest is gone.
func gapWhenNobodyHolds(l *lab, static bool) {
	sg, replaced := l.flow(1), l.flow(2)
	var batch []mroute.Op
	for i := range 10 {
		batch = append(batch, l.opSet(l.flow(10+i), 0, 1))
	}
	l.apply(batch...)
	l.apply(l.opSet(sg, 0, 1), l.opSet(replaced, 0, 2))
	l.apply(l.opSet(replaced, 0, 1))
	l.sends(sg, "before the end")
	want := l.dump()
	l.detach()
	l.EndKeeper()
	l.Send("a", sg, 64) // nobody routes it
	l.adopt(static)
	h := l.k.Held(l.f)
	if !static {
		if !h.Empty() {
			l.t.Errorf("held is %+v after the last holder's end", h)
		}
		return
	}
	if !h.Own || !maps.Equal(h.VIFs, want.VIFs) || !sameEntries(h.Entries, want.Entries) {
		l.t.Errorf("held is %+v, want %+v, its own", h, want)
	}
	for _, sg := range []mroute.SG{sg, replaced, batch[9].SG} {
		l.sends(sg, "when the table is claimed again")
	}
	l.left(sg, map[string]int{"b": 2})
	if c := l.counters(sg); c.Packets != 2 {
		l.t.Errorf("counters are %+v, want two packets", c)
	}
	l.apply(l.opDel(sg), l.opDelVIF(2))
	if d := l.dump(); len(d.VIFs) != 2 || len(d.Entries) != len(want.Entries)-1 {
		l.t.Errorf("after a deletion the table is %+v", d)
	}
	if err := l.k.Close(); err != nil {
		l.t.Error(err)
	}
	l.k = l.open(0)
	if h := l.k.Held(l.f); !h.Empty() {
		l.t.Errorf("after Close the table holds %+v", h)
	}
}
