package kerneltest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Agree does the same random things in the simulator's world and in the real
// one, and compares what comes of each step: packets, tables, counters and
// upcalls. It finds quirks that nobody has thought of. A run takes about 0.1 s
// in each family.
func Agree(t *testing.T, runs int, newReal func(t testing.TB) World) {
	for seed := range runs {
		for _, f := range mroute.Families {
			t.Run(fmt.Sprintf("%v/%d", f, seed), func(t *testing.T) {
				p := &pair{
					rand:  rand.New(rand.NewPCG(uint64(seed), uint64(f))),
					model: newLab(t, NewModel(t), f),
					real:  newLab(t, newReal(t), f),
					start: time.Now(),
				}
				p.static = seed%2 == 0
				p.both(func(l *lab) {
					l.keep(p.static)
					delete(l.vifs, "c")
				})
				for len(p.log) < 60 && !t.Failed() {
					p.step()
					p.compare()
				}
				p.real.fence() // no packet may come late
				p.compare()
				if t.Failed() {
					t.Logf("after\n%s", strings.Join(p.log, "\n"))
				}
			})
		}
	}
}

// pair is two labs in the same state. The links a and b, as VIFs 0 and 1, stay
// as they are, for the fence; all else changes.
type pair struct {
	rand        *rand.Rand
	model, real *lab
	start       time.Time
	log         []string
	named       int // links that were given a name
	heard       int // flows of hear
	static      bool
}

func (p *pair) both(f func(*lab)) {
	f(p.model)
	f(p.real)
}

func (p *pair) note(format string, args ...any) { p.log = append(p.log, fmt.Sprintf(format, args...)) }

// links lists the names that are in use, and not the fence's.
func (p *pair) links(all bool) (names []string) {
	links, _ := p.model.k.Links()
	for _, l := range links {
		if !l.Loopback && (all || l.Name != "a" && l.Name != "b") {
			names = append(names, l.Name)
		}
	}
	return names
}

func pick[T any](p *pair, of []T) T { return of[p.rand.IntN(len(of))] }

// sg is one of few flows, and now and then any source of one of the groups.
func (p *pair) sg() mroute.SG {
	sg := p.model.flow(p.rand.IntN(flows))
	if p.rand.IntN(3) == 0 {
		sg.Source = mroute.SG{}.Source
	}
	return sg
}

// flows is how many different ones there are: few, so that steps meet.
const flows = 4

// numbers of VIFs that steps use, beside those of the fence.
var numbers = []mroute.VIF{2, 3, 4, 31}

// step does one thing in both worlds.
func (p *pair) step() {
	others := p.links(false)
	choice := p.rand.IntN(22)
	switch {
	case choice == 20:
		p.drain()
		p.hear()
		p.note("detach and adopt")
		p.both(func(l *lab) { l.detach(); l.adopt(p.static) })
		p.compareHeld()
	case choice == 21 && p.static:
		p.drain()
		p.hear()
		p.note("kill all and adopt")
		p.both(func(l *lab) { l.detach(); l.EndKeeper(); l.adopt(p.static) })
		p.compareHeld()
	case choice == 0 && len(others) < 5:
		p.named++
		name := fmt.Sprintf("n%d", p.named)
		p.note("add link %s", name)
		p.both(func(l *lab) { l.AddLink(name) })
	case choice == 1 && len(others) > 0:
		name := pick(p, others)
		p.drain()
		p.note("delete link %s", name)
		p.both(func(l *lab) { l.deleteLink(name) })
	case choice == 2 && len(others) > 0:
		name, up := pick(p, others), p.rand.IntN(3) > 0
		p.note("link %s up %v", name, up)
		p.both(func(l *lab) { l.SetUp(name, up) })
	case choice == 3 && len(others) > 0:
		p.named++
		name, to := pick(p, others), fmt.Sprintf("n%d", p.named)
		p.note("rename %s to %s", name, to)
		p.both(func(l *lab) { l.RenameLink(name, to) })
	case choice <= 6 && len(others) > 0:
		v, name := pick(p, numbers), pick(p, others)
		if p.hasVIF(name) {
			return // a dump could not tell two VIFs of a link apart
		}
		p.apply(fmt.Sprintf("VIF %d is %s", v, name), func(l *lab) mroute.Op { return l.opAddVIF(v, name) })
	case choice == 7:
		v := pick(p, numbers)
		p.apply(fmt.Sprintf("no VIF %d", v), func(l *lab) mroute.Op { return l.opDelVIF(v) })
	case choice <= 11:
		p.set()
	case choice == 12:
		sg := p.sg()
		p.apply(fmt.Sprintf("delete %v", sg), func(l *lab) mroute.Op { return l.opDel(sg) })
	default:
		sg, link, ttl := p.model.flow(p.rand.IntN(flows)), pick(p, p.links(true)), uint8(1+p.rand.IntN(5))
		p.note("send %v with TTL %d to %s", sg, ttl, link)
		up := p.model.link(link).Up
		if up {
			p.both(func(l *lab) { l.Send(link, sg, ttl) })
		}
	}
}

// drain lets waiting packets go. Linux keeps no reference to the link on which
// they came: once that is deleted they may pass for packets of a new link,
// whose struct net_device happens to lie where the old one's did.
func (p *pair) drain() {
	p.note("drain")
	entries := p.model.dump().Entries
	for n := range flows {
		if sg := p.model.flow(n); !has(entries, sg) {
			p.both(func(l *lab) { l.apply(l.opSet(sg, 0), l.opDel(sg)) })
		}
	}
}

