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

// Snapshot returns the state as names. If read is nil all counters are zero.
func (s *State) Snapshot(now time.Time, read ReadFunc) *mroute.Snapshot {
	snap := &mroute.Snapshot{
		Time:    now,
		Groups:  s.res.Groups(),
		Joined:  s.res.GroupsOn(func(m plan.Membership) bool { return s.groups.state[m] == joined }),
		Pending: s.res.Pending(s.vifs),
	}
	var iifs []int
	snap.Rules, iifs = s.res.Rules(s.vifs)
	rows := make(map[mroute.SG]int, s.entries())
	for _, t := range s.tables {
		snap.Entries = t.views(snap.Entries, s.res, now, read, rows)
	}
	for i := range snap.Rules {
		r := &snap.Rules[i]
		if !r.Match.IsExact() {
			continue
		}
		row, ok := rows[r.Match.SG()]
		if !ok {
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
		n += len(t.cells)
	}
	return n
}

// views appends the entries in order of insertion, and notes their rows.
func (t *table) views(out []mroute.EntryView, res *plan.Resolver, now time.Time, read ReadFunc, rows map[mroute.SG]int) []mroute.EntryView {
	sgs := make([]mroute.SG, 0, len(t.cells))
	for sg, c := range t.cells {
		if c.installed() {
			sgs = append(sgs, sg)
		}
	}
	slices.SortFunc(sgs, func(a, b mroute.SG) int { return cmp.Compare(t.cells[a].seq, t.cells[b].seq) })
	var counters []mroute.Counters
	if read != nil && len(sgs) > 0 {
		counters = read(t.family, sgs)
	}
	names := make(map[mroute.OIFs][]string)
	for i, sg := range sgs {
		c := t.cells[sg]
		l, _ := res.Link(t.vifs.Link(c.entry.IIF))
		oifs, ok := names[c.entry.OIFs]
		if !ok {
			oifs = res.Names(c.entry.OIFs, &t.vifs)
			names[c.entry.OIFs] = oifs
		}
		e := mroute.EntryView{SG: sg, Kind: c.entry.Kind, IIF: l.Name, OIFs: oifs, Age: now.Sub(c.since)}
		if counters != nil {
			e.Counters = counters[i]
		}
		rows[sg] = len(out)
		out = append(out, e)
	}
	return out
}
