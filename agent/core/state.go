package core

import (
	"iter"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// State is a router. Its zero value is not usable: see [New].
type State struct {
	in     *plan.Intent
	res    *plan.Resolver
	tables []*table
	groups memberships
	seq    uint64 // of the last entry installed, in any table

	epoch    time.Time // the start
	round    uint64
	stage    stage
	work     work
	inflight batch
	prepared *batch   // to come next
	done     done     // what came before
	buffers  [3]batch // for these, in turn
	most     int      // ops of a batch that sets entries

	limits  *limits
	trouble trouble
	lacking map[mroute.IfPattern]string
	mrdisc  []mroute.Link
	changed bool // since the last Changed

	holding  bool // what was found stays: see found
	complete bool // there was a Complete
	released bool // VIFs that were another program's may be nobody's now
	seen     bool // links were read

	inbound   mroute.Inbound
	signposts mroute.Signposts

	spreads bool // see Options

	absent  map[mroute.Family]plan.Problem // families without a table
	causeOf func(error) mroute.Cause
}

// stage is how far the current round of changes has come.
type stage uint8

const (
	idle      stage = iota
	clearing        // (*,G) entries of going VIFs deleted
	scrubbing       // other entries cleared of them, VIFs deleted
	parting         // VIFs deleted that entries needed until they were set
	adding          // VIFs added
	setting         // entries set, then groups joined and left, entries deleted
)

// work is what the current round has yet to compare.
type work struct {
	vifs      bool
	want      []mroute.Link // the links that need a VIF, once vifs is looked at
	again     map[int]bool  // ifindexes whose VIF died with a link of the same index
	all       bool          // every (S,G): first sgs, then
	exact     plan.Cursor   // those of exact rules, then the rest
	sgs       []mroute.SG
	compared  int  // cells that were compared
	joins     bool // every membership
	some      []plan.Membership
	later     bool // go on with the memberships that are due
	dels      []mroute.Op
	anySource []mroute.SG // (*,G) to compare when those are
	covered   []mroute.SG // learned entries that a (*,G) entry may make needless
	ending    bool        // (*,G) entries are being deleted, others are next
	finishing bool        // the last ops of the round are out

	unblocked bool                       // (*,G) entries that waited are compared as well
	refused   map[netip.Addr][]mroute.SG // (S,G) that the kernel refused, once they are asked for
}

// batch is ops that are carried out together.
type batch struct {
	ops   []mroute.Op
	cells []*cell // of each, if all are to set entries
}

// Options tell what a router is made for.
type Options struct {
	// FamilyErr says why a family has no table; nil: both have one.
	FamilyErr func(mroute.Family) error

	// Held is what a family's table holds already, at Now; nil: nothing. It stays
	// until [Complete]: until then a router only adds.
	Held func(mroute.Family) mroute.Held
	Now  time.Time

	// RemoveForeign has what is held go if nobody wants it, whosever it is.
	RemoveForeign bool

	// Spreads says that other routers take over links for which this one has no
	// VIFs left, and that whoever sees to it tells if they do not.
	Spreads bool

	// MaxFlows is how many entries there may be at a time that packets have made:
	// learned ones and stop filters, of both families. 0: any number.
	MaxFlows int

	// CauseOf names the cause of an error; nil: it is always the kernel's.
	CauseOf func(error) mroute.Cause
}

// New returns a router that wants nothing.
func New(o Options) *State {
	s := &State{epoch: o.Now, most: maxOps, in: plan.NewIntent(), groups: newMemberships(), causeOf: o.CauseOf, spreads: o.Spreads, absent: make(map[mroute.Family]plan.Problem)}
	s.limits = newLimits(o.MaxFlows)
	if s.causeOf == nil {
		s.causeOf = func(error) mroute.Cause { return mroute.CauseKernel }
	}
	for _, f := range mroute.Families {
		if o.FamilyErr != nil {
			if err := o.FamilyErr(f); err != nil {
				s.absent[f] = s.problem(err)
				continue
			}
		}
		t := newTable(f, s.limits)
		s.tables = append(s.tables, t)
		if o.Held != nil {
			s.adopt(t, o.Held(f), &o)
		}
	}
	s.res = plan.NewResolver(s.in, nil)
	return s
}

func (s *State) table(f mroute.Family) *table {
	for _, t := range s.tables {
		if t.family == f {
			return t
		}
	}
	return nil
}

// vifs returns the family's interface list, empty if there is no such table.
func (s *State) vifs(f mroute.Family) *plan.VIFs {
	if t := s.table(f); t != nil {
		return &t.vifs
	}
	return &plan.VIFs{}
}

// Step takes one event and returns what should be done, in order. After an
// [Apply] the next event must be its [Applied].
func (s *State) Step(ev Event, now time.Time) []Effect {
	if s.epoch.IsZero() {
		s.epoch = now
	}
	var out, later []Effect
	s.limits.now = now
	switch ev := ev.(type) {
	case Applied:
		out = s.applied(ev.Errs, now)
	case SetLayer:
		out = s.setLayer(ev)
	case LinksRead:
		out = s.linksRead(ev)
	case Upcalls:
		var strays Strays
		s.work.sgs = slices.Grow(s.work.sgs, len(ev))
		for _, u := range ev {
			if link := s.upcall(u); link != "" {
				strays = append(strays, Stray{u.SG, link})
			}
		}
		if len(strays) > 0 {
			out = append(out, strays)
		}
	case Expire:
		later = s.expire(ev.Age)
	case CountersRead:
		later = s.countersRead(ev, now)
	case Retry:
		s.retry()
	case Complete:
		s.release()
	case SetInbound:
		out = s.setInbound(ev)
	case Follow:
		s.in = ev.intent
		s.limits.setRules(s.in)
		out = s.lookAgain(s.res.Links())
	case Continue:
		s.groups.called = false
		s.work.later = s.groups.due() > 0
	case SetSignposts:
		s.setSignposts(ev.Signposts)
	case Look:
		out = s.lookAgainDue(now)
	}
	out = append(append(out, s.advance()...), later...)
	return append(out, s.looks()...)
}

// Prepare does what the step before left to be done, and in advance what the step
// after the next [Applied] would have to do. It may be called while the ops of an
// [Apply] with More are being carried out; nothing comes out differently.
func (s *State) Prepare() {
	s.noteDone()
	if s.stage == setting && !s.work.ending && !s.work.finishing && s.prepared == nil {
		s.prepared = s.sets()
	}
}

// Edit applies one change of a client. On an error nothing is changed.
func (s *State) Edit(ed mroute.Edit) ([]Effect, error) {
	if err := s.in.Edit(ed); err != nil {
		return nil, err
	}
	s.work.vifs, s.changed = true, true
	switch ed.Kind {
	case mroute.AddRoute, mroute.RemoveRoute:
		if len(s.limits.rules) > 0 || ed.Route.MaxFlows > 0 {
			s.limits.setRules(s.in)
		}
		s.touch(ed.Route.Match)
	case mroute.AddJoin, mroute.RemoveJoin:
		s.touchJoin(ed.Join)
	}
	return append(append(s.noteLacking(), s.advance()...), s.looks()...), nil
}

// setLayer marks what the layer changes. If something waits for a retry anyway,
// or entries that were found may be concerned, that is everything.
func (s *State) setLayer(ev SetLayer) []Effect {
	ch := s.in.SetLayer(ev.Layer)
	dropped := ev.DropEdits && s.in.DropEdits()
	s.limits.setRules(s.in)
	if ch.All || dropped || s.trouble.waking || s.anyFound() {
		return s.lookAgain(s.res.Links())
	}
	s.res = s.newResolver(s.res.Links())
	s.work.vifs, s.changed = true, true
	s.work.joins = s.work.joins || ch.Joins
	for _, m := range ch.Matches {
		s.touch(m)
	}
	return append(s.noteLacking(), s.advertise()...)
}

// anyFound reports whether a table has entries of which it was found.wasFound.
func (s *State) anyFound() bool {
	return slices.ContainsFunc(s.tables, func(t *table) bool { return len(t.held)+len(t.foreign) > 0 })
}

// touch marks the flows that a change to rules with match m may concern.
func (s *State) touch(m mroute.Match) {
	t := s.table(m.Family())
	switch {
	case t == nil:
	case m.IsExact():
		s.work.sgs = append(s.work.sgs, m.SG())
	default:
		s.touchNative(t, m)
		flows := t.flows.Keys()
		if m.Group.IsSingleIP() {
			flows = t.flowsOf(m.Group.Addr())
		}
		s.work.sgs = appendSorted(s.work.sgs, flows, m.Contains)
		s.work.sgs = appendSorted(s.work.sgs, maps.Keys(t.held), m.Contains)
		s.work.sgs = appendSorted(s.work.sgs, maps.Keys(t.foreign), m.Contains)
	}
}

// appendSorted adds those of more for which keep is true, in order, so that the
// same inputs give the same plan.
func appendSorted(sgs []mroute.SG, more iter.Seq[mroute.SG], keep func(mroute.SG) bool) []mroute.SG {
	n := len(sgs)
	for sg := range more {
		if keep(sg) {
			sgs = append(sgs, sg)
		}
	}
	slices.SortFunc(sgs[n:], mroute.SG.Compare)
	return sgs
}

// lookAgain compares everything, on those links.
func (s *State) lookAgain(links []mroute.Link) []Effect {
	s.res = s.newResolver(links)
	s.work.vifs, s.work.all, s.work.joins, s.changed = true, true, true, true
	return append(s.noteLacking(), s.advertise()...)
}

// advertise tells of a change of the links to send router advertisements on,
// their flags included.
func (s *State) advertise() []Effect {
	on := s.res.MRDisc()
	if slices.Equal(on, s.mrdisc) {
		return nil
	}
	s.mrdisc = on
	return []Effect{MRDisc{on}}
}

func (s *State) linksRead(ev LinksRead) []Effect {
	if !s.seen {
		s.seen = true
		s.doubtGone(ev.Links)
	}
	if len(ev.Gone) == 0 && slices.EqualFunc(ev.Links, s.res.Links(), sameForRouting) {
		s.groups.retry()
		s.work.joins = s.work.joins || s.groups.failed > 0
		if slices.Equal(ev.Links, s.res.Links()) {
			return nil
		}
		s.res = s.newResolver(ev.Links)
		return s.advertise()
	}
	if !s.concerned(ev) {
		s.groups.retry()
		s.work.joins = s.work.joins || s.groups.failed > 0
		s.res = s.newResolver(ev.Links)
		s.work.vifs, s.changed = true, true
		return s.advertise()
	}
	again := func(ifindex int) {
		if s.work.again == nil {
			s.work.again = make(map[int]bool)
		}
		s.work.again[ifindex] = true
	}
	for _, ifindex := range ev.Gone {
		again(ifindex)
	}
	for _, l := range s.res.Links() {
		// What died with a link must be given up before one with its index comes.
		if !has(ev.Links, l.Index) {
			again(l.Index)
		}
	}
	s.groups.retry()
	return append(s.lookAgain(ev.Links), s.crowd()...)
}

// concerned reports whether a link that came, went or changed is named by a rule,
// or has a number, or memberships that are yet to be left. On a node with many routes most are of no concern.
func (s *State) concerned(ev LinksRead) bool {
	if s.anyFound() {
		return true
	}
	is := func(l mroute.Link) bool {
		return s.in.Names(&l) || len(s.groups.on(map[int]bool{l.Index: true})) > 0 || slices.ContainsFunc(s.tables, func(t *table) bool {
			_, has := t.vifs.Of(l.Index)
			return has
		})
	}
	differs := func(l mroute.Link, from []mroute.Link) bool {
		return slices.Contains(ev.Gone, l.Index) || !slices.ContainsFunc(from, func(o mroute.Link) bool { return sameForRouting(l, o) })
	}
	before := s.res.Links()
	return slices.ContainsFunc(before, func(l mroute.Link) bool { return differs(l, ev.Links) && is(l) }) ||
		slices.ContainsFunc(ev.Links, func(l mroute.Link) bool { return differs(l, before) && is(l) })
}

func sameForRouting(a, b mroute.Link) bool {
	return a.Index == b.Index && a.Name == b.Name && a.Multicast == b.Multicast
}

// upcall notes where packets arrive. It returns the name of the link if that is
// a wrong one.
func (s *State) upcall(u mroute.Upcall) (stray string) {
	t := s.table(u.SG.Family())
	if t == nil {
		return ""
	}
	ifindex := t.vifs.Link(u.VIF)
	if ifindex <= 0 || !s.res.Takes(ifindex) {
		return ""
	}
	if u.SG.Source.IsUnspecified() {
		u.SG.Source = netip.Addr{} // to the kernel it is the same
	}
	c := t.cells.Get(u.SG)
	switch u.Kind {
	case mroute.NoCache:
		s.doubtNative(t, u)
		switch {
		case c == nil || !c.installed:
			t.addFlow(u.SG, ifindex)
		case t.wasFound(u.SG) && !s.asked(t, u.SG, ifindex):
			return ""
		default:
			// The question is older than our answer, or the entry is gone
			// behind our back. Setting it again is right in both cases.
			c.unknown = true
		}
	case mroute.WrongVIF, mroute.WrVIFWhole:
		if c == nil {
			c = t.anySource(u.SG) // which it matched
		}
		if c == nil || c.entry.IIF == u.VIF {
			return ""
		}
		if !s.res.Covers(u.SG, ifindex, &t.vifs) {
			if s.holding {
				return "" // rules are yet to come
			}
			l, _ := s.res.Link(ifindex)
			return l.Name
		}
		f := t.addFlow(u.SG, ifindex)
		f.moved, f.apart = true, true
	default:
		return ""
	}
	s.work.sgs = append(s.work.sgs, u.SG)
	return ""
}
