package translate

import "github.com/smcroute/kube-smcroute/agent/mroute"

// layersOf are the layers of objects, which come in order of precedence.
func layersOf(mainTable uint32, ws []*wish) map[Router]mroute.Layer {
	ls := layers{{Table: mainTable}: {Name: LayerName}}
	ls.makeRoom(ws)
	for _, w := range ws {
		if w.rejection() == nil {
			ls.add(w)
		}
	}
	done := make(map[Router]mroute.Layer, len(ls))
	for r, l := range ls {
		unite(l)
		done[r] = *l
	}
	return done
}

// layers are built up, object by object.
type layers map[Router]*mroute.Layer

// makeRoom makes room for all rules and joins: a large layer that grows takes twice its memory.
func (ls layers) makeRoom(ws []*wish) {
	type size struct{ routes, joins int }
	sizes := make(map[Router]size)
	for _, w := range ws {
		if w.rejection() != nil {
			continue
		}
		for _, want := range w.wants {
			if want.any() {
				s := sizes[want.router]
				rules, joins := want.size()
				sizes[want.router] = size{s.routes + rules, s.joins + joins}
			}
		}
	}
	for r, s := range sizes {
		l := &mroute.Layer{Name: LayerName}
		if s.routes > 0 {
			l.Routes = make([]mroute.Route, 0, s.routes)
		}
		if s.joins > 0 {
			l.Joins = make([]mroute.Join, 0, s.joins)
		}
		ls[r] = l
	}
}

// add writes down what w wants, and where.
func (ls layers) add(w *wish) {
	origin := mroute.Origin{Ref: w.object.Ref(), Generation: w.object.Generation}
	for _, want := range w.wants {
		if !want.any() {
			continue
		}
		l := ls[want.router]
		for _, in := range want.inputs {
			if in.idle {
				continue
			}
			for m := range in.all() {
				r := mroute.Route{From: in.from, Match: m, To: in.to, Origin: origin}
				r.Origin.Seq = seq(l)
				if !m.IsExact() {
					r.AnySource, r.MaxFlows = in.anySource(m), in.most
				}
				l.Routes = append(l.Routes, r)
			}
		}
		for _, j := range want.joins {
			for m := range j.all() {
				join := mroute.Join{If: j.on, Match: m, Origin: origin}
				join.Origin.Seq = seq(l)
				l.Joins = append(l.Joins, join)
			}
		}
	}
}

// anySource is how the rule with match m, which is not exact, forwards.
func (in input) anySource(m mroute.Match) mroute.AnySource {
	if m.Source.IsValid() || !m.Group.IsSingleIP() {
		return mroute.LearnSources
	}
	return in.any
}

// seq is the next number in l, from 1.
func seq(l *mroute.Layer) int { return len(l.Routes) + len(l.Joins) + 1 }
