package core

import "github.com/smcroute/kube-smcroute/agent/mroute"

// maxOps bounds one Apply that sets entries, and with it the memory for it.
const maxOps = 2048

// advance goes on with the round of changes until something must be applied,
// or nothing is left to do.
func (s *State) advance() []Effect {
	var out []Effect
	for {
		var ops []mroute.Op
		var cells []*cell
		more := false
		switch s.stage {
		case idle:
			if !s.work.any() {
				return append(out, s.settle()...)
			}
			s.round++
			s.stage = clearing
			if s.work.vifs {
				ops = s.scrubAnySource()
			}
		case clearing:
			s.stage = scrubbing
			if s.work.vifs {
				ops = s.scrub()
			}
		case scrubbing:
			s.stage = parting
			if s.work.vifs {
				ops = s.dropSpares()
			}
		case parting:
			s.stage = adding
			if s.work.vifs {
				ops = s.addVIFs()
			}
		case adding:
			s.stage = setting
			if s.work.all {
				for _, t := range s.tables {
					t.cells.Grow(t.family, s.in.ExactRoutes(t.family))
				}
			}
		case setting:
			if s.work.finishing {
				out = append(out, s.finish()...)
				continue
			}
			if s.work.ending {
				s.work.finishing = true
				ops = s.lastDels()
				break
			}
			sets := s.prepared
			if sets == nil || len(sets.ops) == 0 {
				sets = s.sets()
			}
			s.prepared = nil
			if ops, cells = sets.ops, sets.cells; len(ops) > 0 {
				more = len(ops) >= s.most
				break
			}
			s.dropCovered()
			first := s.firstDels()
			ops = append(s.groupOps(), first...)
			if s.work.ending = len(first) > 0; !s.work.ending {
				s.work.finishing = true
				ops = append(ops, s.lastDels()...)
			}
		}
		if len(ops) > 0 {
			s.inflight = batch{ops, cells}
			return append(out, Apply{ops, more})
		}
	}
}

// finish ends a round.
func (s *State) finish() []Effect {
	var out []Effect
	due := s.groups.due() > 0
	part := due && s.work.later // of many memberships: neither the first nor the last
	s.work = work{joins: !due && s.groups.retryInRoom()}
	if s.released && !due && s.trouble.failed == 0 { // or else a retry comes
		s.work.vifs, s.released = true, false
	}
	s.stage = idle
	for _, t := range s.tables {
		t.shrink()
	}
	if !part {
		out = s.settled()
		if s.changed {
			s.changed = false
			out = append(out, Changed{})
		}
	}
	if due && !s.groups.called {
		s.groups.called = true
		out = append(out, Later{})
	}
	return out
}

func (w *work) any() bool {
	return w.vifs || w.all || w.joins || w.later || len(w.sgs) > 0 || len(w.some) > 0
}

// next returns the next (S,G) that may differ; ok is false after the last.
func (s *State) next() (sg mroute.SG, ok bool) {
	for {
		if len(s.work.sgs) > 0 {
			sg = s.work.sgs[0]
			s.work.sgs = s.work.sgs[1:]
			return sg, true
		}
		if !s.work.all {
			return sg, false
		}
		if sg, ok = s.in.NextExact(&s.work.exact); ok {
			return sg, true
		}
		s.work.all = false
		s.work.sgs = s.rest()
	}
}

// rest lists what may differ beside what exact rules name: flows, and entries
// that may have lost their rule.
func (s *State) rest() (sgs []mroute.SG) {
	cells := 0
	for _, t := range s.tables {
		sgs = appendSorted(sgs, t.flows.Keys(), func(mroute.SG) bool { return true })
		cells += t.cells.Len()
	}
	if cells == s.work.compared {
		return sgs
	}
	for _, t := range s.tables {
		sgs = appendSorted(sgs, t.cells.Keys(), func(sg mroute.SG) bool {
			return t.cells.Get(sg).round != s.round && t.flows.Get(sg) == nil
		})
	}
	return sgs
}

// sets returns the next entries to set, and notes those to delete at the end. It
// is good until the second call after this one.
func (s *State) sets() *batch {
	s.buffers[0], s.buffers[1], s.buffers[2] = s.buffers[2], s.buffers[0], s.buffers[1]
	b := &s.buffers[0]
	b.ops, b.cells = b.ops[:0], b.cells[:0]
	s.evictions(b)
	for len(b.ops) < s.most {
		sg, ok := s.next()
		if !ok {
			break
		}
		if !sg.Source.IsValid() {
			s.work.anySource = append(s.work.anySource, sg)
		} else {
			s.compare(sg, b)
		}
	}
	if len(b.ops) > 0 || len(s.inflight.ops) > 0 {
		return b // what comes next depends on what comes of these
	}
	s.unblock()
	for len(b.ops) < s.most && len(s.work.anySource) > 0 {
		sg := s.work.anySource[0]
		s.work.anySource = s.work.anySource[1:]
		s.compare(sg, b)
	}
	if len(b.ops) == 0 && cap(b.ops) > smallBuffer {
		*b = batch{} // the end of something big
	}
	return b
}

// smallBuffer is how many ops' room is kept between rounds: what one reading of upcalls
// comes to, an entry for each and one that makes room for it, does not need new memory.
const smallBuffer = 1024

// compare adds the SetMFC that sg needs, if any, to b.
func (s *State) compare(sg mroute.SG, b *batch) {
	t := s.table(sg.Family())
	if t == nil {
		return
	}
	c := t.cells.Get(sg)
	if c != nil {
		if c.round == s.round {
			return
		}
		c.round = s.round
		s.work.compared++
	}
	want, wanted := s.res.Entry(sg, t.arrival(sg), &t.vifs)
	if wanted && want.Kind == mroute.Learned && s.noteCovered(t, sg, c) {
		return
	}
	if c != nil && t.wasFound(sg) {
		var leave bool
		if want, leave = s.asFound(t, sg, want, wanted); leave {
			return
		}
		wanted = true
	}
	if f := t.flows.Get(sg); f != nil {
		var answer bool
		if want, answer = s.admit(t, f, want, wanted); !answer {
			return
		}
		s.evictions(b)
	}
	if !sg.Source.IsValid() && wanted && want.Kind == mroute.Static && (c == nil || c.unknown || !c.entry.Forwards(want)) {
		if by, ok := s.blocks(t, sg.Group, want); ok {
			s.block(t, sg, by, want, b)
			return
		}
	}
	switch {
	case c == nil && !wanted:
		t.dropFlow(sg) // or else those that come to nothing would have no limit
		return
	case c == nil && s.holding && (want.Kind == mroute.StopFilter || t.takesFromHeld(sg, want)):
		return // a rule may be yet to come
	case c == nil:
		c = &cell{entry: want, unknown: true, round: s.round}
		t.cells.Set(sg, c)
		s.work.compared++
	case !wanted:
		s.work.dels = append(s.work.dels, mroute.Op{Kind: mroute.DelMFC, Family: t.family, SG: sg})
		return
	case !c.unknown && c.entry.Forwards(want):
		c.entry.Kind = want.Kind
		return
	}
	b.ops = append(b.ops, mroute.Op{Kind: mroute.SetMFC, Family: t.family, SG: sg, Entry: want})
	b.cells = append(b.cells, c)
}
