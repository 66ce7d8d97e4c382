package translate

import (
	"cmp"
	"slices"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// layers are built up, object by object in order of precedence.
type layers map[Router]*mroute.Layer

// newLayers are those of no object. About so many rules are expected on the node: a large
// layer that grows takes twice its memory.
func newLayers(mainTable uint32, expected int) layers {
	ls := make(layers)
	ls.of(Router{Table: mainTable}).Routes = make([]mroute.Route, 0, expected)
	return ls
}

func (ls layers) of(r Router) *mroute.Layer {
	l, ok := ls[r]
	if !ok {
		l = &mroute.Layer{Name: LayerName}
		ls[r] = l
	}
	return l
}

// add writes down what w wants, and where.
func (ls layers) add(w *wish) {
	origin := mroute.Origin{Ref: w.object.Ref(), Generation: w.object.Generation}
	for _, want := range w.wants {
		if !want.any() {
			continue
		}
		l := ls.of(want.router)
		w.object.Routers = append(w.object.Routers, want.router)
		for _, in := range want.inputs {
			if in.idle {
				continue
			}
			for _, m := range in.matches {
				r := mroute.Route{From: in.from, Match: m, To: in.to, Origin: origin}
				r.Origin.Seq = seq(l)
				if !m.IsExact() {
					r.AnySource, r.MaxFlows = in.anySource(m), in.most
				}
				l.Routes = append(l.Routes, r)
			}
		}
		for _, j := range want.joins {
			j.Origin = origin
			j.Origin.Seq = seq(l)
			l.Joins = append(l.Joins, j)
		}
	}
	slices.SortFunc(w.object.Routers, func(a, b Router) int {
		return cmp.Or(strings.Compare(a.PodUID, b.PodUID), cmp.Compare(a.Table, b.Table))
	})
}

// anySource is how the rule with match m, which is not exact, forwards.
func (in input) anySource(m mroute.Match) mroute.AnySource {
	if m.Source.IsValid() || !m.Group.IsSingleIP() {
		return mroute.LearnSources
	}
	return in.any
}

// any reports whether there is something to program.
func (w want) any() bool {
	return len(w.joins) > 0 || slices.ContainsFunc(w.inputs, func(in input) bool { return !in.idle })
}

// seq is the next number in l, from 1.
func seq(l *mroute.Layer) int { return len(l.Routes) + len(l.Joins) + 1 }

func (ls layers) finish() map[Router]mroute.Layer {
	done := make(map[Router]mroute.Layer, len(ls))
	for r, l := range ls {
		unite(l)
		done[r] = *l
	}
	return done
}
