package core

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// scrub returns the ops that clear entries of VIFs which are going, and then
// delete these. Deleting a link takes its VIF along but leaves its bit in the
// entries, where the next link with that number would inherit the traffic: so
// this comes first, and a number is not given out again until it has succeeded.
func (s *State) scrub() []mroute.Op {
	var ops []mroute.Op
	for _, m := range s.groups.on(s.work.again) {
		ops = append(ops, m.op(mroute.LeaveGroup, s.res))
	}
	for _, t := range s.tables {
		going := s.going(t)
		hidden := t.mustClear(s.work.want, s.work.again, going)
		if len(going) == 0 && !hidden {
			continue
		}
		if len(going) > 0 {
			s.work.all = true
			t.dropFlowsOn(going)
			t.loseVIFs(going)
		}
		ops = append(ops, s.scrubTable(t, going, hidden)...)
		for _, n := range going {
			if !t.mustWait(n, going) {
				ops = append(ops, s.delVIF(t, n))
			}
		}
	}
	s.work.again = nil
	return ops
}

func (s *State) delVIF(t *table, n mroute.VIF) mroute.Op {
	t.spare[n] = 0
	ifindex := t.vifs.Link(n)
	l, _ := s.res.Link(ifindex)
	return mroute.Op{
		Kind: mroute.DelVIF, Family: t.family, VIF: n,
		Link: mroute.LinkRef{Index: ifindex, Name: l.Name},
	}
}

// going are the numbers of links that no longer need them, or are gone.
func (s *State) going(t *table) (going []mroute.VIF) {
	wanted := make(map[int]bool)
	for _, l := range s.work.want {
		wanted[l.Index] = !s.work.again[l.Index]
	}
	stay := s.staying(t)
	for n := range mroute.VIF(mroute.MaxVIFs) {
		ifindex := t.vifs.Link(n)
		if ifindex == 0 || wanted[ifindex] || stay[n] && !s.work.again[ifindex] && has(s.res.Links(), ifindex) {
			continue
		}
		going = append(going, n)
	}
	return going
}

func (t *table) dropFlowsOn(going []mroute.VIF) {
	for sg, f := range t.flows.All() {
		if vif, ok := t.vifs.Of(f.ifindex); !ok || slices.Contains(going, vif) {
			t.dropFlow(sg)
		}
	}
}

// scrubTable clears the entries that name one of the VIFs; with hidden, also those of
// which it is not known what they name.
func (s *State) scrubTable(t *table, going []mroute.VIF, hidden bool) []mroute.Op {
	var sets, dels []mroute.Op
	for sg, c := range t.cells.All() {
		if !t.concerns(c, going, hidden) {
			continue
		}
		if t.loses(c, going) {
			if op, ok := s.letGo(t, sg, c, going); ok {
				dels = append(dels, op)
			}
			continue
		}
		e := c.entry
		for _, n := range going {
			e.OIFs[n] = 0
		}
		sets = append(sets, mroute.Op{Kind: mroute.SetMFC, Family: t.family, SG: sg, Entry: e})
	}
	bySG := func(a, b mroute.Op) int { return a.SG.Compare(b.SG) }
	slices.SortFunc(sets, bySG)
	slices.SortFunc(dels, bySG)
	return append(dels, sets...)
}

// addVIFs returns the ops that give numbers to links which have none: to each
// in the order in which they are first named the lowest free one.
func (s *State) addVIFs() []mroute.Op {
	var ops []mroute.Op
	for _, t := range s.tables {
		var noRoom []string
		t.noVIF = nil
		next := mroute.VIF(0)
		for _, l := range s.work.want {
			if _, ok := t.vifs.Of(l.Index); ok {
				continue
			}
			for next < mroute.MaxVIFs && !t.mayGive(next) {
				next++
			}
			if next == mroute.MaxVIFs && t.holdsBack() {
				t.lacks(l.Index, plan.Problem{Cause: mroute.CauseKernel, Reason: fmt.Sprintf(
					"%s has no VIF in the %v table: entries from before could not be set, and would send to it", l.Name, t.family)})
				continue
			}
			if next == mroute.MaxVIFs {
				noRoom = append(noRoom, l.Name)
				t.lacks(l.Index, s.full(l.Name, t.family))
				continue
			}
			n := next
			next++
			ops = append(ops, mroute.Op{
				Kind: mroute.AddVIF, Family: t.family, VIF: n,
				Link: mroute.LinkRef{Index: l.Index, Name: l.Name},
			})
		}
		t.noRoom = strings.Join(noRoom, " ")
	}
	return ops
}

// lacks notes why a link has no VIF.
func (t *table) lacks(ifindex int, why plan.Problem) {
	if t.noVIF == nil {
		t.noVIF = make(map[int]plan.Problem)
	}
	t.noVIF[ifindex] = why
}

// hasVIFs reports whether all links that want a VIF have one, as far as there
// is room, and no number waits to be given up.
func (t *table) hasVIFs(want []mroute.Link) bool {
	for n := range mroute.VIF(mroute.MaxVIFs) {
		if t.vifs.Link(n) < 0 {
			return false
		}
	}
	if _, room := t.vifs.Free(); !room {
		return true
	}
	return !slices.ContainsFunc(want, func(l mroute.Link) bool {
		_, ok := t.vifs.Of(l.Index)
		return !ok
	})
}

func (s *State) appliedVIF(op *mroute.Op, err error) {
	t := s.table(op.Family)
	switch {
	case op.Kind == mroute.AddVIF && err == nil:
		s.work.all = true
		t.vifs.Set(op.VIF, op.Link.Index)
	case op.Kind == mroute.AddVIF:
		p := s.problem(err)
		p.Reason = fmt.Sprintf("%s has no VIF in the %v table: %s", op.Link.Name, t.family, p.Reason)
		t.lacks(op.Link.Index, p)
	case op.Kind == mroute.DelVIF:
		named := err != nil
		for _, c := range t.cells.All() {
			named = named || t.names(c, op.VIF)
		}
		if named {
			t.vifs.Reserve(op.VIF)
		} else {
			t.vifs.Clear(op.VIF)
		}
	}
}

// noteLacking logs which interfaces began or ceased to be missing.
func (s *State) noteLacking() []Effect {
	var out []Effect
	now := s.res.Lacking()
	for _, p := range sortedKeys(now) {
		if why := now[p]; s.lacking[p] != why {
			out = append(out, Log{LevelNotice, "waiting: " + why})
		}
	}
	for _, p := range sortedKeys(s.lacking) {
		if now[p] == "" {
			out = append(out, Log{slog.LevelInfo, fmt.Sprintf("no longer waiting for interface %s", p.Name())})
		}
	}
	s.lacking = now
	return out
}

func sortedKeys(m map[mroute.IfPattern]string) []mroute.IfPattern {
	ks := make([]mroute.IfPattern, 0, len(m))
	for k := range m {
		ks = append(ks, k)
	}
	slices.Sort(ks)
	return ks
}
