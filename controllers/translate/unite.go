package translate

import (
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// maxCredits is how many templates get a row of an (S,G) even though they add
// nothing to what it has.
const maxCredits = 32

// unite gives exact rules that forward the outputs of the templates that cover
// them: by itself an exact rule hides templates. What it adds are rows with the
// template's origin, so that the packets count for its object too.
func unite(l *mroute.Layer) {
	ts := newTemplates(l.Routes)
	if len(ts.shapes) == 0 {
		return
	}
	rows := make(map[mroute.SG][]int) // positions of the exact rules that forward
	var sgs []mroute.SG               // those that templates cover, in order
	for i, r := range l.Routes {
		if !r.Match.IsExact() || len(r.To) == 0 {
			continue
		}
		sg := r.Match.SG()
		if have := rows[sg]; have != nil {
			rows[sg] = append(have, i)
		} else if ts.cover(sg) {
			rows[sg] = []int{i}
			sgs = append(sgs, sg)
		}
	}
	for _, sg := range sgs {
		u := union{layer: l, sg: sg, rows: rows[sg]}
		for _, i := range rows[sg] {
			if from := l.Routes[i].From; !slices.Contains(u.from, from) {
				u.from = append(u.from, from)
			}
		}
		for _, i := range ts.covering(sg) {
			u.take(l.Routes[i])
		}
	}
}

// union is what the rules of one (S,G) come to.
type union struct {
	layer *mroute.Layer
	sg    mroute.SG
	from  []mroute.IfPattern // inputs of the exact rules, each once
	rows  []int              // positions of all rules so far
}

// take makes the template a rule of the (S,G) on the inputs that it shares.
func (u *union) take(template mroute.Route) {
	var done []mroute.IfPattern
	for _, from := range u.from {
		from, ok := from.Common(template.From)
		if !ok || slices.Contains(done, from) {
			continue
		}
		done = append(done, from)
		to := without(template.To, from)
		if len(to) == 0 || len(u.rows) > maxCredits && !u.lacks(from, to) {
			continue
		}
		r := mroute.Route{From: from, Match: mroute.MatchSG(u.sg), To: to, Origin: template.Origin}
		r.Origin.Seq = seq(u.layer)
		u.rows = append(u.rows, len(u.layer.Routes))
		u.layer.Routes = append(u.layer.Routes, r)
	}
}

// lacks reports whether the rules lack one of the outputs of to.
func (u *union) lacks(from mroute.IfPattern, to []mroute.Output) bool {
	return slices.ContainsFunc(to, func(o mroute.Output) bool {
		return !slices.ContainsFunc(u.rows, func(i int) bool {
			r := &u.layer.Routes[i]
			return from.Within(r.From) && slices.ContainsFunc(r.To, func(have mroute.Output) bool {
				return have.If == o.If && have.Threshold <= o.Threshold
			})
		})
	})
}

// templates finds those that cover an (S,G): by the pair of prefix lengths, of
// which there are few.
type templates struct {
	shapes []shape
	at     map[mroute.Match][]int // by match with the bits beyond lengths cleared
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

func newTemplates(routes []mroute.Route) templates {
	ts := templates{at: make(map[mroute.Match][]int)}
	for i := range routes {
		m := routes[i].Match
		if m.IsExact() || len(routes[i].To) == 0 {
			continue
		}
		s := shape{m.Family(), -1, m.Group.Bits()}
		m.Group = m.Group.Masked()
		if m.Source.IsValid() {
			s.source, m.Source = m.Source.Bits(), m.Source.Masked()
		}
		if !slices.Contains(ts.shapes, s) {
			ts.shapes = append(ts.shapes, s)
		}
		ts.at[m] = append(ts.at[m], i)
	}
	return ts
}

func (ts templates) cover(sg mroute.SG) bool {
	return slices.ContainsFunc(ts.shapes, func(s shape) bool {
		return s.family == sg.Family() && ts.at[s.of(sg)] != nil
	})
}

// covering returns the positions of those that cover sg, in order.
func (ts templates) covering(sg mroute.SG) []int {
	var is []int
	for _, s := range ts.shapes {
		if s.family == sg.Family() {
			is = append(is, ts.at[s.of(sg)]...)
		}
	}
	slices.Sort(is)
	return is
}
