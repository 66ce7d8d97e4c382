package page

import (
	"context"
	"math"
	"time"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// chunk is how many streams are in one piece of memory, so that none is copied when
// there are more.
const chunk = 1024

// streams are those of a router, and what they share.
type streams struct {
	chunks  [][]stream
	n       int
	rules   int              // of the router, whether they are streams or not
	names   numbers[string]  // of interfaces, files and objects, and reasons
	lists   numbers[[]int32] // outputs, as numbers in names
	origins []origin
	key     []byte // memory
}

// origin is a [view.Origin], with a number in names.
type origin struct{ ref, line int32 }

func (s *streams) at(i int32) *stream { return &s.chunks[i/chunk][i%chunk] }

// add makes room for one, and returns its number.
func (s *streams) add(one stream) int32 {
	i := s.n
	if i%chunk == 0 {
		s.chunks = append(s.chunks, make([]stream, 0, chunk))
	}
	last := &s.chunks[i/chunk]
	*last = append(*last, one)
	s.n++
	return int32(i)
}

// name is the number of a word.
func (s *streams) name(word string) int32 {
	s.key = append(s.key[:0], word...)
	return s.names.number(s.key, func() string { return word })
}

// outputs is the number of a list of interfaces.
func (s *streams) outputs(names []string) int32 {
	s.key = s.key[:0]
	for _, name := range names {
		s.key = append(append(s.key, name...), 0)
	}
	return s.lists.number(s.key, func() []int32 {
		list := make([]int32, len(names))
		for i, name := range names {
			list[i] = s.name(name)
		}
		return list
	})
}

// from notes origins.
func (s *streams) from(all ...view.Origin) span {
	all = all[:min(len(all), math.MaxUint16)]
	in := span{uint32(len(s.origins)), uint16(len(all))}
	for i := range all {
		s.origins = append(s.origins, origin{s.name(all[i].Ref), int32(all[i].Line)})
	}
	return in
}

// entry adds an entry.
func (s *streams) entry(e *view.Flow, kind kind, r rate) {
	one := stream{
		kind: kind, source: addrOf(e.Source), group: addrOf(e.Group), iif: s.name(e.IIF), oifs: s.outputs(e.OIFs),
		origins: s.from(e.Origins...), number: e.Table,
	}
	one.count(&e.Traffic, r)
	one.state = entryState(&one)
	s.add(one)
}

// rule adds a rule.
func (s *streams) rule(r *view.Rule) {
	one := stream{
		kind: ruleKind, source: addrOf(r.Source), group: addrOf(r.Group), iif: s.name(r.IIF), oifs: s.outputs(r.OIFs),
		origins: s.from(r.Origin), state: waiting,
	}
	one.count(&r.Traffic, rate{})
	s.add(one)
}

// pending adds what is pending.
func (s *streams) pending(p *view.Pending) int32 {
	one := stream{
		kind: pendingRoute, source: addrOf(p.Source), group: addrOf(p.Group), iif: s.name(p.IIF), oifs: s.outputs(p.OIFs),
		origins: s.from(p.Origin), reason: s.name(p.Reason), state: pending, idle: -1,
	}
	if p.Kind == kinds[pendingGroup] {
		one.kind = pendingGroup
	}
	return s.add(one)
}

// gather goes over a router.
func gather(ctx context.Context, r Router, h *history) (*streams, *view.State, error) {
	s := &streams{}
	h.begin(time.Now())
	state, err := r.Survey(ctx, view.Visit{
		Rules: func(_ time.Time, rules []view.Rule) {
			s.rules += len(rules)
			for i := range rules {
				if _, has := rules[i].Age.Known(); !has { // of the others the entry is there
					s.rule(&rules[i])
				}
			}
		},
		Flows: func(now time.Time, flows []view.Flow) {
			for i := range flows {
				s.entry(&flows[i], kindOf(flows[i].Kind), h.rate(now, &flows[i], false))
			}
		},
	})
	if err != nil {
		return nil, nil, err
	}
	if state.Time.IsZero() {
		state.Time = time.Now()
	}
	for i := range state.Foreign {
		s.entry(&state.Foreign[i], foreignKind, h.rate(state.Time, &state.Foreign[i], true))
	}
	h.end()
	return s, state, nil
}
