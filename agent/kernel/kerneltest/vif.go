package kerneltest

import (
	"errors"
	"fmt"
	"maps"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

var vifFacts = []fact{
	{"VIFOfGoneLinkIsRefused", vifOfGoneLinkIsRefused},
	{"TakenVIFIsRefused", takenVIFIsRefused},
	{"TableHasRoomFor32VIFs", tableHasRoomFor32VIFs},
	{"LinkWithoutMulticast", linkWithoutMulticast},
	{"VIFOutlivesRename", vifOutlivesRename},
	{"VIFOutlivesDown", vifOutlivesDown},
	{"DeletedLinkLosesItsVIF", deletedLinkLosesItsVIF},
	{"LinkMayHaveTwoVIFs", linkMayHaveTwoVIFs},
}

func vifOfGoneLinkIsRefused(l *lab) {
	l.AddLink("d")
	op := l.opAddVIF(3, "d")
	l.DeleteLink("d")
	errs := l.k.Apply([]mroute.Op{op})
	if len(errs) != 1 || !errors.Is(errs[0], kernel.ErrNoLink) {
		l.t.Errorf("AddVIF of a link that is gone gives %v, want ErrNoLink", errs)
	}
	if d := l.dump(); len(d.VIFs) != 3 {
		l.t.Errorf("VIFs are %v, want a, b and c", d.VIFs)
	}
}

func takenVIFIsRefused(l *lab) {
	l.AddLink("d")
	if errs := l.k.Apply([]mroute.Op{l.opAddVIF(1, "d")}); len(errs) != 1 || errs[0] == nil {
		l.t.Error("AddVIF with a number that is taken succeeds")
	}
	if d := l.dump(); d.VIFs[1] != l.ifindex("b") {
		l.t.Errorf("VIF 1 is link %d, want b, %d", d.VIFs[1], l.ifindex("b"))
	}
}

// VIF 31, the last, works as input and as output; there is none beyond it.
func tableHasRoomFor32VIFs(l *lab) {
	sg := l.flow(1)
	entry := l.opSet(sg, 0)
	want := map[string]int{}
	vifs := map[mroute.VIF]int{}
	for v := mroute.VIF(0); v < mroute.MaxVIFs; v++ {
		name := string(rune('a' + v))
		if v > 2 {
			name = fmt.Sprintf("m%d", v)
			l.AddLink(name)
			l.addVIF(v, name)
		}
		vifs[v] = l.ifindex(name)
		if v > 0 {
			entry.Entry.OIFs[v] = 1
			want[name] = 1
		}
	}
	if got := l.dump().VIFs; !maps.Equal(got, vifs) {
		l.t.Errorf("VIFs are %v, want %v", got, vifs)
	}
	l.AddLink("n")
	errs := l.k.Apply([]mroute.Op{l.opAddVIF(mroute.MaxVIFs, "n")})
	if len(errs) != 1 || !errors.Is(errs[0], kernel.ErrVIFTableFull) {
		l.t.Errorf("the 33rd VIF gives %v, want ErrVIFTableFull", errs)
	}
	l.apply(entry)
	l.Send("a", sg, 64)
	l.left(sg, want)

	back := l.flow(2)
	l.apply(l.opSet(back, 31, 1))
	l.Send("m31", back, 64)
	l.left(back, map[string]int{"b": 1, "c": 0})
	if got, want := l.dump().Entries[back], (mroute.Entry{IIF: 31, OIFs: mroute.OIFs{1: 1}}); !got.Forwards(want) {
		l.t.Errorf("the entry with input 31 is %+v, want %+v", got, want)
	}
}

// The kernel itself does not mind a link without IFF_MULTICAST.
func linkWithoutMulticast(l *lab) {
	l.AddLink("d")
	l.SetMulticast("d", false)
	if l.link("d").Multicast {
		l.t.Error("Links shows IFF_MULTICAST after it was cleared")
	}
	l.apply(l.opAddVIF(3, "d"))
	l.SetMulticast("d", true)
	if !l.link("d").Multicast {
		l.t.Error("Links does not show IFF_MULTICAST after it was set")
	}
	if d := l.dump(); d.VIFs[3] != l.ifindex("d") {
		l.t.Errorf("VIFs are %v, want 3 for d", d.VIFs)
	}
}

func vifOutlivesRename(l *lab) {
	sg := l.flow(1)
	l.apply(l.opSet(sg, 0, 1))
	before := l.ifindex("b")
	l.RenameLink("b", "other")
	if after := l.ifindex("other"); after != before {
		l.t.Errorf("the ifindex was %d and is %d after a rename", before, after)
	}
	if got := l.dump().VIFs[1]; got != before {
		l.t.Errorf("VIF 1 is link %d, want %d", got, before)
	}
	l.vifs["other"] = 1
	delete(l.vifs, "b")
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"other": 1})
}

// A link that is down gets nothing, and goes on by itself when it is up.
func vifOutlivesDown(l *lab) {
	sg := l.flow(1)
	l.apply(l.opSet(sg, 0, 1, 2))
	l.SetUp("b", false)
	if l.link("b").Up {
		l.t.Error("Links shows IFF_UP after it was cleared")
	}
	delete(l.vifs, "b") // the fence can't use it
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"b": 0, "c": 1})
	l.SetUp("b", true)
	l.vifs["b"] = 1
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"b": 1, "c": 2})
}

func deletedLinkLosesItsVIF(l *lab) {
	l.deleteLink("b")
	if d := l.dump(); len(d.VIFs) != 2 || d.VIFs[1] != 0 {
		l.t.Errorf("VIFs are %v, want a and c", d.VIFs)
	}
	l.AddLink("b")
	l.addVIF(1, "b") // the number is free
}

// The kernel lets a link have two VIFs. Entries forward by either, questions name
// the higher. If one goes what names it forwards nothing, though the link has
// the other.
func linkMayHaveTwoVIFs(l *lab) {
	low, high, input, output := l.flow(1), l.flow(2), l.flow(3), l.flow(4)
	flows := []mroute.SG{low, high, input, output}
	sends := func(want ...int) {
		l.t.Helper()
		for i, sg := range flows {
			l.Send("a", sg, 64)
			l.left(sg, map[string]int{"b": want[i]})
		}
	}
	l.apply(l.opSet(low, 0, 1), l.opSet(input, 0, 1))
	l.apply(l.opAddVIF(5, "a"), l.opAddVIF(6, "b"))
	l.apply(l.opSet(high, 5, 6), l.opSet(output, 5, 1))
	sends(1, 1, 1, 1)
	unknown := l.flow(5)
	l.Send("a", unknown, 64)
	l.hush(unknown, mroute.Upcall{Kind: mroute.NoCache, SG: unknown, VIF: 5})
	l.apply(l.opSet(unknown, 5))
	l.apply(l.opDelVIF(0))
	l.vifs["a"] = 5
	sends(1, 2, 1, 2)
	l.apply(l.opSet(input, 5, 1), l.opDelVIF(1))
	l.vifs["b"] = 6
	sends(1, 3, 1, 2)
	l.apply(l.opSet(low, 5, 6), l.opSet(input, 5, 6), l.opSet(output, 5, 6))
	sends(2, 4, 2, 3)
}
