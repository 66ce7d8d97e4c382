package core

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

const (
	// listChunk is how many rules or entries a [Listing] looks at in one go: it
	// takes about 1 ms, most of which the kernel needs for counters.
	listChunk = 512

	// smallList is up to how many rules, and as many entries, a listing is
	// gathered in one go.
	smallList = 1024

	// maxRelists is how often rules are listed anew because layers, links or VIFs
	// have changed meanwhile. Then they are listed in one go.
	maxRelists = 3
)

// Listing is a snapshot in the making. It is gathered in chunks, so that nobody
// has to wait for the whole of a large table. What changes meanwhile may be in it
// or not; what stays as it is is there once.
type Listing struct {
	state   *State
	read    ReadFunc
	whole   bool
	digest  bool // see [State.Digest]
	survey  *survey
	now     time.Time
	next    func() (struct{}, bool)
	stop    func()
	yield   func(struct{}) bool
	looked  int // rules and entries in the current chunk
	origins *origins

	// Of what there may be very much. One large slice would have to wait for
	// memory, and for the collector, in one go.
	ruled  [][]mroute.RuleView
	chunks [][]row

	snap  *mroute.Snapshot
	epoch time.Time // of the state

	// Of digests and surveys:
	taken []mroute.EntryView
	spare []row              // memory of a chunk that was taken
	sgs   []mroute.SG        // whose counters are read
	of    []*mroute.Counters // and where to
}

// ReadFunc reads the counters of entries of one family, in their order. The slice is
// good until the next call.
type ReadFunc func(mroute.Family, []mroute.SG) []mroute.Counters

// List begins a listing. If read is nil all counters are zero, and entries have no
// origins. It must be stopped.
func (s *State) List(read ReadFunc) *Listing {
	l := &Listing{
		state: s, read: read, snap: &mroute.Snapshot{},
		whole: s.entries() <= smallList && s.in.Routes() <= smallList,
	}
	if read != nil {
		l.origins = &origins{}
	}
	l.next, l.stop = iter.Pull(l.gather)
	return l
}

// Digest begins a listing of what reports on a router are made from, which is much
// less: what is pending, the links, and the entries if there is a read.
// [Listing.Take] has these after each chunk, so that they are never there all together,
// in no order. One that is deleted and set again meanwhile may be among them twice.
func (s *State) Digest(read ReadFunc) *Listing {
	l := s.List(read)
	l.digest = true
	return l
}

// Gather goes on with the listing, and reports whether there is more to come. Like
// [State.Step] it must be alone with the state.
func (l *Listing) Gather(now time.Time) (more bool) {
	l.now, l.epoch = now, l.state.epoch
	_, more = l.next()
	return more
}

// Stop ends the listing, complete or not. It does not touch the state.
func (l *Listing) Stop() { l.stop() }

// gather fills in snap and chunks. Whenever yield is called the state may change;
// when it has returned false nothing of that may be touched any more.
func (l *Listing) gather(yield func(struct{}) bool) {
	l.yield = yield
	switch {
	case l.survey != nil:
		l.goOver()
	case l.digest:
		if l.pending() && (l.read == nil || l.entries()) {
			l.snap.Time = l.now
			l.links()
		}
	case l.rules() && l.pending() && l.entries():
		l.rest()
	}
}

// full counts a rule or an entry, and reports whether there were as many as go
// into a chunk.
func (l *Listing) full() bool {
	if l.looked++; l.looked < listChunk {
		return false
	}
	l.looked = 0
	return true
}

// basis is what names in listings depend on.
type basis struct {
	res  *plan.Resolver
	vifs int // changes of them
}

func (s *State) basis() basis {
	b := basis{res: s.res}
	for _, t := range s.tables {
		b.vifs += t.vifs.Changes()
	}
	return b
}

// steadily makes a part of the listing on one basis, and reports whether to go on
// with others.
func (l *Listing) steadily(part func(more func() bool)) bool {
	for try := 0; ; try++ {
		start, same, goOn := l.state.basis(), true, true
		part(func() bool {
			if l.full() && !l.whole && try < maxRelists {
				goOn = l.yield(struct{}{})
				same = goOn && l.state.basis() == start
			}
			return same
		})
		if same || !goOn {
			return goOn
		}
	}
}

