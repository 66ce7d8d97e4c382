package core

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// A (*,G) entry must not get hold of packets that an (S,G) entry is there to
// handle, nor of those that one has let go before it is as it shall be. So, as
// far as the kernel has confirmed:
//
//   - it is set after the (S,G) entries of its group, and no wider than before
//     while one of these is missing that should keep packets from it;
//   - it is deleted before them, and while it is not as it is wanted none of
//     them is;
//   - one that must go earlier, for its input does, stops its packets instead.

// star is the cell of the (*,G) entry of sg's group, or nil.
func (t *table) star(sg mroute.SG) *cell { return t.cells.Get(mroute.SG{Group: sg.Group}) }

// firstDels takes from the deletions of the round those of (*,G) entries.
func (s *State) firstDels() (first []mroute.Op) {
	isAny := func(op mroute.Op) bool { return !op.SG.Source.IsValid() }
	if !slices.ContainsFunc(s.work.dels, isAny) {
		return nil
	}
	var last []mroute.Op
	for _, op := range s.work.dels {
		if isAny(op) {
			first = append(first, op)
		} else {
			last = append(last, op)
		}
	}
	s.work.dels = last
	return first
}

// lastDels are the other deletions, without those that wait for a retry of the
// (*,G) entry.
func (s *State) lastDels() []mroute.Op {
	return slices.DeleteFunc(s.work.dels, func(op mroute.Op) bool {
		t := s.table(op.Family)
		star := t.star(op.SG)
		if star == nil || !star.unknown {
			return false
		}
		if c := t.cells.Get(op.SG); c != nil {
			c.unknown = true
		}
		return true
	})
}

// scrubAnySource returns the deletions of (*,G) entries whose input is going.
func (s *State) scrubAnySource() (ops []mroute.Op) {
	s.work.want = s.res.WantVIFs()
	for _, t := range s.tables {
		going := s.going(t)
		hidden := t.mustClear(s.work.want, s.work.again, going)
		if len(going) == 0 && !hidden {
			continue
		}
		for _, sg := range appendSorted(nil, t.cells.Keys(), func(sg mroute.SG) bool {
			if sg.Source.IsValid() {
				return false
			}
			c := t.cells.Get(sg)
			return t.concerns(c, going, hidden) && t.loses(c, going)
		}) {
			ops = append(ops, mroute.Op{Kind: mroute.DelMFC, Family: t.family, SG: sg})
		}
	}
	return ops
}

// concerns reports whether the entry is to be cleared of those VIFs; with hidden,
// so are those of which it is not known what they name.
func (t *table) concerns(c *cell, going []mroute.VIF, hidden bool) bool {
	return hidden && c.hidden || slices.ContainsFunc(going, func(n mroute.VIF) bool { return t.names(c, n) })
}

// loses reports whether nothing is left of the entry without those VIFs.
func (t *table) loses(c *cell, going []mroute.VIF) bool {
	return slices.Contains(going, c.entry.IIF) || c.entry.IIF == mroute.NoVIF || !c.installed
}

// letGo is for an entry that loses its input: it is deleted, or stops packets
// that a (*,G) entry would get until the end of the round. If it can do neither
// it stays.
func (s *State) letGo(t *table, sg mroute.SG, c *cell, going []mroute.VIF) (op mroute.Op, ok bool) {
	op = mroute.Op{Kind: mroute.DelMFC, Family: t.family, SG: sg}
	star := t.star(sg)
	switch {
	case !sg.Source.IsValid() || star == nil:
	case star.entry.IIF == mroute.NoVIF && !star.unknown: // it gets no packets
	case !t.loses(star, going) && t.vifs.Link(star.entry.IIF) > 0:
		s.forget(t, sg) // or else it would be left to whoever set it
		s.work.sgs = append(s.work.sgs, sg)
		op.Kind, op.Entry = mroute.SetMFC, mroute.Entry{IIF: star.entry.IIF, Kind: mroute.StopFilter}
	default:
		c.unknown = true // until the (*,G) entry can be deleted
		return op, false
	}
	return op, true
}