// hear waits until all upcalls have been read, which end with their reader
// otherwise: it has the kernel ask about one more flow.
func (p *pair) hear() {
	p.heard++
	p.both(func(l *lab) {
		sg := l.flow(50_000 + p.heard)
		l.Send("a", sg, 64)
		l.Await("an upcall behind all others", func() bool { return len(l.inbox.about(sg)) == 1 })
		l.apply(l.opSet(sg, 0), l.opDel(sg))
	})
}

// hasVIF reports whether a link is in the table.
func (p *pair) hasVIF(name string) bool {
	index := p.model.ifindex(name)
	for _, of := range p.model.dump().VIFs {
		if of == index {
			return true
		}
	}
	return false
}

func has[K comparable, V any](m map[K]V, k K) bool { _, ok := m[k]; return ok }

// set makes an entry, whose input has a VIF. Its outputs need not have one.
func (p *pair) set() {
	vifs := slices.Sorted(maps.Keys(p.model.dump().VIFs))
	sg, e := p.sg(), mroute.Entry{IIF: pick(p, vifs)}
	for _, v := range append([]mroute.VIF{0, 1}, numbers...) {
		if p.rand.IntN(2) == 0 {
			e.OIFs[v] = mroute.Threshold(1 + p.rand.IntN(4))
			if p.rand.IntN(10) == 0 {
				e.OIFs[v] = 255
			}
		}
	}
	p.apply(fmt.Sprintf("set %v to %v", sg, e), func(l *lab) mroute.Op {
		return mroute.Op{Kind: mroute.SetMFC, Family: l.f, SG: sg, Entry: e}
	})
}

// apply does an op of which success or failure must be the same.
func (p *pair) apply(what string, op func(*lab) mroute.Op) {
	model := p.model.k.Apply([]mroute.Op{op(p.model)})
	real := p.real.k.Apply([]mroute.Op{op(p.real)})
	p.note("%s: %v", what, model)
	if (model == nil) != (real == nil) {
		p.real.t.Errorf("%s: model says %v, real %v", what, model, real)
	}
}

// compare waits until the real world shows at least what the model does, and
// checks that it shows no more.
func (p *pair) compare() {
	t := p.real.t
	t.Helper()
	for n := range flows {
		sg := p.model.flow(n)
		for _, name := range p.links(true) {
			want := p.model.Left(name, sg)
			within(p.real, func() bool { return p.real.Left(name, sg) >= want })
			if got := p.real.Left(name, sg); got != want {
				t.Errorf("%d packets of %v left through %s, in the model %d", got, sg, name, want)
			}
		}
		for _, sg := range []mroute.SG{sg, {Group: sg.Group}} {
			within(p.real, func() bool { return p.real.counters(sg).Packets >= p.model.counters(sg).Packets })
			model, real := p.model.counters(sg), p.real.counters(sg)
			if model.Packets != real.Packets || model.WrongIf != real.WrongIf {
				t.Errorf("counters of %v are %+v, in the model %+v", sg, real, model)
			}
		}
		p.compareUpcalls(sg)
	}
	if model, real := p.model.tables(), p.real.tables(); model != real {
		t.Errorf("the table is\n%s\nin the model\n%s", real, model)
	}
}

// compareUpcalls wants the same questions about a flow. After 3 seconds the
// kernel may ask again, which the model, whose clock stands, doesn't.
func (p *pair) compareUpcalls(sg mroute.SG) {
	same := func() bool { return slices.Equal(p.model.inbox.about(sg), p.real.inbox.about(sg)) }
	if !within(p.real, same) && time.Since(p.start) < 3*time.Second {
		p.real.t.Errorf("upcalls about %v are %v, in the model %v", sg, p.real.inbox.about(sg), p.model.inbox.about(sg))
	}
}

// within gives a condition some time, and reports whether it came true.
func within(l *lab, cond func() bool) (held bool) {
	deadline := time.Now().Add(2 * time.Second)
	l.Await("a condition, or two seconds to pass", func() bool {
		held = cond()
		return held || time.Now().After(deadline)
	})
	return held
}

// compareHeld wants that an adopted table is the same.
func (p *pair) compareHeld() {
	p.real.t.Helper()
	model, real := p.model.heldText(), p.real.heldText()
	if model != real {
		p.real.t.Errorf("held is\n%s\nin the model\n%s", real, model)
	}
}

func (l *lab) heldText() string {
	h := l.k.Held(l.f)
	return fmt.Sprintf("own %v, %d foreign\n", h.Own, len(h.Foreign)) + l.text(kernel.Dump{VIFs: h.VIFs, Entries: h.Entries})
}

// tables prints a dump with the names of links.
func (l *lab) tables() string {
	l.t.Helper()
	return l.text(l.dump())
}

func (l *lab) text(d kernel.Dump) string {
	l.t.Helper()
	names := map[int]string{}
	links, err := l.k.Links()
	if err != nil {
		l.t.Fatalf("list the links: %v", err)
	}
	for _, link := range links {
		names[link.Index] = link.Name
	}
	var b strings.Builder
	for _, v := range slices.Sorted(maps.Keys(d.VIFs)) {
		fmt.Fprintf(&b, "VIF %d is %s\n", v, names[d.VIFs[v]])
	}
	for _, sg := range slices.SortedFunc(maps.Keys(d.Entries), mroute.SG.Compare) {
		fmt.Fprintf(&b, "%v: %d -> %v\n", sg, d.Entries[sg].IIF, d.Entries[sg].OIFs)
	}
	return b.String()
}