func (l *Listing) rules() bool {
	return l.steadily(func(more func() bool) {
		l.ruled = nil
		l.state.res.Rules(l.state.vifs, nil, more, func(row mroute.RuleView, _ *mroute.Route, _ int) {
			l.ruled = appendChunked(l.ruled, row, l.state.in.Routes())
		})
	})
}

// appendChunked adds v to the last of the chunks, or to another. About most values
// are expected.
func appendChunked[T any](chunks [][]T, v T, most int) [][]T {
	n := len(chunks) - 1
	if n < 0 || len(chunks[n]) == cap(chunks[n]) {
		chunks = append(chunks, make([]T, 0, max(1, min(listChunk, most))))
		n++
	}
	chunks[n] = append(chunks[n], v)
	return chunks
}

func (l *Listing) pending() bool {
	return l.steadily(func(more func() bool) {
		ps := l.state.problems()
		if l.survey != nil {
			ps.About = l.survey.About
		}
		l.snap.Pending = l.state.res.Pending(ps, more)
	})
}

// row is an entry on its way into a snapshot.
type row struct {
	sg      mroute.SG
	seq     uint64
	since   time.Duration
	foreign bool // another program's
	view    mroute.EntryView
}

// entries gathers those of all tables. Of each chunk the counters are read before
// anything else happens.
func (l *Listing) entries() bool {
	s := l.state
	for _, t := range s.tables {
		names := make(map[mroute.OIFs][]string)
		start, paused := s.basis(), false
		var chunk []row
		for sg, c := range t.cells.All() {
			// The map may have been replaced since.
			if c.installed && (!paused || t.cells.Get(sg) == c) && l.asks(sg) {
				if chunk == nil {
					chunk = l.space(min(listChunk, t.cells.Len()))
				}
				chunk = append(chunk, l.row(t, sg, c, names))
			}
			if !l.full() {
				continue
			}
			l.count(chunk)
			chunk = nil
			if l.whole {
				continue
			}
			if paused = true; !l.yield(struct{}{}) {
				return false
			}
			if now := s.basis(); now != start {
				start = now
				clear(names)
			}
		}
		l.count(chunk)
	}
	return true
}

// space is memory for n rows.
func (l *Listing) space(n int) []row {
	if spare := l.spare; cap(spare) >= n {
		l.spare = nil
		return spare
	}
	return make([]row, 0, n)
}

// row returns the entry as names, which are shared by outputs, without its
// counters and its age.
func (l *Listing) row(t *table, sg mroute.SG, c *cell, names map[mroute.OIFs][]string) row {
	s := l.state
	r := row{sg: sg, seq: c.seq, since: c.since, foreign: !s.holding && t.foreign[sg]}
	e := c.entry
	if !r.foreign && !sg.Source.IsValid() && e.IIF < mroute.MaxVIFs {
		e = plan.OfSource(e)
		e.Kind = c.entry.Kind
	}
	link, _ := s.res.Link(t.vifs.Link(e.IIF))
	oifs, ok := names[e.OIFs]
	if !ok {
		oifs = s.res.Names(e.OIFs, &t.vifs)
		names[e.OIFs] = oifs
	}
	r.view = mroute.EntryView{SG: seen(sg, e.Kind), Kind: e.Kind, IIF: link.Name, OIFs: oifs, Adopted: c.adopted}
	if e.Kind == mroute.StopFilter {
		f := t.flows.Get(sg)
		r.view.Refused = f != nil && f.refusedBy != nil
	}
	if l.origins != nil && !r.foreign {
		r.view.Origins = l.origins.of(s.res, sg, link.Index)
	}
	return r
}

// count reads the counters of rows, and keeps these.
func (l *Listing) count(chunk []row) {
	if len(chunk) == 0 {
		return
	}
	l.chunks = append(l.chunks, chunk)
	if l.read == nil {
		return
	}
	for _, t := range l.state.tables {
		l.sgs, l.of = l.sgs[:0], l.of[:0]
		for i := range chunk {
			if sg := chunk[i].sg; sg.Family() == t.family {
				l.sgs, l.of = append(l.sgs, sg), append(l.of, &chunk[i].view.Counters)
			}
		}
		l.readInto()
	}
}

