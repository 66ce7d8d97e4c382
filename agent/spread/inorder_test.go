package spread

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// table gives rules and entries some at a time, in memory that it uses again.
type table struct {
	rules   []mroute.RuleView
	entries []mroute.EntryView
	chunk   int
	start   time.Time // when entries of age 0 are made
}

func (a *table) ask(ctx context.Context, asked mroute.Survey) (*mroute.Snapshot, error) {
	now := a.start
	var rules []mroute.RuleView
	for some := range slices.Chunk(a.rules, a.chunk) {
		now = now.Add(time.Millisecond)
		rules = append(rules[:0], some...)
		asked.Rules(now, rules)
		clear(rules)
	}
	var entries []mroute.EntryView
	for some := range slices.Chunk(a.entries, a.chunk) {
		now = now.Add(time.Millisecond)
		entries = append(entries[:0], some...)
		for i := range entries {
			entries[i].Age += now.Sub(a.start)
		}
		asked.Entries(now, entries)
		clear(entries)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return &mroute.Snapshot{Time: now}, nil
}

// What several tables give comes in order, each with what it is, however much of it each
// has, and while none of it stays.
func TestInOrder(t *testing.T) {
	start := time.Unix(1000, 0)
	rapid.Check(t, func(t *rapid.T) {
		tables := make([]*table, rapid.IntRange(1, 5).Draw(t, "tables"))
		for i := range tables {
			tables[i] = &table{chunk: rapid.IntRange(1, 4).Draw(t, "chunk"), start: start}
		}
		draw := rapid.IntRange(0, len(tables)-1)
		var want []string
		for row := range rapid.IntRange(0, 30).Draw(t, "rules") {
			for link := range rapid.IntRange(0, 3).Draw(t, "links") {
				a := tables[draw.Draw(t, "table")]
				r := mroute.RuleView{Row: row, IIF: fmt.Sprint(link)}
				a.rules = append(a.rules, r)
				want = append(want, fmt.Sprint(r.Row, r.IIF))
			}
		}
		for n := range rapid.IntRange(0, 60).Draw(t, "entries") {
			at := draw.Draw(t, "table")
			tables[at].entries = append(tables[at].entries, mroute.EntryView{IIF: fmt.Sprint(n), Age: time.Hour - time.Duration(n)*time.Second})
			want = append(want, fmt.Sprint(n, " in ", at))
		}
		var got []string
		asked := mroute.Survey{
			Rules: func(_ time.Time, rules []mroute.RuleView) {
				for _, r := range rules {
					got = append(got, fmt.Sprint(r.Row, r.IIF))
				}
			},
			Entries: func(now time.Time, entries []mroute.EntryView) {
				for _, e := range entries {
					got = append(got, fmt.Sprint(e.IIF, " in ", e.Table))
					if since := now.Add(-e.Age).Sub(start); fmt.Sprint(int((since+time.Hour)/time.Second)) != e.IIF {
						t.Fatalf("entry %s is there since %v", e.IIF, since)
					}
				}
			},
		}
		o := &inOrder{Survey: asked, at: map[string]int{"0": 0, "1": 1, "2": 2}}
		for i, a := range tables {
			slices.SortStableFunc(a.rules, func(a, b mroute.RuleView) int { return cmp.Compare(a.Row, b.Row) })
			o.tables = append(o.tables, survey(t.Context(), a.ask, uint32(i), asked))
		}
		o.goOver()
		if !slices.Equal(got, want) {
			t.Fatalf("got  %q\nwant %q", got, want)
		}
		for _, x := range o.tables {
			if x.stop(); x.snap == nil || x.err != nil {
				t.Fatalf("a table ends with %v, %v", x.snap, x.err)
			}
		}
	})
}

// A survey that is given up ends.
func TestInOrderStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	asked := mroute.Survey{Rules: func(time.Time, []mroute.RuleView) {}, Entries: func(time.Time, []mroute.EntryView) {}}
	s := survey(ctx, (&table{entries: make([]mroute.EntryView, 10), chunk: 1}).ask, 0, asked)
	cancel()
	s.stop()
	if s.err != context.Canceled || s.snap != nil {
		t.Errorf("it ends with %v, %v", s.snap, s.err)
	}
}
