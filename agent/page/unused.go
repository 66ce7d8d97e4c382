package page

import (
	"cmp"
	"slices"
	"sort"
)

// dropUsed drops the rules that an entry is of: these are seen by their entries, and of
// the others no packet has come.
func (s *streams) dropUsed() {
	var rules, byLink []int32
	for i := range int32(s.n) {
		switch one := s.at(i); {
		case one.kind == ruleKind && one.gone: // it is part of what is pending
		case one.kind == ruleKind:
			rules = append(rules, i)
		case one.kind < stopKind:
			byLink = append(byLink, i)
		}
	}
	if len(rules) == 0 {
		return
	}
	byGroup := slices.Clone(byLink)
	slices.SortFunc(byGroup, func(i, j int32) int { return s.at(i).compare(s.at(j)) })
	place := func(a, b *stream) int { return cmp.Or(cmp.Compare(a.iif, b.iif), a.group.compare(b.group)) }
	slices.SortFunc(byLink, func(i, j int32) int { return place(s.at(i), s.at(j)) })
	for _, i := range rules {
		r := s.at(i)
		if _, r.gone = slices.BinarySearchFunc(byGroup, r, func(i int32, r *stream) int { return s.at(i).compare(r) }); r.gone {
			continue // maybe on another interface
		}
		group, source := r.group.net(), r.source.net()
		first := &stream{iif: r.iif, group: addr{of: group.Masked().Addr().As16()}}
		n := sort.Search(len(byLink), func(n int) bool { return place(s.at(byLink[n]), first) >= 0 })
		for ; n < len(byLink) && !r.gone; n++ {
			e := s.at(byLink[n])
			if e.iif != r.iif || !group.Contains(e.group.net().Addr()) {
				break
			}
			from := e.source.net()
			r.gone = source.IsZero() || from.IsZero() || source.Contains(from.Addr())
		}
	}
}