// readInto reads counters of sgs, of one family, to where of says.
func (l *Listing) readInto() {
	if len(l.sgs) == 0 {
		return
	}
	for i, c := range l.read(l.sgs[0].Family(), l.sgs) {
		*l.of[i] = c
	}
}

// rest is all that is small, and does not belong to a moment before the last.
func (l *Listing) rest() {
	s, snap := l.state, l.snap
	snap.Time = l.now
	snap.Groups, snap.Joined = s.res.Groups(), s.joined()
	snap.Flows, snap.Limits = s.limits.flowCounts(), s.limits.views()
	snap.Sizes = mroute.Sizes{Rules: s.in.Routes(), Entries: s.entries()}
	l.links()
}

func (l *Listing) links() {
	s, snap := l.state, l.snap
	for _, t := range s.tables {
		snap.VIFs = max(snap.VIFs, t.vifs.Len())
	}
	for _, link := range s.res.Links() {
		v := mroute.LinkView{Link: link, VIF: mroute.NoVIF, MIF: mroute.NoVIF}
		if n, ok := s.vifs(mroute.IPv4).Of(link.Index); ok {
			v.VIF = n
		}
		if n, ok := s.vifs(mroute.IPv6).Of(link.Index); ok {
			v.MIF = n
		}
		snap.Links = append(snap.Links, v)
	}
}

// Take returns the entries that were gathered since the last call, and of when they
// are. The slice is the caller's until the next one. It does not touch the state, and
// is for digests and surveys.
func (l *Listing) Take() (time.Time, []mroute.EntryView) {
	l.taken = l.taken[:0]
	for _, chunk := range l.chunks {
		for i := range chunk {
			r := &chunk[i]
			r.view.Age = l.now.Sub(l.epoch) - r.since
			switch {
			case !r.foreign:
				l.taken = append(l.taken, r.view)
			case l.survey != nil:
				l.snap.Foreign = append(l.snap.Foreign, r.view)
			}
		}
		l.spare = chunk[:0]
	}
	l.chunks = l.chunks[:0]
	if l.origins != nil {
		l.origins.forget()
	}
	return l.now, l.taken
}

// Snapshot returns what was gathered, when no more is to come. It does not touch
// the state.
func (l *Listing) Snapshot() *mroute.Snapshot {
	snap := l.snap
	if l.survey != nil {
		return snap
	}
	rows := l.inOrder()
	// One that was deleted and set again meanwhile may be there twice.
	last := make(map[mroute.SG]*row, len(rows))
	for _, r := range rows {
		last[r.sg] = r
	}
	snap.Entries = make([]mroute.EntryView, 0, len(last))
	for _, r := range rows {
		r.view.Age = snap.Time.Sub(l.epoch) - r.since
		switch {
		case last[r.sg] != r:
		case r.foreign:
			snap.Foreign = append(snap.Foreign, r.view)
		default:
			snap.Entries = append(snap.Entries, r.view)
		}
	}
	n := 0
	for _, chunk := range l.ruled {
		n += len(chunk)
	}
	snap.Rules = make([]mroute.RuleView, 0, n)
	for _, chunk := range l.ruled {
		for i := range chunk {
			r := &chunk[i]
			if hasEntry(r.Match) {
				e := last[r.Match.SG()]
				if e != nil && !e.foreign && e.view.Kind == mroute.Static && e.view.IIF == r.IIF {
					r.Counters, r.Age = e.view.Counters, e.view.Age
				}
			}
			snap.Rules = append(snap.Rules, *r)
		}
	}
	return snap
}

// hasEntry reports whether a rule with match m can have an entry of its own,
// whose counters are the rule's.
func hasEntry(m mroute.Match) bool {
	return m.IsExact() || !m.Source.IsValid() && m.Group.IsSingleIP()
}

// inOrder returns all rows in order of insertion.
func (l *Listing) inOrder() []*row {
	var rows []*row
	for _, chunk := range l.chunks {
		for i := range chunk {
			rows = append(rows, &chunk[i])
		}
	}
	slices.SortFunc(rows, func(a, b *row) int { return cmp.Compare(a.seq, b.seq) })
	return rows
}

// entries is how many entries there are, or may be.
func (s *State) entries() int {
	n := 0
	for _, t := range s.tables {
		n += t.cells.Len()
	}
	return n
}
