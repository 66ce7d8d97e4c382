package core

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// A router may find entries and VIFs in a table when it starts: those of the
// process before it, over which packets flow, or another program's. They become
// cells like any other, with two differences.
//
// Until Complete the router knows only a part of what is wanted. It holds what
// it found: links keep their VIFs, and entries their input and outputs, to which
// it only adds. Then it compares everything as usual.
//
// What a dump told is not the whole truth: outputs whose VIF is gone do not show,
// though a new VIF of that number would inherit the traffic. So before a number
// that was free is given out, the entries that were not set since are set once.
//
// A link may have several numbers: its highest stays. The others do not go before
// all entries that were found are known not to need them.

// found is what a table held when the router started, as far as it matters still.
type found struct {
	held    map[mroute.SG]mroute.Entry // as they were found; nil after Complete
	foreign map[mroute.SG]bool         // entries that are another program's, unless a rule wants them

	hidden   int                  // number of cells that are so
	doubtful [mroute.MaxVIFs]bool // numbers whose bits these may have
	spare    [mroute.MaxVIFs]int  // of numbers that are yet to go: the links, by ifindex, that have a higher one; or 0

	unsettled   bool // foreign is not what was last settled
	toldForeign bool // the log tells of it
}

// wasFound reports whether the entry was found, and is held or foreign.
func (f *found) wasFound(sg mroute.SG) bool {
	if len(f.held)+len(f.foreign) == 0 {
		return false
	}
	_, held := f.held[sg]
	return held || f.foreign[sg]
}

// takesFromHeld reports whether an entry for sg would keep packets from going where
// a (*,G) entry that was found sends them.
func (t *table) takesFromHeld(sg mroute.SG, want mroute.Entry) bool {
	star := t.star(sg)
	if star == nil || star.entry.IIF == mroute.NoVIF || !t.wasFound(mroute.SG{Group: sg.Group}) {
		return false
	}
	had := plan.OfSource(star.entry)
	for n, th := range had.OIFs {
		if th != 0 && (want.IIF != had.IIF || want.OIFs[n] == 0 || want.OIFs[n] > th) {
			return true
		}
	}
	return false
}

// adopt makes what was found the table's.
func (s *State) adopt(t *table, h mroute.Held, o *Options) {
	if h.Empty() {
		return
	}
	s.holding = true
	above := t.adoptVIFs(h.VIFs)
	t.held = make(map[mroute.SG]mroute.Entry, len(h.Entries)+len(h.Foreign))
	t.foreign = make(map[mroute.SG]bool)
	for sg, e := range h.Entries {
		t.held[sg] = t.visible(e, above)
		if !h.Own && !o.RemoveForeign {
			t.foreign[sg] = true
		}
	}
	for sg, e := range h.Foreign {
		t.held[sg] = t.visible(e, above)
		if !o.RemoveForeign {
			t.foreign[sg] = true
		}
	}
	t.hidden = len(t.held)
	for _, sg := range slices.SortedFunc(maps.Keys(t.held), mroute.SG.Compare) {
		s.seq++
		t.cells.Set(sg, &cell{entry: t.held[sg], seq: s.seq, installed: true, adopted: true, hidden: true})
	}
}

// adoptVIFs takes over numbers. Of several of a link the kernel itself looks at
// the highest; the result is that of each of the others, which go.
func (t *table) adoptVIFs(vifs map[mroute.VIF]int) (above map[mroute.VIF]mroute.VIF) {
	above = make(map[mroute.VIF]mroute.VIF)
	for _, n := range slices.SortedFunc(maps.Keys(vifs), func(a, b mroute.VIF) int { return cmp.Compare(b, a) }) {
		if n >= mroute.MaxVIFs || vifs[n] <= 0 {
			continue
		}
		if other, ok := t.vifs.Of(vifs[n]); ok {
			t.vifs.Reserve(n)
			t.spare[n] = vifs[n]
			above[n] = other
		} else {
			t.vifs.Set(n, vifs[n])
		}
	}
	for n := range mroute.VIF(mroute.MaxVIFs) {
		t.doubtful[n] = t.vifs.Link(n) <= 0
	}
	return above
}

// visible is an entry with what its VIFs really are. An input that is gone is
// NoVIF.
func (t *table) visible(e mroute.Entry, above map[mroute.VIF]mroute.VIF) mroute.Entry {
	number := func(n mroute.VIF) mroute.VIF {
		if a, ok := above[n]; ok {
			return a
		}
		if t.vifs.Link(n) <= 0 {
			return mroute.NoVIF
		}
		return n
	}
	seen := mroute.Entry{IIF: number(e.IIF), Kind: mroute.Static}
	for i, th := range e.OIFs {
		if n := number(mroute.VIF(i)); th != 0 && n != mroute.NoVIF {
			seen.OIFs[n] = lower(seen.OIFs[n], th)
		}
	}
	if seen.OIFs.Empty() {
		seen.Kind = mroute.StopFilter
	}
	return seen
}

