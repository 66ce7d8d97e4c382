package kerneltest

import (
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// lab is a world with one table in use, and the links a, b and c as its VIFs
// 0, 1 and 2:
//
//	        +--------+
//	-- a 0 -+ router +- 1 b --
//	        |        +- 2 c --
//	        +--------+
type lab struct {
	World
	t     testing.TB
	f     mroute.Family
	k     kernel.Kernel
	vifs  map[string]mroute.VIF // by name of link
	inbox inbox                 // what k tells, and those before it told

	hushes int // how many flows hush has used
}

func newLab(t testing.TB, w World, f mroute.Family) *lab {
	t.Helper()
	l := &lab{World: w, t: t, f: f, vifs: map[string]mroute.VIF{}}
	l.k = l.open(0)
	if err := l.k.FamilyErr(f); err != nil {
		t.Fatalf("claim %v: %v", f, err)
	}
	l.inbox.watch(t, l.k)
	for v, name := range []string{"a", "b", "c"} {
		w.AddLink(name)
		l.addVIF(mroute.VIF(v), name)
	}
	return l
}

func (l *lab) open(table uint32) kernel.Kernel {
	l.t.Helper()
	k, err := l.Open(table)
	if err != nil {
		l.t.Fatalf("open table %d: %v", table, err)
	}
	return k
}

// flow is one of 65,535 pairs of source and group, the same for the same n.
func (l *lab) flow(n int) mroute.SG {
	high, low := byte((n+1)>>8), byte(n+1)
	if l.f == mroute.IPv4 {
		return mroute.SG{
			Source: netip.AddrFrom4([4]byte{10, 1, high, low}),
			Group:  netip.AddrFrom4([4]byte{225, 1, high, low}),
		}
	}
	return mroute.SG{
		Source: netip.AddrFrom16([16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 14: high, 15: low}),
		Group:  netip.AddrFrom16([16]byte{0: 0xff, 1: 0x3e, 14: high, 15: low}),
	}
}

// ifindex of a link, as the kernel under test lists it.
func (l *lab) ifindex(name string) int {
	l.t.Helper()
	return l.link(name).Index
}

func (l *lab) link(name string) mroute.Link {
	l.t.Helper()
	links, err := l.k.Links()
	if err != nil {
		l.t.Fatalf("list the links: %v", err)
	}
	for _, link := range links {
		if link.Name == name {
			return link
		}
	}
	l.t.Fatalf("Links does not list %q: %+v", name, links)
	return mroute.Link{}
}

func (l *lab) ref(name string) mroute.LinkRef {
	return mroute.LinkRef{Index: l.ifindex(name), Name: name}
}

// The ops of the family under test.

func (l *lab) opAddVIF(v mroute.VIF, link string) mroute.Op {
	return mroute.Op{Kind: mroute.AddVIF, Family: l.f, VIF: v, Link: l.ref(link)}
}

func (l *lab) opDelVIF(v mroute.VIF) mroute.Op {
	return mroute.Op{Kind: mroute.DelVIF, Family: l.f, VIF: v}
}

func (l *lab) opSet(sg mroute.SG, iif mroute.VIF, oifs ...mroute.VIF) mroute.Op {
	e := mroute.Entry{IIF: iif}
	for _, v := range oifs {
		e.OIFs[v] = 1
	}
	return mroute.Op{Kind: mroute.SetMFC, Family: l.f, SG: sg, Entry: e}
}

func (l *lab) opDel(sg mroute.SG) mroute.Op {
	return mroute.Op{Kind: mroute.DelMFC, Family: l.f, SG: sg}
}

// apply does ops which must all succeed.
func (l *lab) apply(ops ...mroute.Op) {
	l.t.Helper()
	for i, err := range l.k.Apply(ops) {
		if err != nil {
			l.t.Fatalf("op %d of %d, %+v: %v", i, len(ops), ops[i], err)
		}
	}
}

// addVIF makes a link's VIF, and remembers it for fence.
func (l *lab) addVIF(v mroute.VIF, link string) {
	l.t.Helper()
	l.apply(l.opAddVIF(v, link))
	l.vifs[link] = v
}

func (l *lab) delVIF(link string) {
	l.t.Helper()
	l.apply(l.opDelVIF(l.vifs[link]))
	delete(l.vifs, link)
}

func (l *lab) deleteLink(name string) {
	l.DeleteLink(name)
	delete(l.vifs, name)
}

// fence waits until all packets that were sent before have left: it sends one
// more, from a to all other VIFs, and waits for that.
func (l *lab) fence() {
	l.t.Helper()
	marker := l.flow(60_000)
	var outs []mroute.VIF
	before := map[string]int{}
	for name, v := range l.vifs {
		if name != "a" {
			outs = append(outs, v)
			before[name] = l.Left(name, marker)
		}
	}
	l.apply(l.opSet(marker, l.vifs["a"], outs...))
	l.Send("a", marker, 64)
	for name, n := range before {
		l.Await("the marker on "+name, func() bool { return l.Left(name, marker) == n+1 })
	}
	l.apply(l.opDel(marker))
}

// left checks how many packets of sg left through each of the links, once all
// that were sent before are through.
func (l *lab) left(sg mroute.SG, want map[string]int) {
	l.t.Helper()
	for name, n := range want {
		l.Await("packets of "+sg.String()+" on "+name, func() bool { return l.Left(name, sg) >= n })
	}
	l.fence()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got := l.Left(name, sg); got != want[name] {
			l.t.Errorf("%d packets of %v left through %s, want %d", got, sg, name, want[name])
		}
	}
}

func (l *lab) dump() kernel.Dump {
	l.t.Helper()
	d, err := l.k.Dump(l.f)
	if err != nil {
		l.t.Fatalf("dump %v: %v", l.f, err)
	}
	return d
}

// counters reads those of one entry.
func (l *lab) counters(sg mroute.SG) mroute.Counters {
	l.t.Helper()
	var out [1]mroute.Counters
	if err := l.k.Counters(l.f, []mroute.SG{sg}, out[:]); err != nil {
		l.t.Fatalf("counters of %v: %v", sg, err)
	}
	return out[0]
}
