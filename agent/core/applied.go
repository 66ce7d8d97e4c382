package core

import (
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// done is a batch that the kernel carried out without an error, and of which the
// belief does not know yet: the next one is on its way first.
type done struct {
	batch
	at   time.Time
	news FlowsChanged
}

// applied takes over into the belief what the kernel did, or leaves that to
// noteDone if the next entries are ready to be set.
func (s *State) applied(errs []error, now time.Time) []Effect {
	s.noteDone()
	b := s.inflight
	s.inflight = batch{}
	s.changed = true
	if errs == nil && s.prepared != nil && len(s.prepared.ops) > 0 {
		s.done.batch, s.done.at = b, now
	} else {
		s.take(b, errs, now)
	}
	if len(s.done.news) == 0 {
		return nil
	}
	news := s.done.news
	s.done.news = nil
	return []Effect{news}
}

// noteDone takes over what was left to it.
func (s *State) noteDone() {
	b := s.done.batch
	s.done.batch = batch{}
	s.take(b, nil, s.done.at)
}

// take takes over into the belief what came of a batch.
func (s *State) take(b batch, errs []error, now time.Time) {
	sets := len(b.cells) == len(b.ops)
	for i := range b.ops {
		op := &b.ops[i]
		var err error
		if errs != nil {
			err = errs[i]
		}
		if err != nil {
			s.trouble.note(op.Kind, err)
		}
		switch op.Kind {
		case mroute.AddVIF, mroute.DelVIF:
			s.appliedVIF(op, err)
		case mroute.SetMFC:
			var c *cell
			if sets {
				c = b.cells[i]
			} else {
				c = s.table(op.Family).cells.Get(op.SG)
			}
			if ch, ok := s.appliedSet(op, c, err, now); ok {
				if s.done.news == nil {
					s.done.news = make(FlowsChanged, 0, len(b.ops)-i)
				}
				s.done.news = append(s.done.news, ch)
			}
		case mroute.DelMFC:
			t := s.table(op.Family)
			if err != nil {
				if c := t.cells.Get(op.SG); c != nil {
					c.unknown = true
				}
			} else {
				if c := t.cells.Get(op.SG); c != nil {
					t.wasSet(c)
				}
				t.cells.Delete(op.SG)
				delete(t.refused, op.SG)
				s.forget(t, op.SG)
			}
		case mroute.JoinGroup, mroute.LeaveGroup:
			s.groups.applied(op, err)
		}
	}
}

func (s *State) appliedSet(op *mroute.Op, c *cell, err error, now time.Time) (FlowChange, bool) {
	t := s.table(op.Family)
	if err != nil {
		c.unknown = true
		t.refused[op.SG] = err
		return FlowChange{}, false
	}
	delete(t.refused, op.SG)
	t.wasSet(c)
	t.unsettled = t.unsettled || t.foreign[op.SG]
	if !c.installed {
		s.seq++
		c.seq, c.since, c.installed = s.seq, now.Sub(s.epoch), true
	}
	c.entry, c.unknown = op.Entry, false
	if !op.SG.Source.IsValid() {
		s.noteAllCovered(t, op.SG)
	}
	f := t.flows.Get(op.SG)
	if f == nil || !f.news {
		return FlowChange{}, false
	}
	f.news = false
	if !op.SG.Source.IsValid() && op.Entry.Kind == mroute.Static {
		return FlowChange{}, false // it is there whether or not packets are
	}
	l, _ := s.res.Link(f.ifindex)
	return FlowChange{SG: seen(op.SG, op.Entry.Kind), Kind: op.Entry.Kind, Link: l.Name, Moved: f.moved, Refused: f.refusedBy != nil}, true
}
