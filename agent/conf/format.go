package conf

import (
	"slices"
	"strconv"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Format writes l as a configuration file, a line for each phyint, route and
// join in the order of Origin.Seq. [Parse] reads it back as the same layer, but
// for what a file cannot say: thresholds of single outputs, a native that is only preferred, overlap other than
// by first match, and origins.
func Format(l mroute.Layer) string {
	type item struct {
		seq   int
		write func(b []byte) []byte
	}
	items := make([]item, 0, len(l.Phyints)+len(l.Routes)+len(l.Joins))
	for i := range l.Phyints {
		phyint := &l.Phyints[i]
		items = append(items, item{phyint.Origin.Seq, func(b []byte) []byte { return appendPhyint(b, phyint) }})
	}
	for i := range l.Joins {
		join := &l.Joins[i]
		items = append(items, item{join.Origin.Seq, func(b []byte) []byte { return appendJoin(b, join) }})
	}
	for i := range l.Routes {
		route := &l.Routes[i]
		items = append(items, item{route.Origin.Seq, func(b []byte) []byte { return appendRoute(b, route) }})
	}
	slices.SortStableFunc(items, func(a, b item) int { return a.seq - b.seq })
	var b []byte
	for _, item := range items {
		b = append(item.write(b), '\n')
	}
	return string(b)
}

func appendPhyint(b []byte, phyint *mroute.Phyint) []byte {
	b = append(b, kwPhyint+" "...)
	b = append(b, phyint.If...)
	if phyint.State == mroute.PhyintDisabled {
		b = append(b, " "+kwDisable...)
	} else {
		b = append(b, " "+kwEnable...)
	}
	if phyint.MRDisc {
		b = append(b, " "+kwMRDisc...)
	}
	if phyint.Threshold != 0 {
		b = append(b, " "+kwTTL+" "...)
		b = strconv.AppendUint(b, uint64(phyint.Threshold), 10)
	}
	return b
}

func appendJoin(b []byte, join *mroute.Join) []byte {
	b = append(b, kwMGroup+" "+kwFrom+" "...)
	b = append(b, join.If...)
	return appendMatch(b, join.Match)
}

func appendRoute(b []byte, route *mroute.Route) []byte {
	b = append(b, kwMRoute+" "+kwFrom+" "...)
	b = append(b, route.From...)
	if len(route.Except) > 0 {
		b = append(b, " "+kwExcept...)
		for i, p := range route.Except {
			b = append(b, " ,"[min(i, 1)])
			b = mroute.AppendPrefix(b, p)
		}
	}
	b = appendMatch(b, route.Match)
	b = appendAnySource(b, route)
	if route.Scopes.Set || len(route.To) > 0 {
		b = append(b, " "+kwTo...)
	}
	if route.Scopes.Set {
		b = append(b, ' ')
		b = strconv.AppendUint(b, uint64(route.Scopes.Bits), 10)
	}
	for _, output := range route.To {
		b = append(b, ' ')
		b = append(b, output.If...)
	}
	return b
}

func appendMatch(b []byte, m mroute.Match) []byte {
	if m.Source.IsValid() && m.Source.Bits() > 0 {
		b = append(b, " "+kwSource+" "...)
		b = mroute.AppendPrefix(b, m.Source)
	}
	b = append(b, " "+kwGroup+" "...)
	if m.Group.Bits() == 0 {
		return m.Group.Addr().AppendTo(b)
	}
	return mroute.AppendPrefix(b, m.Group)
}
