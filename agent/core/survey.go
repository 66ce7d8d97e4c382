package core

import (
	"cmp"
	"slices"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// survey is what a [Listing] needs to give rules and entries a chunk at a time. Instead
// of them it holds a few bytes of each, so that rules are those of one moment, and
// entries in order.
type survey struct {
	mroute.Survey

	ruled   []ruled
	links   []string
	outputs [][]string
	views   []mroute.RuleView // the chunk

	keys           []key
	listed, sorted bool
}

// ruled is a rule on a link.
type ruled struct {
	rule          *mroute.Route
	row           int32
	link, outputs int32 // numbers in survey
	scopes        mroute.ScopeMask
}

// key finds an entry.
type key struct {
	sg  mroute.SG
	seq uint64
}

// Survey begins a listing of what it asks for. [Listing.TakeRules] and [Listing.Take]
// have this after each chunk. If read is nil there are neither counters nor origins.
func (s *State) Survey(asked mroute.Survey, read ReadFunc) *Listing {
	l := s.List(read)
	l.survey = &survey{Survey: asked}
	return l
}

// goOver is what gather does for a survey.
func (l *Listing) goOver() {
	v := l.survey
	if v.Rules != nil && !(l.listRules() && l.giveRules() && l.pending()) {
		return
	}
	switch {
	case v.Entries == nil:
	case v.Whole:
		if !l.listKeys() || !l.giveEntries() {
			return
		}
	default:
		if !l.entries() {
			return
		}
	}
	l.rest()
	l.snap.Groups = slices.DeleteFunc(l.snap.Groups, func(g mroute.GroupView) bool { return !v.About.Takes(g.Match) })
	l.snap.Joined = slices.DeleteFunc(l.snap.Joined, func(g mroute.GroupView) bool { return !v.About.Takes(g.Match) })
}

// asks reports whether a survey asks about the flow, or the listing is none.
func (l *Listing) asks(sg mroute.SG) bool { return l.survey == nil || l.survey.About.TakesSG(sg) }

// listRules notes which rules there are.
func (l *Listing) listRules() bool {
	v := l.survey
	var takes func(*mroute.Route) bool
	if !v.About.IsZero() {
		takes = func(rt *mroute.Route) bool { return v.About.Takes(rt.Match) }
	}
	links, outputs := map[string]int32{}, map[*string]int32{}
	return l.steadily(func(more func() bool) {
		if v.ruled = v.ruled[:0]; v.ruled == nil && takes == nil {
			v.ruled = make([]ruled, 0, l.state.in.Routes())
		}
		l.state.res.Rules(l.state.vifs, takes, more, func(row mroute.RuleView, rt *mroute.Route, _ int) {
			var first *string // those of equal outputs share a slice
			if len(row.OIFs) > 0 {
				first = &row.OIFs[0]
			}
			v.ruled = append(v.ruled, ruled{
				rt, int32(row.Row), number(links, &v.links, row.IIF, row.IIF), number(outputs, &v.outputs, first, row.OIFs), row.Scopes,
			})
		})
	})
}

// number returns that of a key, which has a value in list.
func number[K comparable, V any](numbers map[K]int32, list *[]V, k K, v V) int32 {
	n, ok := numbers[k]
	if !ok {
		n = int32(len(*list))
		numbers[k] = n
		*list = append(*list, v)
	}
	return n
}

// giveRules makes the views of rules.
func (l *Listing) giveRules() bool {
	v := l.survey
	l.looked = 0
	for i := range v.ruled {
		r := &v.ruled[i]
		if v.views == nil {
			v.views = make([]mroute.RuleView, 0, min(listChunk, len(v.ruled)))
		}
		v.views = append(v.views, mroute.RuleView{
			Row: int(r.row), Match: r.rule.Match, Scopes: r.scopes, Except: r.rule.Except, Origin: r.rule.Origin,
			IIF: v.links[r.link], OIFs: v.outputs[r.outputs],
		})
		if l.full() && !l.whole {
			l.ofEntries(v.views)
			if !l.yield(struct{}{}) {
				return false
			}
		}
	}
	l.ofEntries(v.views)
	v.ruled = nil
	return true
}

// ofEntries gives rules the ages of their entries, and the counters if all is asked for.
func (l *Listing) ofEntries(views []mroute.RuleView) {
	for _, t := range l.state.tables {
		l.sgs, l.of = l.sgs[:0], l.of[:0]
		for i := range views {
			r := &views[i]
			if r.Match.Family() != t.family || !hasEntry(r.Match) {
				continue
			}
			sg := r.Match.SG()
			c := t.cells.Get(sg)
			if c == nil || !c.installed || c.entry.Kind != mroute.Static || !l.state.holding && t.foreign[sg] {
				continue
			}
			if link, _ := l.state.res.Link(t.vifs.Link(c.entry.IIF)); link.Name != r.IIF {
				continue
			}
			r.Age = l.now.Sub(l.epoch) - c.since
			if l.survey.Whole && l.read != nil {
				l.sgs, l.of = append(l.sgs, sg), append(l.of, &r.Counters)
			}
		}
		l.readInto()
	}
}

// listKeys notes which entries there are.
func (l *Listing) listKeys() bool {
	v := l.survey
	if v.About.IsZero() {
		v.keys = make([]key, 0, l.state.entries())
	}
	l.looked = 0
	for _, t := range l.state.tables {
		for sg, c := range t.cells.All() {
			if c.installed && l.asks(sg) {
				v.keys = append(v.keys, key{sg, c.seq})
			}
			if l.full() && !l.whole && !l.yield(struct{}{}) {
				return false
			}
		}
	}
	v.listed = true
	if !l.whole && !l.yield(struct{}{}) {
		return false
	}
	v.sort()
	return true
}

// sort brings entries in order.
func (v *survey) sort() {
	if !v.sorted {
		slices.SortFunc(v.keys, func(a, b key) int { return cmp.Compare(a.seq, b.seq) })
		v.sorted = true
	}
}

// giveEntries makes the views of entries. One that was set again since it was noted has
// another number.
func (l *Listing) giveEntries() bool {
	s, v := l.state, l.survey
	names := make([]map[mroute.OIFs][]string, len(s.tables))
	for i := range names {
		names[i] = make(map[mroute.OIFs][]string)
	}
	start := s.basis()
	for keys := v.keys; len(keys) > 0; {
		n := min(len(keys), listChunk)
		rows := l.space(n)
		for _, k := range keys[:n] {
			i := slices.IndexFunc(s.tables, func(t *table) bool { return t.family == k.sg.Family() })
			if c := s.tables[i].cells.Get(k.sg); c != nil && c.installed && c.seq == k.seq {
				rows = append(rows, l.row(s.tables[i], k.sg, c, names[i]))
			}
		}
		l.count(rows)
		if keys = keys[n:]; l.whole {
			continue
		}
		if !l.yield(struct{}{}) {
			return false
		}
		if now := s.basis(); now != start {
			start = now
			for i := range names {
				clear(names[i])
			}
		}
	}
	v.keys = nil
	return true
}

// TakeRules returns the rules that were gathered since the last call, and of when they
// are: as [Listing.Take] does with entries.
func (l *Listing) TakeRules() (time.Time, []mroute.RuleView) {
	v := l.survey
	if v.listed {
		v.sort() // here nobody waits for it
	}
	views := v.views
	v.views = v.views[:0]
	return l.now, views
}
