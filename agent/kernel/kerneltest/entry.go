package kerneltest

import (
	"errors"
	"maps"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

var entryFacts = []fact{
	{"ForwardingFollowsEntry", forwardingFollowsEntry},
	{"EntryIsKeyedBySourceAndGroup", entryIsKeyedBySourceAndGroup},
	{"InputAmongOutputsSendsBack", inputAmongOutputsSendsBack},
	{"Thresholds", thresholds},
	{"LargeBatch", largeBatch},
	{"FailureStopsNothing", failureStopsNothing},
	{"DeletingWhatIsAbsentSucceeds", deletingWhatIsAbsentSucceeds},
}

func forwardingFollowsEntry(l *lab) {
	sg := l.flow(1)
	b, c := 0, 0
	for _, step := range []struct {
		outs []mroute.VIF
		b, c int
	}{
		{[]mroute.VIF{1}, 1, 0},
		{[]mroute.VIF{2}, 0, 1},
		{[]mroute.VIF{1, 2}, 1, 1},
		{nil, 0, 0},
	} {
		l.apply(l.opSet(sg, 0, step.outs...))
		l.Send("a", sg, 64)
		b, c = b+step.b, c+step.c
		l.left(sg, map[string]int{"b": b, "c": c})
	}
}

// A second input for an (S,G) replaces the first.
func entryIsKeyedBySourceAndGroup(l *lab) {
	sg := l.flow(1)
	l.apply(l.opSet(sg, 0, 2), l.opSet(sg, 1, 2))
	if d := l.dump(); len(d.Entries) != 1 || !d.Entries[sg].Forwards(mroute.Entry{IIF: 1, OIFs: mroute.OIFs{2: 1}}) {
		l.t.Errorf("entries are %v, want one, from b", d.Entries)
	}
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"b": 0, "c": 0})
	l.Send("b", sg, 64)
	l.left(sg, map[string]int{"b": 0, "c": 1})
}

func inputAmongOutputsSendsBack(l *lab) {
	sg := l.flow(1)
	l.apply(l.opSet(sg, 0, 0, 1))
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"a": 1, "b": 1})
}

// In IPv4 a packet leaves if its TTL is greater than the output's threshold. In
// IPv6 a threshold only says that the link is an output. TTL 1 never leaves.
func thresholds(l *lab) {
	sg := l.flow(1)
	op := l.opSet(sg, 0)
	op.Entry.OIFs = mroute.OIFs{1: 10, 2: 1}
	l.apply(op)
	l.Send("a", sg, 1)
	l.left(sg, map[string]int{"b": 0, "c": 0})
	l.Send("a", sg, 10)
	atThreshold := 0
	seen := mroute.OIFs{1: 10, 2: 1}
	if !l.f.HasThresholds() {
		atThreshold = 1
		seen = mroute.OIFs{1: 1, 2: 1}
	}
	l.left(sg, map[string]int{"b": atThreshold, "c": 1})
	l.Send("a", sg, 11)
	l.left(sg, map[string]int{"b": atThreshold + 1, "c": 2})
	if got := l.dump().Entries[sg].OIFs; got != seen {
		l.t.Errorf("the outputs are %v, want %v", got, seen)
	}
}

// A thousand entries in one call are there, and then half of them.
func largeBatch(l *lab) {
	const n = 1000
	want := map[mroute.SG]mroute.Entry{}
	var set, del []mroute.Op
	for i := range n {
		op := l.opSet(l.flow(i), mroute.VIF(i%3), mroute.VIF((i+1)%3))
		set = append(set, op)
		want[op.SG] = op.Entry
		if i%2 == 0 {
			del = append(del, l.opDel(op.SG))
		}
	}
	l.apply(set...)
	if got := l.dump().Entries; !maps.Equal(got, want) {
		l.t.Errorf("%d entries, and not those %d that were set", len(got), len(want))
	}
	l.apply(del...)
	for _, op := range del {
		delete(want, op.SG)
	}
	if got := l.dump().Entries; !maps.Equal(got, want) {
		l.t.Errorf("%d entries, and not those %d that were left", len(got), len(want))
	}
}

// Ops that fail, in the middle of others of all kinds, are told by their
// position, and the others are done.
func failureStopsNothing(l *lab) {
	l.AddLink("d")
	addGone := l.opAddVIF(3, "d")
	joinGone := mroute.Op{Kind: mroute.JoinGroup, Family: l.f, SG: mroute.SG{Group: l.flow(1).Group}, Link: l.ref("d")}
	l.DeleteLink("d")
	ops := []mroute.Op{
		l.opSet(l.flow(1), 0, 1),
		addGone,
		l.opSet(l.flow(2), 0, 1),
		l.opSet(l.flow(3), 0, 1),
		joinGone,
		l.opDel(l.flow(3)),
		l.opSet(l.flow(4), 1, 2),
	}
	errs := l.k.Apply(ops)
	if len(errs) != len(ops) {
		l.t.Fatalf("%d errors for %d ops, want as many", len(errs), len(ops))
	}
	for i, err := range errs {
		fails := i == 1 || i == 4
		if (err != nil) != fails {
			l.t.Errorf("op %d, %v: error %v, want one: %v", i, ops[i].Kind, err, fails)
		}
		var known *kernel.Error
		if fails && (!errors.As(err, &known) || !errors.Is(err, kernel.ErrNoLink)) {
			l.t.Errorf("op %d, %v: error %v, want a *kernel.Error that is ErrNoLink", i, ops[i].Kind, err)
		}
	}
	want := map[mroute.SG]mroute.Entry{}
	for _, i := range []int{0, 2, 6} {
		want[ops[i].SG] = ops[i].Entry
	}
	if got := l.dump().Entries; !maps.Equal(got, want) {
		l.t.Errorf("entries are %v, want %v", got, want)
	}
	if errs := l.k.Apply(ops[:1]); errs != nil {
		l.t.Errorf("Apply without a failure gives %v, want nil", errs)
	}
	if errs := l.k.Apply(nil); errs != nil {
		l.t.Errorf("Apply of nothing gives %v, want nil", errs)
	}
}

func deletingWhatIsAbsentSucceeds(l *lab) {
	sg := l.flow(1)
	l.apply(l.opDel(sg), l.opSet(sg, 0, 1), l.opDel(sg), l.opDel(sg), l.opDelVIF(20))
	l.delVIF("c")
	l.apply(l.opDelVIF(2))
	if d := l.dump(); len(d.Entries) != 0 || len(d.VIFs) != 2 {
		l.t.Errorf("left are %+v", d)
	}
}