// lower is what lets through whatever one of two thresholds does.
func lower(a, b mroute.Threshold) mroute.Threshold {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// doubtGone is for the first list of links. A link that went while the table was
// read may have left hidden outputs.
func (s *State) doubtGone(links []mroute.Link) {
	for _, t := range s.tables {
		for n := range t.doubtful {
			if ifindex := t.vifs.Link(mroute.VIF(n)); ifindex > 0 && !has(links, ifindex) {
				t.doubtful[n] = true
			}
		}
	}
}

// has reports whether links, by index, have that one.
func has(links []mroute.Link, ifindex int) bool {
	_, ok := slices.BinarySearchFunc(links, ifindex, func(l mroute.Link, index int) int { return l.Index - index })
	return ok
}

// names reports whether the kernel's entry may name the VIF.
func (t *table) names(c *cell, n mroute.VIF) bool {
	return c.names(n) || c.hidden && t.doubtful[n]
}

// forget is for an entry that was deleted.
func (s *State) forget(t *table, sg mroute.SG) {
	delete(t.held, sg)
	if t.foreign[sg] {
		s.disown(t, sg)
	}
}

// disown notes that an entry is no other program's any more.
func (s *State) disown(t *table, sg mroute.SG) {
	delete(t.foreign, sg)
	t.unsettled, s.released = true, true
}

// wasSet notes that an entry was set: nothing in it is hidden any more.
func (t *table) wasSet(c *cell) {
	if c.hidden {
		c.hidden = false
		t.hidden--
	}
}

// staying are the numbers that stay while their links live, even if nobody wants
// them.
func (s *State) staying(t *table) (stay [mroute.MaxVIFs]bool) {
	for n := range stay {
		stay[n] = s.holding
	}
	if s.holding {
		return stay
	}
	for sg := range t.foreign {
		e := &t.cells.Get(sg).entry
		if e.IIF < mroute.MaxVIFs {
			stay[e.IIF] = true
		}
		for n, th := range e.OIFs {
			stay[n] = stay[n] || th != 0
		}
	}
	return stay
}

// mayGive reports whether a number is free, and no hidden output of an entry.
func (t *table) mayGive(n mroute.VIF) bool {
	return t.vifs.Link(n) == 0 && !(t.hidden > 0 && t.doubtful[n])
}

// holdsBack reports whether there are free numbers that may not be given out.
func (t *table) holdsBack() bool {
	for n := range mroute.VIF(mroute.MaxVIFs) {
		if t.vifs.Link(n) == 0 && !t.mayGive(n) {
			return true
		}
	}
	return false
}

// mustClear reports whether links need numbers for which entries with hidden
// outputs must be set first. Those that are going come free by themselves.
func (t *table) mustClear(want []mroute.Link, again map[int]bool, going []mroute.VIF) bool {
	if t.hidden == 0 {
		return false
	}
	room := len(going)
	for n := range mroute.VIF(mroute.MaxVIFs) {
		if t.mayGive(n) {
			room++
		}
	}
	need := 0
	for _, l := range want {
		if _, ok := t.vifs.Of(l.Index); !ok || again[l.Index] {
			need++
		}
	}
	return need > room && t.holdsBack()
}

// mustWait reports whether number n goes though its link, which has another, stays:
// entries that were found may forward by it, and would lose their way with it.
func (t *table) mustWait(n mroute.VIF, going []mroute.VIF) bool {
	other, ok := t.vifs.Of(t.spare[n])
	return ok && !slices.Contains(going, other)
}

// dropSpares returns the deletions of numbers that had to wait for entries, once
// the kernel has confirmed what was set of all of these.
func (s *State) dropSpares() (ops []mroute.Op) {
	for _, t := range s.tables {
		if t.hidden > 0 {
			continue
		}
		for n := range t.spare {
			if t.spare[n] != 0 {
				ops = append(ops, s.delVIF(t, mroute.VIF(n)))
			}
		}
	}
	return ops
}

// loseVIFs takes numbers that are going out of what is held: who gets them next
// must not get what the link before had.
func (t *table) loseVIFs(going []mroute.VIF) {
	for sg, e := range t.held {
		if slices.Contains(going, e.IIF) {
			delete(t.held, sg)
			continue
		}
		for _, n := range going {
			e.OIFs[n] = 0
		}
		t.held[sg] = e
	}
}

// asked is for a question about an entry that was found: it is not there any
// more, or the question is older. It reports whether it is to be set again.
func (s *State) asked(t *table, sg mroute.SG, ifindex int) bool {
	if s.res.Covers(sg, ifindex, &t.vifs) {
		t.addFlow(sg, ifindex)
		return true
	}
	return !t.foreign[sg]
}

// asFound turns what is wanted of an entry that was found into what is to be set.
// With leave, nothing is.
func (s *State) asFound(t *table, sg mroute.SG, want mroute.Entry, wanted bool) (_ mroute.Entry, leave bool) {
	link := t.vifs.Link(t.cells.Get(sg).entry.IIF)
	unseen := t.flows.Get(sg) == nil // of packets
	if unseen && link > 0 {
		want, wanted = s.res.Entry(sg, link, &t.vifs)
	}
	wanted = wanted && want.Kind != mroute.StopFilter // which is what no rule asks for
	if wanted && t.foreign[sg] {
		s.disown(t, sg) // it is ours now
		if !s.holding && unseen && s.arrives(t, sg, want, link) {
			s.noteFlow(t, sg, link, !t.cells.Get(sg).entry.OIFs.Empty())
		}
	}
	held, holding := t.held[sg]
	switch {
	case holding && held.IIF == mroute.NoVIF && wanted:
		delete(t.held, sg) // nothing came of it: what is set now is like any other
		return want, false
	case !holding || held.IIF == mroute.NoVIF:
		return want, !wanted
	case !wanted || want.IIF != held.IIF:
		return held, false
	}
	for n, th := range held.OIFs {
		want.OIFs[n] = lower(want.OIFs[n], th)
	}
	return want, false
}

// arrives reports whether an entry that comes in by a link tells that packets of
// its flow arrive there: no rule would put it there without.
func (s *State) arrives(t *table, sg mroute.SG, e mroute.Entry, link int) bool {
	want, ok := s.res.Entry(sg, link, &t.vifs)
	switch {
	case !ok:
		return false
	case want.Kind == mroute.Learned:
		return true
	case want.Kind == mroute.StopFilter:
		return e.OIFs.Empty() && !t.foreign[sg]
	}
	rest, ok := s.res.Entry(sg, 0, &t.vifs)
	return want.IIF == e.IIF && !(ok && rest.IIF == e.IIF)
}

// noteFlow is addFlow for a flow of which the kernel did not tell. No limit refuses
// those that are learned already; they count first.
func (s *State) noteFlow(t *table, sg mroute.SG, ifindex int, learned bool) {
	f := t.addFlow(sg, ifindex)
	f.news = false
	_, f.apart = t.held[mroute.SG{Group: sg.Group}] // which the process before left beside it
	if learned {
		s.limits.charge(f, classLearned, s.shareOf(f))
	}
}

// release ends the holding: from now on what is wanted counts alone.
func (s *State) release() {
	if s.complete {
		return
	}
	s.complete = true
	for _, t := range s.tables {
		for _, sg := range slices.SortedFunc(maps.Keys(t.held), mroute.SG.Compare) {
			e := t.held[sg]
			if link := t.vifs.Link(e.IIF); t.flows.Get(sg) == nil && s.arrives(t, sg, e, link) {
				s.noteFlow(t, sg, link, !e.OIFs.Empty())
			}
		}
		t.held, t.unsettled = nil, true
	}
	if s.holding {
		s.holding = false
		s.work.vifs, s.work.all, s.changed = true, true, true
	}
}

// settle tells what is foreign, once all is in the kernel.
func (s *State) settle() []Effect {
	if !s.complete || s.groups.due() > 0 {
		return nil
	}
	var out []Effect
	for _, t := range s.tables {
		if !t.unsettled {
			continue
		}
		t.unsettled = false
		foreign := slices.SortedFunc(maps.Keys(t.foreign), mroute.SG.Compare)
		if len(foreign) > 0 && !t.toldForeign {
			t.toldForeign = true
			out = append(out, Log{slog.LevelWarn, describeForeign(t.family, foreign)})
		}
		out = append(out, Settle{t.family, foreign})
	}
	return out
}

// manyForeign is how many entries of other programs a line of the log lists.
const manyForeign = 5

func describeForeign(f mroute.Family, foreign []mroute.SG) string {
	var list []string
	for _, sg := range foreign[:min(len(foreign), manyForeign)] {
		list = append(list, sg.String())
	}
	more := ""
	if n := len(foreign) - len(list); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("the %v table holds entries that another program left, and that no rule wants. They stay, unless this is started with --remove-foreign: %s%s",
		f, strings.Join(list, ", "), more)
}
