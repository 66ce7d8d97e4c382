package core

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// A (*,G) entry that forwards natively is a cell like any other, with a zero
// source. What a flow needs beside it is told here: until the kernel has that
// entry, and while packets wait that it does not release, the flow is learned as
// if there were none. Then its own entry goes.

// anySource is the cell of the (*,G) entry that forwards sg's group, or nil.
func (t *table) anySource(sg mroute.SG) *cell {
	c := t.cells.Get(mroute.SG{Group: sg.Group})
	if c == nil || !c.installed || c.entry.Kind != mroute.Static {
		return nil
	}
	return c
}

// seen is sg as it is told to others. A (*,G) entry that stops packets is for
// those without a source, which asked for it.
func seen(sg mroute.SG, kind mroute.EntryKind) mroute.SG {
	if sg.Source.IsValid() || kind != mroute.StopFilter {
		return sg
	}
	sg.Source = netip.IPv4Unspecified()
	if sg.Family() == mroute.IPv6 {
		sg.Source = netip.IPv6Unspecified()
	}
	return sg
}

// doubtNative is for a question about a flow for which there should be a (*,G)
// entry. It is older than that, or the entry is gone behind our back: without
// setting it again the next packet would ask as well.
func (s *State) doubtNative(t *table, u mroute.Upcall) {
	if c := t.anySource(u.SG); c != nil && c.entry.IIF == u.VIF && !t.wasFound(mroute.SG{Group: u.SG.Group}) {
		c.unknown = true
		s.work.sgs = append(s.work.sgs, mroute.SG{Group: u.SG.Group})
	}
}

// touchNative marks what a change to templates with match m may concern beside
// the flows that they cover: (*,G) entries, and all flows to their groups.
func (s *State) touchNative(t *table, m mroute.Match) {
	concerned := make(map[mroute.SG]bool)
	note := func(sg mroute.SG) { concerned[sg] = true }
	s.in.NativeGroups(m.Group, note)
	if m.Group.IsSingleIP() {
		if sg := (mroute.SG{Group: m.Group.Addr()}); t.cells.Get(sg) != nil {
			note(sg)
		}
	} else {
		for sg := range t.cells.Keys() {
			if !sg.Source.IsValid() && m.Group.Contains(sg.Group) {
				note(sg)
			}
		}
	}
	all := func(mroute.SG) bool { return true }
	n := len(s.work.sgs)
	s.work.sgs = appendSorted(s.work.sgs, maps.Keys(concerned), all)
	for _, sg := range s.work.sgs[n:] {
		s.work.sgs = appendSorted(s.work.sgs, t.flowsOf(sg.Group), all)
	}
}

// noteCovered notes that sg is wanted as a learned entry, which a (*,G) entry may
// make needless. One of a flow that was seen on several links stays: without it
// the kernel would ask at each change, and lose packets meanwhile.
//
// It reports whether the entry that there is need not even be set as it is
// wanted: what it does now it may do until the end of the round.
func (s *State) noteCovered(t *table, sg mroute.SG, c *cell) (needless bool) {
	f := t.flows.Get(sg)
	if f == nil || f.apart || s.holding || !s.in.AsksForNative(sg.Group) {
		return false
	}
	s.work.covered = append(s.work.covered, sg)
	return c != nil && c.installed && !c.unknown && s.covered(t, sg)
}

// noteAllCovered is noteCovered for all flows of a group whose (*,G) entry was
// set.
func (s *State) noteAllCovered(t *table, sg mroute.SG) {
	for flow := range t.flowsOf(sg.Group) {
		if flow.Source.IsValid() {
			s.noteCovered(t, flow, nil)
		}
	}
}

// dropCovered has learned entries go for which a (*,G) entry is in the kernel
// that does the same with packets from where the flow's arrive.
func (s *State) dropCovered() {
	slices.SortFunc(s.work.covered, mroute.SG.Compare)
	for _, sg := range slices.Compact(s.work.covered) {
		if t := s.table(sg.Family()); t.cells.Get(sg) != nil && s.covered(t, sg) {
			t.dropFlow(sg)
			s.work.dels = append(s.work.dels, mroute.Op{Kind: mroute.DelMFC, Family: t.family, SG: sg})
		}
	}
	s.work.covered = nil
}

// covered reports whether the kernel's (*,G) entry is as it is wanted, and does
// with packets of sg what is wanted of these. An exact rule would have its entry
// back when the learned one goes, so that this stays then.
func (s *State) covered(t *table, sg mroute.SG) bool {
	f, star := t.flows.Get(sg), t.anySource(sg)
	if f == nil || f.apart || star == nil || star.unknown || t.wasFound(sg) {
		return false
	}
	want, ok := s.res.Entry(mroute.SG{Group: sg.Group}, 0, &t.vifs)
	if !ok || !star.entry.Forwards(want) || t.vifs.Link(want.IIF) != f.ifindex {
		return false
	}
	if _, exact := s.res.Entry(sg, 0, &t.vifs); exact {
		return false
	}
	own, ok := s.res.Entry(sg, f.ifindex, &t.vifs)
	return ok && own.Forwards(plan.OfSource(want))
}
