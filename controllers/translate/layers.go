package translate

import (
	"math"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// partOf is what an object comes to in a router.
type partOf struct {
	router Router
	part   *mroute.Part
}

// Numbers of rules and joins ([mroute.Origin]) ascend from object to object. Between two there is
// room, so that one that comes later does not give others new numbers: they would be other parts.
const (
	room        = 1 << 32
	unitedFirst = math.MaxInt / 2 // of the rules that unite makes
)

// number gives numbers to objects that come in order of precedence: those that have some keep them, if that
// is in order.
func number(ws []*wish) {
	next := make([]int, len(ws)) // where the nearest object behind begins that has a number
	for i := len(ws) - 2; i >= 0; i-- {
		if next[i] = ws[i+1].first; next[i] == 0 {
			next[i] = next[i+1]
		}
	}
	last := 0 // that is taken
	for i, w := range ws {
		if w.first <= last {
			w.first, w.parts = last+room, nil
			if gap := next[i] - last; gap > 2*w.size+1 {
				w.first = last + gap/2
			}
		}
		last = w.first + w.size
	}
}

// layers are those of the objects that are accepted. Rules that [contents.unite] makes are the
// same part as before if they are the same.
func (t *Translator) layers(mainTable uint32) map[Router]mroute.Layer {
	accepted := make([]*wish, 0, len(t.byAge))
	for _, w := range t.byAge {
		if !w.rejected() {
			accepted = append(accepted, w)
		}
	}
	number(accepted)
	last, c := Router{Table: mainTable}, &contents{}
	of := map[Router]*contents{last: c}
	for _, w := range accepted {
		if w.parts == nil {
			w.parts = w.makeParts()
		}
		for _, p := range w.parts {
			if p.router != last {
				last = p.router
				if c = of[last]; c == nil {
					c = &contents{}
					of[last] = c
				}
			}
			c.parts, c.by = append(c.parts, p.part), append(c.by, w)
		}
	}
	layers := make(map[Router]mroute.Layer, len(of))
	for r, c := range of {
		if p := c.unite(); p == nil {
			delete(t.united, r)
		} else {
			if !same(t.united[r], p) {
				t.united[r] = p
			}
			c.parts = append(c.parts, t.united[r])
		}
		layers[r] = mroute.Layer{Name: LayerName, Parts: c.parts}
	}
	for r := range t.united {
		if of[r] == nil {
			delete(t.united, r)
		}
	}
	return layers
}

// contents is what is in a layer: a part for each object.
type contents struct {
	parts []*mroute.Part
	by    []*wish
}

// same reports whether two parts, or none and one, have the same rules.
func same(a, b *mroute.Part) bool {
	return a != nil && slices.EqualFunc(a.Routes, b.Routes, func(a, b mroute.Route) bool { return a.Origin == b.Origin && a.Same(&b) })
}

// makeParts writes down what w wants, and where.
func (w *wish) makeParts() []partOf {
	parts := make([]partOf, 0, len(w.wants))
	for _, want := range w.wants {
		if want.any() {
			parts = append(parts, partOf{want.router, want.part(w)})
		}
	}
	return parts
}

// part writes down what is wanted of one router.
func (want *want) part(w *wish) *mroute.Part {
	rules, joins := 0, 0
	for _, in := range want.inputs {
		if !in.idle {
			rules += in.size()
		}
	}
	for _, m := range want.joins {
		joins += m.size()
	}
	p := &mroute.Part{Routes: make([]mroute.Route, 0, rules), Joins: make([]mroute.Join, 0, joins)}
	origin := mroute.Origin{Ref: w.object.Ref(), Generation: w.object.Generation}
	number := func() mroute.Origin {
		origin.Seq = w.first + len(p.Routes) + len(p.Joins)
		return origin
	}
	for _, in := range want.inputs {
		if in.idle {
			continue
		}
		for m := range in.all() {
			r := mroute.Route{From: in.from, Match: m, To: in.to, Origin: number()}
			if !m.IsExact() {
				r.AnySource, r.MaxFlows = in.anySource(m), in.most
			}
			p.Routes = append(p.Routes, r)
		}
	}
	for _, j := range want.joins {
		for m := range j.all() {
			p.Joins = append(p.Joins, mroute.Join{If: j.on, Match: m, Origin: number()})
		}
	}
	return p
}

// anySource is how the rule with match m, which is not exact, forwards.
func (in input) anySource(m mroute.Match) mroute.AnySource {
	if m.Source.IsValid() || !m.Group.IsSingleIP() {
		return mroute.LearnSources
	}
	return in.any
}