// blocks returns an (S,G) that the kernel refused, and that the group's (*,G)
// entry may not forward as want has it.
func (s *State) blocks(t *table, group netip.Addr, want mroute.Entry) (mroute.SG, bool) {
	if s.work.refused == nil {
		s.work.refused = make(map[netip.Addr][]mroute.SG)
		for _, t := range s.tables {
			for sg := range t.refused {
				if sg.Source.IsValid() {
					s.work.refused[sg.Group] = append(s.work.refused[sg.Group], sg)
				}
			}
		}
	}
	of := s.work.refused[group]
	slices.SortFunc(of, mroute.SG.Compare)
	for _, sg := range of {
		own, ok := s.res.Entry(sg, t.vifs.Link(want.IIF), &t.vifs)
		if !ok || !own.Forwards(plan.OfSource(want)) {
			return sg, true
		}
	}
	return mroute.SG{}, false
}

// block has a (*,G) entry wait for the (S,G) entry that blocks it. What it shall
// not do any more it ceases to do now.
func (s *State) block(t *table, sg, by mroute.SG, want mroute.Entry, b *batch) {
	if t.blocked == nil {
		t.blocked = make(map[mroute.SG]error)
	}
	t.blocked[sg] = fmt.Errorf("the (*, %v) entry waits for that of %v: %w", sg.Group, by, t.refused[by])
	if c := t.cells.Get(sg); c != nil && c.entry.IIF != want.IIF {
		s.work.dels = append(s.work.dels, mroute.Op{Kind: mroute.DelMFC, Family: t.family, SG: sg})
		return
	}
	t.narrow(sg, want, b)
}

// unblock has those that were blocked compared again, once in a round.
func (s *State) unblock() {
	if s.work.unblocked {
		return
	}
	s.work.unblocked = true
	for _, t := range s.tables {
		if len(t.blocked) == 0 {
			continue
		}
		for _, sg := range appendSorted(nil, maps.Keys(t.blocked), func(mroute.SG) bool { return true }) {
			if !slices.Contains(s.work.anySource, sg) {
				s.work.anySource = append(s.work.anySource, sg)
			}
		}
		t.blocked = nil
	}
}

// narrow takes from a (*,G) entry what it will not do when it is as want has it.
func (t *table) narrow(sg mroute.SG, want mroute.Entry, b *batch) {
	c := t.cells.Get(sg)
	if c == nil || !c.installed || c.entry.IIF >= mroute.MaxVIFs || t.vifs.Link(c.entry.IIF) <= 0 {
		return
	}
	e := mroute.Entry{IIF: c.entry.IIF, Kind: c.entry.Kind}
	if want.IIF == e.IIF {
		for n, th := range c.entry.OIFs {
			if th != 0 && want.OIFs[n] != 0 {
				e.OIFs[n] = max(th, want.OIFs[n])
			}
		}
	}
	if c.unknown || !e.Forwards(c.entry) {
		b.ops = append(b.ops, mroute.Op{Kind: mroute.SetMFC, Family: t.family, SG: sg, Entry: e})
		b.cells = append(b.cells, c)
	}
}

// prepareToLose is for an (S,G) entry that is to be deleted before the end of the
// round: until then its packets may be the (*,G) entry's, which was not compared
// yet.
func (s *State) prepareToLose(t *table, sg mroute.SG, b *batch) {
	any, star := mroute.SG{Group: sg.Group}, t.star(sg)
	if star == nil || star.round == s.round || t.wasFound(any) {
		return
	}
	want, ok := s.res.Entry(any, t.arrival(any), &t.vifs)
	if !ok {
		want = mroute.Entry{IIF: mroute.NoVIF}
	}
	if star.unknown || !star.entry.Forwards(want) {
		t.narrow(any, want, b)
	}
}
