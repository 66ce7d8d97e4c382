package kerneltest

import "github.com/smcroute/kube-smcroute/agent/mroute"

var staleFacts = []fact{
	{"NewVIFInheritsStaleOutput", newVIFInheritsStaleOutput},
	{"ScrubbedOutputIsNotInherited", scrubbedOutputIsNotInherited},
	{"NewVIFInheritsStaleInput", newVIFInheritsStaleInput},
	{"DeletedVIFLeavesItsOutput", deletedVIFLeavesItsOutput},
	{"AbsentOutputIsForgotten", absentOutputIsForgotten},
}

// Deleting a link leaves its VIF's bit in the entries, where a dump hides it. A
// new VIF of that number gets the old traffic.
func newVIFInheritsStaleOutput(l *lab) {
	sg := l.flow(1)
	l.apply(l.opSet(sg, 0, 1, 2))
	l.deleteLink("b")
	if got := l.dump().Entries[sg]; !got.Forwards(mroute.Entry{IIF: 0, OIFs: mroute.OIFs{2: 1}}) {
		l.t.Errorf("the dump shows %+v, want c alone", got)
	}
	l.AddLink("d")
	l.addVIF(1, "d")
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"c": 1, "d": 1})
	if got := l.dump().Entries[sg]; !got.Forwards(mroute.Entry{IIF: 0, OIFs: mroute.OIFs{1: 1, 2: 1}}) {
		l.t.Errorf("the dump shows %+v, want c and d", got)
	}
}

// Setting the entry again, before the number is given to another link, clears
// the bit. Counters go on.
func scrubbedOutputIsNotInherited(l *lab) {
	sg := l.flow(1)
	l.apply(l.opSet(sg, 0, 1, 2))
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"b": 1, "c": 1})
	l.deleteLink("b")
	l.AddLink("d")
	l.apply(l.opSet(sg, 0, 2), l.opAddVIF(1, "d"))
	l.vifs["d"] = 1
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"c": 2, "d": 0})
	if got := l.counters(sg).Packets; got != 2 {
		l.t.Errorf("%d packets counted, want 2", got)
	}
}

// The same holds for the input: a new link of that number feeds the entry.
func newVIFInheritsStaleInput(l *lab) {
	sg := l.flow(1)
	l.apply(l.opSet(sg, 2, 1))
	l.deleteLink("c")
	if got := l.dump().Entries[sg]; !got.Forwards(mroute.Entry{IIF: mroute.NoVIF, OIFs: mroute.OIFs{1: 1}}) {
		l.t.Errorf("the dump shows %+v, want no input", got)
	}
	l.AddLink("d")
	l.addVIF(2, "d")
	l.Send("d", sg, 64)
	l.left(sg, map[string]int{"b": 1})
}

func deletedVIFLeavesItsOutput(l *lab) {
	sg := l.flow(1)
	l.apply(l.opSet(sg, 0, 1, 2))
	l.delVIF("b")
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"b": 0, "c": 1})
	l.AddLink("d")
	l.addVIF(1, "d")
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"b": 0, "c": 2, "d": 1})
}

// An output whose VIF does not exist is dropped without an error, and adding
// the VIF later does not bring it back.
func absentOutputIsForgotten(l *lab) {
	sg := l.flow(1)
	l.AddLink("d")
	l.apply(l.opSet(sg, 0, 1, 5))
	l.addVIF(5, "d")
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"b": 1, "d": 0})
	l.apply(l.opSet(sg, 0, 1, 5))
	l.Send("a", sg, 64)
	l.left(sg, map[string]int{"b": 2, "d": 1})
}
