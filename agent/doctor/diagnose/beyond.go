package diagnose

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// beyond looks at what is behind an output by which a flow leaves.
func (w *walk) beyond(f flow, l *Link) {
	if len(l.Children) > 0 {
		w.find(Finding{
			ID: MacvlanChild, Severity: Risk, Link: l.Name, Source: view.NetOf(f.source), Group: view.NetOf(f.group),
			Text:     fmt.Sprintf("Macvlan interfaces on %s never hear what this node sends by it", l.Name),
			Evidence: []string{fmt.Sprintf("on %s: %s", l.Name, list(l.Children))},
			Fix:      []string{"# give the pods an interface of a bridge, or add the macvlan's network by another node: see docs/cni.md"},
		})
	}
	if l.Bridge != nil && w.noMember(f, l) {
		return
	}
	var behind []*Receiver
	for i := range w.Receivers {
		r := &w.Receivers[i]
		if port := w.links[r.Link]; r.Known && (r.Link == l.Name || port != nil && port.Master == l.Name) {
			behind = append(behind, r)
		}
	}
	heard := false
	for _, r := range behind {
		heard = heard || w.hears(f, r)
	}
	if len(behind) > 0 && !heard {
		w.deaf(f, l, behind)
	}
}

// noMember looks for a bridge that snoops, that somebody asks on, and that has
// nobody to give a flow to.
func (w *walk) noMember(f flow, l *Link) bool {
	b := l.Bridge
	if !b.Snooping || !w.asks(b) || len(b.Routers) > 0 {
		return false
	}
	if slices.ContainsFunc(b.Members, func(m Member) bool {
		return m.Port != l.Name && m.Group == f.group && (!m.Source.IsValid() || m.Source == f.source)
	}) {
		return false
	}
	w.find(Finding{
		ID: NoMember, Severity: Broken, Link: l.Name, Source: view.NetOf(f.source), Group: view.NetOf(f.group),
		Text:     fmt.Sprintf("%v leaves by the bridge %s, which snoops and knows nobody who joined: no port gets it", f, l.Name),
		Evidence: []string{fmt.Sprintf("bridge mdb show dev %s: no member of %v, no router", l.Name, f.group), l.Name + ": multicast_snooping 1, and there is a querier"},
		Fix:      []string{fmt.Sprintf("# the program behind %s must join %v; to see whether it did: bridge mdb show dev %s", l.Name, f.group, l.Name)},
	})
	return true
}

// is reports whether a membership is of a flow.
func is(m *view.Membership, f flow) bool {
	return m.Group.Contains(f.group) && (m.Source.IsZero() || m.Source.Contains(f.source))
}

// hears reports whether programs in a namespace joined a flow where it comes.
func (w *walk) hears(f flow, r *Receiver) bool {
	if !slices.ContainsFunc(r.Joined, func(m view.Membership) bool { return m.If == r.Inside && is(&m, f) }) {
		return false
	}
	mode := max(r.Sysctls["ipv4.conf.all.rp_filter"], r.Sysctls["ipv4.conf."+r.Inside+".rp_filter"])
	route, asked := r.Route[f.source]
	if f.source.Is6() || !asked || mode == "" || mode == "0" || route == r.Inside || route != "" && mode == "2" {
		return true
	}
	evidence := fmt.Sprintf("its rp_filter is %s, and its route to %v is by %s", mode, f.source, orWord(route, "none"))
	w.find(Finding{
		ID: ReceiverRPFilter, Severity: Broken, Link: r.Link, Source: view.NetOf(f.source), Group: view.NetOf(f.group),
		Text:     fmt.Sprintf("The receiver behind %s (%s) drops %v: it expects the source elsewhere than on %s", r.Link, r.Name, f, r.Inside),
		Evidence: []string{evidence},
		Fix:      []string{fmt.Sprintf("# in the receiver's namespace: ip route add %v/32 dev %s", f.source, r.Inside), fmt.Sprintf("# or: sysctl -w net.ipv4.conf.%s.rp_filter=2", r.Inside)},
	})
	return true
}

// deaf says why nobody behind an output hears.
func (w *walk) deaf(f flow, l *Link, behind []*Receiver) {
	finding := Finding{
		ID: ReceiverNotJoin, Severity: Broken, Link: l.Name, Source: view.NetOf(f.source), Group: view.NetOf(f.group),
		Text: fmt.Sprintf("No program behind %s joined %v, so none gets it", l.Name, f.group),
		Fix:  []string{fmt.Sprintf("# the program must join %v on the interface where it comes; to try: mcast recv -i INTERFACE %v", f.group, f.group)},
	}
	for _, r := range behind {
		for i := range r.Joined {
			if m := &r.Joined[i]; m.If != r.Inside && is(m, f) {
				w.find(Finding{
					ID: JoinedElsewhere, Severity: Broken, Link: r.Link, Source: view.NetOf(f.source), Group: view.NetOf(f.group),
					Text:     fmt.Sprintf("The receiver behind %s (%s) joined %v on %s, and packets come by %s", r.Link, r.Name, f.group, m.If, r.Inside),
					Evidence: []string{fmt.Sprintf("%s: %v is joined on %s, not on %s", r.Name, f.group, m.If, r.Inside)},
					Fix:      []string{"# tell the program its interface: mcast recv -i " + r.Inside, fmt.Sprintf("# or in its namespace: ip route add %v/32 dev %s", f.group, r.Inside)},
				})
				return
			}
		}
		names := make([]string, 0, len(r.Joined))
		four := 0
		for i := range r.Joined {
			names = append(names, fmt.Sprintf("%v on %s", r.Joined[i].Group, r.Joined[i].If))
			if !r.Joined[i].Group.Addr().Is6() {
				four++
			}
		}
		if limit, err := strconv.Atoi(r.Sysctls["ipv4.igmp_max_memberships"]); err == nil && !f.group.Is6() && four >= limit {
			w.find(Finding{
				ID: ReceiverLimit, Severity: Broken, Link: r.Link, Source: view.NetOf(f.source), Group: view.NetOf(f.group),
				Text:     fmt.Sprintf("The receiver behind %s (%s) joined as many groups as a socket may, and not %v", r.Link, r.Name, f.group),
				Evidence: []string{fmt.Sprintf("%d groups are joined, net.ipv4.igmp_max_memberships = %d: a join beyond fails with ENOBUFS", four, limit)},
				Fix:      []string{"# in the receiver's namespace: sysctl -w net.ipv4.igmp_max_memberships=100", "# or in the program: a socket for each 20 groups"},
			})
			return
		}
		if len(names) > 8 {
			names = append(names[:8], "more")
		}
		finding.Evidence = append(finding.Evidence, fmt.Sprintf("%s, behind %s, joined %s", r.Name, r.Link, orWord(strings.Join(names, ", "), "nothing")))
	}
	w.find(finding)
}
