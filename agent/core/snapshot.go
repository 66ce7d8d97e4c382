package core

import (
	"cmp"
	"slices"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// ReadFunc reads the counters of entries of one family, in their order.
type ReadFunc func(mroute.Family, []mroute.SG) []mroute.Counters

// Snapshot returns the state as names. If read is nil all counters are zero, and
// entries have no origins.
func (s *State) Snapshot(now time.Time, read ReadFunc) *mroute.Snapshot {
	snap := &mroute.Snapshot{
		Time:    now,
		Groups:  s.res.Groups(),
		Joined:  s.joined(),
		Pending: s.res.Pending(s.problems()),
		Flows:   s.limits.flowCounts(),
		Limits:  s.limits.views(),
	}
	var iifs []int
	snap.Rules, iifs = s.res.Rules(s.vifs)
	var rows map[mroute.SG]int
	snap.Entries, rows = s.views(now, read, false)
	if s.anyForeign() {
		snap.Foreign, _ = s.views(now, read, true)
	}
	for i := range snap.Rules {
		r := &snap.Rules[i]
		if !r.Match.IsExact() && (r.Match.Source.IsValid() || !r.Match.Group.IsSingleIP()) {
			continue
		}
		row, ok := rows[r.Match.SG()]
		if !ok || snap.Entries[row].Kind != mroute.Static {
			continue
		}
		if e := &snap.Entries[row]; e.IIF == r.IIF && iifs[i] != 0 {
			r.Counters, r.Age = e.Counters, e.Age
		}
	}
	for _, l := range s.res.Links() {
		v := mroute.LinkView{Link: l, VIF: mroute.NoVIF, MIF: mroute.NoVIF}
		if n, ok := s.vifs(mroute.IPv4).Of(l.Index); ok {
			v.VIF = n
		}
		if n, ok := s.vifs(mroute.IPv6).Of(l.Index); ok {
			v.MIF = n
		}
		snap.Links = append(snap.Links, v)
	}
	return snap
}

func (s *State) entries() int {
	n := 0
	for _, t := range s.tables {
		n += t.cells.Len()
	}
	return n
}

// row is an entry on its way into a snapshot.
type row struct {
	table *table
	sg    mroute.SG
	cell  *cell
}

// anyForeign reports whether there are entries of other programs. Until all that
// is wanted is known that cannot be said of any.
func (s *State) anyForeign() bool {
	return !s.holding && slices.ContainsFunc(s.tables, func(t *table) bool { return len(t.foreign) > 0 })
}

// views returns the entries of all tables in order of insertion, and the row of
// each: the router's own, or those of other programs.
func (s *State) views(now time.Time, read ReadFunc, foreign bool) (views []mroute.EntryView, at map[mroute.SG]int) {
	rows := make([]row, 0, s.entries())
	for _, t := range s.tables {
		for sg, c := range t.cells.All() {
			if c.installed && (!s.holding && t.foreign[sg]) == foreign {
				rows = append(rows, row{t, sg, c})
			}
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.cell.seq, b.cell.seq) })
	views = make([]mroute.EntryView, len(rows))
	at = make(map[mroute.SG]int, len(rows))
	var origins *origins
	if read != nil && !foreign {
		origins = newOrigins(s.res, len(rows))
	}
	for _, t := range s.tables {
		names := make(map[mroute.OIFs][]string)
		var sgs []mroute.SG
		for i, r := range rows {
			if r.table != t {
				continue
			}
			e := r.cell.entry
			if !foreign && !r.sg.Source.IsValid() && e.IIF < mroute.MaxVIFs {
				e = plan.OfSource(e)
				e.Kind = r.cell.entry.Kind
			}
			l, _ := s.res.Link(t.vifs.Link(e.IIF))
			oifs, ok := names[e.OIFs]
			if !ok {
				oifs = s.res.Names(e.OIFs, &t.vifs)
				names[e.OIFs] = oifs
			}
			views[i] = mroute.EntryView{SG: seen(r.sg, e.Kind), Kind: e.Kind, IIF: l.Name, OIFs: oifs, Age: now.Sub(s.epoch) - r.cell.since, Adopted: r.cell.adopted}
			at[r.sg] = i
			if read != nil {
				sgs = append(sgs, r.sg)
			}
			if origins != nil {
				views[i].Origins = origins.of(r.sg, l.Index)
			}
		}
		if len(sgs) == 0 {
			continue
		}
		for i, c := range read(t.family, sgs) {
			views[at[sgs[i]]].Counters = c
		}
	}
	return views, at
}

// origins finds the origins of entries. All share one array, and entries that
// the same rules feed one after another share a slice.
type origins struct {
	res   *plan.Resolver
	array []mroute.Origin
	rules []*mroute.Route // of the entry before
	last  []mroute.Origin // their origins
	next  []*mroute.Route
}

func newOrigins(res *plan.Resolver, entries int) *origins {
	return &origins{res: res, array: make([]mroute.Origin, 0, entries)}
}

func (o *origins) of(sg mroute.SG, ifindex int) []mroute.Origin {
	o.next = o.res.Feeding(o.next[:0], sg, ifindex)
	if slices.Equal(o.next, o.rules) {
		return o.last
	}
	o.next, o.rules = o.rules, o.next
	start := len(o.array)
	for _, rt := range o.rules {
		o.array = append(o.array, rt.Origin)
	}
	o.last = o.array[start:len(o.array):len(o.array)]
	return o.last
}
