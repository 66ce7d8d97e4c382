package kerneltest

import (
	"errors"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

var tableFacts = []fact{
	{"SecondOwnerIsRefused", secondOwnerIsRefused},
	{"OtherTableIsFree", otherTableIsFree},
	{"CloseFlushes", closeFlushes},
	{"FamiliesAreApart", familiesAreApart},
}

func secondOwnerIsRefused(l *lab) {
	if _, err := l.Open(0); !errors.Is(err, kernel.ErrTableBusy) {
		l.t.Errorf("a second Open gives %v, want ErrTableBusy", err)
	}
	sg := l.flow(1)
	l.apply(l.opSet(sg, 0, 1))
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"b": 1})
}

// Entries of another table do not matter to packets that no rule leads there.
func otherTableIsFree(l *lab) {
	other := l.open(100)
	if err := other.FamilyErr(l.f); err != nil {
		l.t.Fatalf("table 100: %v", err)
	}
	sg := l.flow(1)
	for i, err := range other.Apply([]mroute.Op{
		l.opAddVIF(7, "a"), l.opAddVIF(8, "c"), l.opSet(sg, 7, 8),
	}) {
		if err != nil {
			l.t.Errorf("op %d on table 100: %v", i, err)
		}
	}
	d, err := other.Dump(l.f)
	if err != nil || len(d.VIFs) != 2 || d.Entries[sg].IIF != 7 || d.Entries[sg].OIFs != (mroute.OIFs{8: 1}) {
		l.t.Errorf("table 100 holds %+v, %v", d, err)
	}
	if d := l.dump(); len(d.VIFs) != 3 || len(d.Entries) != 0 {
		l.t.Errorf("table 0 holds %+v", d)
	}
	l.apply(l.opSet(sg, 0, 1))
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"b": 1, "c": 0})
}

func closeFlushes(l *lab) {
	sg := l.flow(1)
	join := mroute.Op{Kind: mroute.JoinGroup, Family: l.f, SG: mroute.SG{Group: sg.Group}, Link: l.ref("c")}
	l.apply(l.opSet(sg, 0, 1), join)
	if err := l.k.Close(); err != nil {
		l.t.Fatalf("close: %v", err)
	}
	l.Await("the membership to end", func() bool { return !slices.Contains(l.Memberships("c"), join.SG) })
	l.Send("a", sg, 64) // nobody routes it

	l.k = l.open(0)
	if d := l.dump(); len(d.VIFs) != 0 || len(d.Entries) != 0 {
		l.t.Errorf("a table opened again holds %+v", d)
	}
	l.apply(l.opAddVIF(0, "a"), l.opAddVIF(1, "b"))
	delete(l.vifs, "c")
	l.left(sg, map[string]int{"b": 0})
}

// VIF numbers of the two families have nothing to do with each other.
func familiesAreApart(l *lab) {
	other := mroute.IPv4
	if l.f == mroute.IPv4 {
		other = mroute.IPv6
	}
	if err := l.k.FamilyErr(other); err != nil {
		l.t.Fatalf("claim %v: %v", other, err)
	}
	l.apply(mroute.Op{Kind: mroute.AddVIF, Family: other, VIF: 0, Link: l.ref("c")})
	sg := l.flow(1)
	l.apply(l.opSet(sg, 0, 1))
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"b": 1, "c": 0})
}
