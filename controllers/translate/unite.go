package translate

import (
	"cmp"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// maxCredits is how many templates get a row of an (S,G) even though they add
// nothing to what it has.
const maxCredits = 32

// unite gives exact rules that forward the outputs of the templates that cover
// them: by itself an exact rule hides templates. What it returns, if that is anything, are rows with
// the template's origin, so that the packets count for its object too.
func (c *contents) unite() *mroute.Part {
	ts := c.templates()
	if len(ts.shapes) == 0 {
		return nil
	}
	var added []mroute.Route
	rows := make(map[mroute.SG][]*mroute.Route) // the exact rules that forward
	var sgs []mroute.SG                         // those that templates cover, in order
	for i, p := range c.parts {
		if !ts.near(c.by[i]) {
			continue
		}
		for j := range p.Routes {
			r := &p.Routes[j]
			if !r.Match.IsExact() || len(r.To) == 0 {
				continue
			}
			sg := r.Match.SG()
			if have := rows[sg]; have != nil {
				rows[sg] = append(have, r)
			} else if ts.cover(sg) {
				rows[sg] = []*mroute.Route{r}
				sgs = append(sgs, sg)
			}
		}
	}
	for _, sg := range sgs {
		u := union{sg: sg, rows: rows[sg], first: unitedFirst + len(added)}
		for _, r := range rows[sg] {
			if !slices.Contains(u.from, r.From) {
				u.from = append(u.from, r.From)
			}
		}
		for _, template := range ts.covering(sg) {
			u.take(template)
		}
		added = append(added, u.added...)
	}
	if added == nil {
		return nil
	}
	return &mroute.Part{Routes: added}
}

// union is what the rules of one (S,G) come to.
type union struct {
	sg    mroute.SG
	from  []mroute.IfPattern // inputs of the exact rules, each once
	rows  []*mroute.Route    // the exact rules
	added []mroute.Route
	first int // number of what is added
}

// take makes the template a rule of the (S,G) on the inputs that it shares.
func (u *union) take(template *mroute.Route) {
	var done []mroute.IfPattern
	for _, from := range u.from {
		from, ok := from.Common(template.From)
		if !ok || slices.Contains(done, from) {
			continue
		}
		done = append(done, from)
		to := without(template.To, from)
		if len(to) == 0 || len(u.rows)+len(u.added) > maxCredits && !u.lacks(from, to) {
			continue
		}
		r := mroute.Route{From: from, Match: mroute.MatchSG(u.sg), To: to, Origin: template.Origin}
		r.Origin.Seq = u.first + len(u.added)
		u.added = append(u.added, r)
	}
}

// lacks reports whether the rules lack one of the outputs of to.
func (u *union) lacks(from mroute.IfPattern, to []mroute.Output) bool {
	return slices.ContainsFunc(to, func(o mroute.Output) bool {
		has := func(r *mroute.Route) bool {
			return from.Within(r.From) && slices.ContainsFunc(r.To, func(have mroute.Output) bool {
				return have.If == o.If && have.Threshold <= o.Threshold
			})
		}
		return !slices.ContainsFunc(u.rows, has) && !slices.ContainsFunc(u.added, func(r mroute.Route) bool { return has(&r) })
	})
}

// templates finds those that cover an (S,G): by the pair of prefix lengths, of
// which there are few.
type templates struct {
	shapes []shape
	at     map[mroute.Match][]*mroute.Route // by match with the bits beyond lengths cleared
	spans  []span                           // of groups, of the objects that have templates
}

type shape struct {
	family        mroute.Family
	source, group int // source is -1 for any
}

func (s shape) of(sg mroute.SG) mroute.Match {
	m := mroute.Match{}
	m.Group, _ = sg.Group.Prefix(s.group)
	if s.source >= 0 {
		m.Source, _ = sg.Source.Prefix(s.source)
	}
	return m
}

func (c *contents) templates() templates {
	ts := templates{at: make(map[mroute.Match][]*mroute.Route)}
	for i, p := range c.parts {
		if w := c.by[i]; w.templates && ts.add(p) {
			ts.spans = append(ts.spans, w.groups)
		}
	}
	return ts
}

// add adds the templates of a part, and reports whether there are some that forward.
func (ts *templates) add(p *mroute.Part) (some bool) {
	for i := range p.Routes {
		r := &p.Routes[i]
		m := r.Match
		if m.IsExact() || len(r.To) == 0 {
			continue
		}
		some = true
		s := shape{m.Family(), -1, m.Group.Bits()}
		m.Group = m.Group.Masked()
		if m.Source.IsValid() {
			s.source, m.Source = m.Source.Bits(), m.Source.Masked()
		}
		if !slices.Contains(ts.shapes, s) {
			ts.shapes = append(ts.shapes, s)
		}
		ts.at[m] = append(ts.at[m], r)
	}
	return some
}

// near reports whether templates may cover rules of w.
func (ts templates) near(w *wish) bool {
	return slices.ContainsFunc(ts.spans, w.groups.meets)
}

func (ts templates) cover(sg mroute.SG) bool {
	return slices.ContainsFunc(ts.shapes, func(s shape) bool {
		return s.family == sg.Family() && ts.at[s.of(sg)] != nil
	})
}

// covering returns those that cover sg, in order.
func (ts templates) covering(sg mroute.SG) []*mroute.Route {
	var rs []*mroute.Route
	for _, s := range ts.shapes {
		if s.family == sg.Family() {
			rs = append(rs, ts.at[s.of(sg)]...)
		}
	}
	slices.SortFunc(rs, func(a, b *mroute.Route) int { return cmp.Compare(a.Origin.Seq, b.Origin.Seq) })
	return rs
}
