package trace

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// Link is an interface of the node.
type Link struct {
	Index  int
	Name   string
	Master int    // index of the bridge, bond or team that it is a port of; 0: none
	Parent int    // index of the link below, of a VLAN or macvlan; 0: none
	VLAN   uint16 // number, of a VLAN; 0: it is none
}

// Flow is what a router says about a flow.
type Flow struct {
	Source, Group netip.Addr // no Source: any
	IIF           string
	OIFs          []string
}

// Flows are those of a group that are in the kernel, by a router's state.
func Flows(s *view.State, group netip.Addr) (flows []Flow) {
	for _, f := range s.Flows {
		if f.Group.Addr() != group || !f.Group.IsSingleIP() {
			continue
		}
		flow := Flow{Group: group, IIF: f.IIF, OIFs: f.OIFs}
		if !f.Source.IsZero() {
			flow.Source = f.Source.Addr()
		}
		flows = append(flows, flow)
	}
	return flows
}

// flowOf finds that of a source; one for any source comes last. nil: there is none.
func flowOf(flows []Flow, source, group netip.Addr) *Flow {
	for _, from := range []netip.Addr{source, {}} {
		i := slices.IndexFunc(flows, func(f Flow) bool { return f.Source == from && f.Group == group })
		if i >= 0 {
			return &flows[i]
		}
	}
	return nil
}

// node knows the links.
type node struct {
	byIndex map[int]Link
	byName  map[string]Link
}

func newNode(links []Link) *node {
	m := &node{byIndex: map[int]Link{}, byName: map[string]Link{}}
	for _, l := range links {
		m.byIndex[l.Index] = l
		m.byName[l.Name] = l
	}
	return m
}

// at is a point with nothing seen yet.
func (m *node) at(p Point, flow *Flow) At {
	name := m.byIndex[p.Link].Name
	a := At{Interface: view.Printable(name), Direction: "in", VLAN: p.VLAN, point: p}
	if a.Interface == "" {
		a.Interface = fmt.Sprintf("if%d", p.Link) // it is gone, or came after the list was made
	}
	if p.Out {
		a.Direction = "out"
	}
	if flow != nil && p.VLAN == 0 {
		switch {
		case name == flow.IIF && !p.Out:
			a.Route = "iif"
		case p.Out && name != flow.IIF && slices.Contains(flow.OIFs, name):
			a.Route = "oif"
		}
	}
	return a
}

// Name is the interface, with the tag's number if there is a tag.
func (a *At) Name() string {
	if a.VLAN != 0 {
		return fmt.Sprintf("%s (VLAN %d)", a.Interface, a.VLAN)
	}
	return a.Interface
}

// expected are outputs of a flow at which nothing was seen.
func (m *node) expected(seen []At, flow *Flow) (missing []At) {
	if flow == nil {
		return nil
	}
	for _, name := range flow.OIFs {
		l, ok := m.byName[name]
		p := Point{Link: l.Index, Out: true}
		if !ok || name == flow.IIF || slices.ContainsFunc(seen, func(a At) bool { return a.point == p }) {
			continue
		}
		missing = append(missing, m.at(p, flow))
	}
	return missing
}

// hops are the pairs of points that packets go between: up to the interface that they are
// routed from, from there to those that they are routed to, and down from there.
func (m *node) hops(seen []At) (pairs [][2]*At) {
	var in, out []*At
	for i := range seen {
		if seen[i].point.Out {
			out = append(out, &seen[i])
		} else {
			in = append(in, &seen[i])
		}
	}
	from := m.origin(in, out)
	for _, lower := range in {
		for _, upper := range in {
			if m.below(lower, upper) {
				pairs = append(pairs, [2]*At{lower, upper})
			}
		}
	}
	if from == nil {
		return pairs
	}
	for _, to := range out {
		above := slices.ContainsFunc(out, func(upper *At) bool { return m.below(to, upper) })
		if !above && to != from {
			pairs = append(pairs, [2]*At{from, to})
		}
	}
	for _, upper := range out {
		for _, lower := range out {
			if m.below(lower, upper) {
				pairs = append(pairs, [2]*At{upper, lower})
			}
		}
	}
	return pairs
}

// below reports whether packets go through lower on their way from or to upper.
func (m *node) below(lower, upper *At) bool {
	l, u := m.byIndex[lower.point.Link], m.byIndex[upper.point.Link]
	if l.Index == 0 || upper.VLAN != 0 {
		return false
	}
	return l.Master != 0 && l.Master == u.Index && lower.VLAN == 0 ||
		u.Parent != 0 && u.Parent == l.Index && lower.VLAN == u.VLAN
}

// origin is where packets are routed from: the route's interface, else the one of those that
// are above others where most came in, else, if the node sends itself, the route's interface
// or the first that they went out of. nil: there is none.
func (m *node) origin(in, out []*At) *At {
	var best *At
	for _, a := range in {
		if a.Route == "iif" {
			return a
		}
		below := slices.ContainsFunc(in, func(upper *At) bool { return m.below(a, upper) })
		if !below && (best == nil || a.Packets > best.Packets) {
			best = a
		}
	}
	if best != nil {
		return best
	}
	for _, a := range out {
		if a.Route == "" && a.Packets > 0 && slices.ContainsFunc(out, func(o *At) bool { return o.Route == "oif" }) {
			return a
		}
		if best == nil || a.Packets > best.Packets {
			best = a
		}
	}
	return best
}
