package core

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// Target is what the intent asks for, given the VIFs there are and the flows
// that are known, worked out at once for every (S,G) that occurs.
func (s *State) Target() map[string]string {
	fw := make(map[string]string)
	add := func(t *table, sg mroute.SG) {
		e, ok := s.target(t, sg)
		if !sg.Source.IsValid() && ok {
			e.OIFs[e.IIF] = 0
		}
		if !ok || e.OIFs.Empty() {
			return
		}
		l, _ := s.res.Link(t.vifs.Link(e.IIF))
		names := s.res.Names(e.OIFs, &t.vifs)
		slices.Sort(names)
		fw[l.Name+" "+sg.String()] = strings.Join(names, " ")
	}
	var c plan.Cursor
	for sg, ok := s.in.NextExact(&c); ok; sg, ok = s.in.NextExact(&c) {
		if t := s.table(sg.Family()); t != nil {
			add(t, sg)
		}
	}
	for _, t := range s.tables {
		for sg := range t.flows.Keys() {
			add(t, sg)
		}
		for sg := range t.held {
			add(t, sg)
		}
		for sg := range t.foreign {
			add(t, sg)
		}
	}
	return fw
}

// target is what is wanted of one (S,G), or held, or left to another program.
func (s *State) target(t *table, sg mroute.SG) (mroute.Entry, bool) {
	e, ok := s.res.Entry(sg, t.arrival(sg), &t.vifs)
	held, holds := t.held[sg]
	if !holds && !t.foreign[sg] {
		waits := ok && s.holding && t.cells.Get(sg) == nil && (e.Kind == mroute.StopFilter || t.takesFromHeld(sg, e))
		return e, ok && !waits
	}
	if !holds {
		held = t.cells.Get(sg).entry
	}
	if link := t.vifs.Link(held.IIF); t.arrival(sg) == 0 && link > 0 {
		e, ok = s.res.Entry(sg, link, &t.vifs)
	}
	switch {
	case !ok || e.Kind == mroute.StopFilter:
		return held, held.IIF != mroute.NoVIF
	case !holds || held.IIF == mroute.NoVIF:
		return e, true
	case e.IIF != held.IIF:
		return held, true
	}
	for n, th := range held.OIFs {
		if th != 0 && (e.OIFs[n] == 0 || th < e.OIFs[n]) {
			e.OIFs[n] = th
		}
	}
	return e, true
}

// Looked is how many entries the last round of changes compared.
func (s *State) Looked() int {
	n := 0
	for _, t := range s.tables {
		for _, c := range t.cells.All() {
			if c.round == s.round {
				n++
			}
		}
	}
	return n
}

// FlowGroups is how many groups of flows the index holds.
func (s *State) FlowGroups() int {
	n := 0
	for _, t := range s.tables {
		n += len(t.groups)
	}
	return n
}

// Limits makes few memberships many.
func (s *State) Limits(memberships, chunk int) { s.groups.limit, s.groups.chunk = memberships, chunk }

// Chunk has few entries set at a time.
func (s *State) Chunk(ops int) { s.most = ops }

// Held are the memberships on a link that the kernel is believed to have.
func (s *State) Held(link string) (sgs []mroute.SG) {
	for m, mb := range s.groups.state {
		if l, _ := s.res.Link(m.Ifindex); l.Name == link && mb.state == joined {
			sgs = append(sgs, m.SG)
		}
	}
	slices.SortFunc(sgs, mroute.SG.Compare)
	return sgs
}

// AnySource reports whether rules for native forwarding let sg go from one link
// to another when it arrives there, though an exact rule may expect it elsewhere.
func (s *State) AnySource(sg mroute.SG, in, out int) bool {
	t := s.table(sg.Family())
	e, ok := s.res.Entry(sg, in, &t.vifs)
	vif, known := t.vifs.Of(out)
	return ok && known && s.in.AsksForNative(sg.Group) && t.vifs.Link(e.IIF) == in && e.OIFs[vif] != 0
}

// Snapshot lists the state in one go, whatever its size.
func (s *State) Snapshot(now time.Time, read ReadFunc) *mroute.Snapshot {
	l := s.List(read)
	defer l.Stop()
	l.whole = true
	l.Gather(now)
	return l.Snapshot()
}

// Blocked reports whether the group's (*,G) entry waits for an (S,G) entry.
func (s *State) Blocked(group netip.Addr) bool {
	sg := mroute.SG{Group: group}
	return s.table(sg.Family()).blocked[sg] != nil
}
