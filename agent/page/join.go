package page

import "github.com/smcroute/kube-smcroute/agent/view"

// join adds what is pending. What has a row there has none of its own: an entry that
// waits for all of its outputs, or whose packets are led away, and a rule.
func (s *streams) join(all []view.Pending) {
	first := int32(s.n)
	at := make(map[[2]addr]int32, len(all)) // the last that is pending of a source and a group
	before := make([]int32, len(all))       // the one before it; -1: none
	for i := range all {
		one := s.at(s.pending(&all[i]))
		flow := [2]addr{one.source, one.group}
		before[i] = -1
		if n, ok := at[flow]; ok {
			before[i] = n
		}
		at[flow] = int32(i)
	}
	for i := range first {
		e := s.at(i)
		last, ok := at[[2]addr{e.source, e.group}]
		if !ok || e.kind == foreignKind {
			continue
		}
		if e.kind != ruleKind && len(s.lists.list[e.oifs]) == 0 {
			s.at(first + last).take(e)
		}
		for n := last; n >= 0 && !e.gone; n = before[n] {
			p := s.at(first + n)
			if p.kind != pendingRoute || p.iif != e.iif {
				continue
			}
			same := all[n].Diverted()
			if e.kind == ruleKind {
				same = s.origins[p.origins.first] == s.origins[e.origins.first]
			}
			if same {
				p.take(e)
			}
		}
	}
}

// take makes another one part of it.
func (s *stream) take(e *stream) {
	if e.kind != ruleKind { // which has counted nothing
		t := e.traffic()
		s.count(&t, e.rate)
	}
	e.gone = true
}
