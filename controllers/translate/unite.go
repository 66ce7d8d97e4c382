package translate

import (
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// unite gives exact rules that forward the outputs of the templates that cover
// them: by itself an exact rule hides templates. What it adds are rows with the
// template's origin, and only if there is an output that the (S,G) lacks.
func unite(l *mroute.Layer) {
	ts := newTemplates(l.Routes)
	if len(ts.shapes) == 0 {
		return
	}
	u := uniter{layer: l, rows: make(map[mroute.SG][]int)}
	var sgs []mroute.SG // of rules that templates cover, in order
	for i, r := range l.Routes {
		if !r.Match.IsExact() || len(r.To) == 0 {
			continue
		}
		sg := r.Match.SG()
		if rows := u.rows[sg]; rows != nil {
			u.rows[sg] = append(rows, i)
		} else if ts.cover(sg) {
			u.rows[sg] = []int{i}
			sgs = append(sgs, sg)
		}
	}
	for _, sg := range sgs {
		own := slices.Clone(u.rows[sg])
		for _, i := range ts.covering(sg) {
			for _, j := range own {
				u.add(sg, l.Routes[j].From, l.Routes[i])
			}
		}
	}
}

type uniter struct {
	layer *mroute.Layer
	rows  map[mroute.SG][]int // positions of the exact rules that forward
}

// add copies what the template forwards of sg from there, if it is news.
func (u *uniter) add(sg mroute.SG, from mroute.IfPattern, template mroute.Route) {
	from, ok := common(from, template.From)
	if !ok {
		return
	}
	to := slices.DeleteFunc(slices.Clone(without(template.To, from)), func(o mroute.Output) bool {
		return slices.ContainsFunc(u.rows[sg], func(i int) bool {
			r := &u.layer.Routes[i]
			return from.Within(r.From) && slices.ContainsFunc(r.To, func(have mroute.Output) bool {
				return have.If == o.If && have.Threshold <= o.Threshold
			})
		})
	})
	if len(to) == 0 {
		return
	}
	r := mroute.Route{From: from, Match: mroute.MatchSG(sg), To: to, Origin: template.Origin}
	r.Origin.Seq = seq(u.layer)
	u.rows[sg] = append(u.rows[sg], len(u.layer.Routes))
	u.layer.Routes = append(u.layer.Routes, r)
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
