package kerneltest

import (
	"maps"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Facts about what another program has put into the table.
var foreignFacts = []fact{
	{"ForeignIsToldFromOwn", func(l *lab) { l.keep(false); foreignIsToldFromOwn(l) }},
	{"ForeignIsRemembered", func(l *lab) { l.keep(true); foreignIsRemembered(l) }},
	{"UnknownIsNotOwn", unknownIsNotOwn},
	{"OpenSeesForeign", openSeesForeign},
	{"ForeignBecomesOwn", foreignBecomesOwn},
	{"StaticStaysStatic", staticStaysStatic},
}

// allVIFs are those of a, b and c.
func (l *lab) allVIFs() map[mroute.VIF]int {
	l.t.Helper()
	return map[mroute.VIF]int{0: l.ifindex("a"), 1: l.ifindex("b"), 2: l.ifindex("c")}
}

// Where a program's own is not static, what is static is another's.
func foreignIsToldFromOwn(l *lab) {
	own, foreign := l.flow(1), l.flow(2)
	l.apply(l.opSet(own, 0, 1))
	l.Guest(0, l.opSet(foreign, 0, 1))
	l.detach()
	l.adopt(false)
	h := l.k.Held(l.f)
	_, isForeign := h.Foreign[foreign]
	_, isOwn := h.Entries[own]
	if !h.Own || !isForeign || !isOwn || len(h.Entries)+len(h.Foreign) != 2 || !maps.Equal(h.VIFs, l.allVIFs()) {
		l.t.Errorf("held is %+v", h)
	}
	l.settle(foreign)
	l.k.Close()
	l.adopt(false)
	h = l.k.Held(l.f)
	if _, ok := h.Foreign[foreign]; !ok || len(h.Entries) != 0 {
		l.t.Errorf("after Close held is %+v, want the other program's entry", h)
	}
}

// Where its own is static, too, records tell. Close leaves the rest, and the VIFs
// that it names.
func foreignIsRemembered(l *lab) {
	own, foreign := l.flow(1), l.flow(2)
	l.apply(l.opSet(own, 0, 1, 2))
	l.Guest(0, l.opSet(foreign, 0, 1))
	l.settle(foreign)
	for _, killed := range []bool{false, true} {
		l.detach()
		if killed {
			l.EndKeeper()
		}
		l.adopt(true)
		h := l.k.Held(l.f)
		want := mroute.Entry{IIF: 0, OIFs: mroute.OIFs{1: 1}}
		if got := h.Foreign[foreign]; !h.Own || !got.Forwards(want) || len(h.Entries) != 1 || len(h.Foreign) != 1 || len(h.VIFs) != 3 {
			l.t.Errorf("held is %+v", h)
		}
	}
	if err := l.k.Close(); err != nil {
		l.t.Error(err)
	}
	l.adopt(true)
	h := l.k.Held(l.f)
	if _, ok := h.Entries[foreign]; !ok || h.Own || len(h.Entries) != 1 || len(h.VIFs) != 2 {
		l.t.Errorf("after Close held is %+v, want the other program's entry and its two VIFs", h)
	}
	delete(l.vifs, "c")
	l.sends(foreign, "of the other program's entry")
}

// Static entries that no record tells of are nobody's. Close leaves them, and
// takes what the program has added.
func unknownIsNotOwn(l *lab) {
	unknown, own := l.flow(1), l.flow(2)
	ops := []mroute.Op{l.opAddVIF(5, "a"), l.opAddVIF(6, "b"), l.opAddVIF(8, "c"), l.opSet(unknown, 5, 6)}
	l.k.Close()
	l.Guest(0, ops...)
	for range 2 {
		l.adopt(true)
		h := l.k.Held(l.f)
		if _, ok := h.Entries[unknown]; !ok || h.Own || len(h.Foreign) != 0 || len(h.VIFs) != 3 {
			l.t.Errorf("held is %+v, want an unknown entry and its VIFs", h)
		}
		l.apply(l.opSet(own, 5, 6))
		if err := l.k.Close(); err != nil {
			l.t.Error(err)
		}
	}
	l.adopt(true)
	if d := l.dump(); len(d.Entries) != 1 || len(d.VIFs) != 3 {
		l.t.Errorf("Close leaves %+v, want the unknown entry and the VIFs", d)
	}
	l.settle() // now all is its own
	if err := l.k.Close(); err != nil {
		l.t.Error(err)
	}
	l.k = l.open(0)
	if h := l.k.Held(l.f); !h.Empty() {
		l.t.Errorf("after Close the table holds %+v", h)
	}
}

// A program that is not kept sees what is there, too: the numbers are taken.
func openSeesForeign(l *lab) {
	sg := l.flow(1)
	ops := []mroute.Op{l.opAddVIF(5, "a"), l.opAddVIF(6, "b"), l.opSet(sg, 5, 6)}
	l.k.Close()
	l.Guest(0, ops...)
	for range 2 {
		l.k = l.open(0)
		h := l.k.Held(l.f)
		want := map[mroute.VIF]int{5: l.ifindex("a"), 6: l.ifindex("b")}
		if got, ok := h.Foreign[sg]; !ok || !got.Forwards(mroute.Entry{IIF: 5, OIFs: mroute.OIFs{6: 1}}) ||
			h.Own || len(h.Entries) != 0 || !maps.Equal(h.VIFs, want) {
			l.t.Errorf("held is %+v, want the other program's entry and its VIFs", h)
		}
		l.sends(sg, "of the other program's entry")
		l.apply(l.opSet(l.flow(2), 5, 6))
		l.k.Close()
	}
}

// An entry of another program that is set becomes this one's, without another
// Settle.
func foreignBecomesOwn(l *lab) {
	l.keep(true)
	sg := l.flow(1)
	l.Guest(0, l.opSet(sg, 0, 1))
	l.settle(sg)
	l.apply(l.opSet(sg, 0, 2))
	l.detach()
	l.adopt(true)
	h := l.k.Held(l.f)
	if _, ok := h.Entries[sg]; !ok || !h.Own || len(h.Foreign) != 0 {
		l.t.Errorf("held is %+v, want one entry, its own", h)
	}
}

// Once static an entry stays so, whoever replaces it. Any program can delete what
// is static.
func staticStaysStatic(l *lab) {
	owners, guests, deleted := l.flow(1), l.flow(2), l.flow(3)
	l.apply(l.opSet(owners, 0, 1))
	l.Guest(0, l.opSet(owners, 0, 1), l.opSet(guests, 0, 1), l.opSet(deleted, 0, 1), l.opDelVIF(2), l.opAddVIF(2, "c"))
	l.apply(l.opSet(guests, 0, 1), l.opDel(deleted), l.opDelVIF(2))
	l.k.Close()
	l.k = l.open(0)
	h := l.k.Held(l.f)
	_, first := h.Foreign[owners]
	_, second := h.Foreign[guests]
	if !first || !second || len(h.Foreign) != 2 || len(h.VIFs) != 0 {
		l.t.Errorf("static are %+v, want the entries %v and %v", h, owners, guests)
	}
}
