package spread

import (
	"cmp"
	"context"
	"iter"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// piece is some of what one table gives at a time: rules, and when there are no more of
// these entries.
type piece struct {
	now     time.Time
	rules   []mroute.RuleView
	entries []mroute.EntryView
}

// surveyed is a table that is gone over as far as it is asked to.
type surveyed struct {
	piece
	table uint32
	next  func() (piece, bool)
	stop  func()

	takes map[string]bool // links of its rules
	snap  *mroute.Snapshot
	err   error
}

// askFunc asks a table.
type askFunc func(context.Context, mroute.Survey) (*mroute.Snapshot, error)

// survey begins to go over a table.
func survey(ctx context.Context, ask askFunc, table uint32, asked mroute.Survey) *surveyed {
	s := &surveyed{table: table, takes: map[string]bool{}}
	s.next, s.stop = iter.Pull(func(yield func(piece) bool) {
		if asked.Rules != nil {
			asked.Rules = func(now time.Time, rules []mroute.RuleView) { yield(piece{now: now, rules: rules}) }
		}
		if asked.Entries != nil {
			asked.Entries = func(now time.Time, entries []mroute.EntryView) { yield(piece{now: now, entries: entries}) }
		}
		s.snap, s.err = ask(ctx, notedIn(asked, table, s.takes))
	})
	s.advance()
	return s
}

// advance goes on when nothing is left of a piece.
func (s *surveyed) advance() {
	for len(s.rules)+len(s.entries) == 0 {
		var more bool
		if s.piece, more = s.next(); !more {
			return
		}
	}
}

// inOrder puts together what several tables give, each in order. As none of it may be
// kept, what was taken is given on before any of them goes on.
type inOrder struct {
	mroute.Survey
	tables  []*surveyed
	at      map[string]int // position of a link
	rules   []mroute.RuleView
	entries []mroute.EntryView
	now     time.Time // of entries
}

// surveyInOrder goes over all tables at the same time.
func (r *Router) surveyInOrder(ctx context.Context, asked mroute.Survey, others []*beside) (*mroute.Snapshot, error) {
	head, err := r.first.Digest(ctx, nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	o := &inOrder{Survey: asked, at: newMerger(head).at}
	defer func() {
		cancel()
		for _, t := range o.tables {
			t.stop()
		}
	}()
	o.tables = append(o.tables, survey(ctx, r.first.Survey, 0, asked))
	for _, b := range others {
		o.tables = append(o.tables, survey(ctx, b.engine.Survey, b.table, asked))
	}
	o.goOver()
	first := o.tables[0]
	if first.err != nil {
		return nil, first.err
	}
	m := newMerger(first.snap)
	for _, t := range o.tables[1:] {
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case t.err == nil: // else it has just been closed
			m.add(t.snap, t.table, t.takes)
		}
	}
	m.sort()
	return first.snap, nil
}

// goOver takes all there is.
func (o *inOrder) goOver() {
	for o.rule() {
	}
	for o.entry() {
	}
}

// rule takes the next rule; there may be none.
func (o *inOrder) rule() bool {
	var from *surveyed
	for _, t := range o.tables {
		if len(t.rules) > 0 && (from == nil || o.before(&t.rules[0], &from.rules[0])) {
			from = t
		}
	}
	if from == nil {
		return false
	}
	o.rules = append(o.rules, from.rules[0])
	if from.rules = from.rules[1:]; len(from.rules) == 0 {
		o.Rules(from.now, o.rules)
		o.rules = o.rules[:0]
		from.advance()
	}
	return true
}

// before reports whether a rule of one table comes before one of a table after it.
func (o *inOrder) before(a, b *mroute.RuleView) bool {
	return cmp.Or(cmp.Compare(a.Row, b.Row), cmp.Compare(o.at[a.IIF], o.at[b.IIF])) < 0
}

// entry takes the next entry, that which is there longest; there may be none.
func (o *inOrder) entry() bool {
	var from *surveyed
	var since time.Time
	for _, t := range o.tables {
		if len(t.entries) == 0 {
			continue
		}
		if s := t.now.Add(-t.entries[0].Age); from == nil || s.Before(since) {
			from, since = t, s
		}
	}
	if from == nil {
		return false
	}
	if len(o.entries) == 0 {
		o.now = from.now
	}
	e := from.entries[0]
	e.Age = o.now.Sub(since)
	o.entries = append(o.entries, e)
	if from.entries = from.entries[1:]; len(from.entries) == 0 {
		o.Entries(o.now, o.entries)
		o.entries = o.entries[:0]
		from.advance()
	}
	return true
}
