package diagnose

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// arrival looks where packets of the flow arrive, and goes on with those that do
// so where a rule expects them.
func (w *walk) arrival() {
	var right []Seen // on an interface of a rule that takes them
	var wrong []Seen // a rule takes them, elsewhere
	var other []Seen // on an interface of a rule that does not take the source
	for _, s := range w.Seen {
		switch {
		case s.Out || s.Link == "lo" || !w.covers(&s) || w.onTheWay(s.Link):
		case w.takes(s.Source, s.Group, s.Link):
			right = append(right, s)
		case w.takes(s.Source, s.Group, ""):
			wrong = append(wrong, s)
		case slices.Contains(w.inputs, s.Link):
			other = append(other, s)
		}
	}
	flows := w.flowsOf(right)
	switch {
	case len(flows) > 0:
		for _, f := range flows {
			w.routed(f)
		}
		for _, name := range w.inputs {
			w.addressed(name, Risk)
		}
	case len(wrong) > 0:
		w.arrivesElsewhere(wrong)
	case len(other) > 0:
		w.otherSource(other)
	case w.loopOff():
	default:
		w.silence()
	}
}

// onTheWay reports whether packets on a link are on their way to another that is
// looked at as well: the link is a port, or the bridge before an input.
func (w *walk) onTheWay(link string) bool {
	if slices.ContainsFunc(w.inputs, func(name string) bool {
		bridge, _ := w.bridgeBefore(name)
		return bridge != nil && bridge.Name == link && link != name
	}) {
		return true
	}
	l := w.links[link]
	return l != nil && portOf(l) && w.links[l.Master] != nil
}

// flowsOf lists the flows of packets that arrive, and, where no packets could be
// captured, those that the kernel counts.
func (w *walk) flowsOf(seen []Seen) (flows []flow) {
	add := func(f flow) {
		if !slices.Contains(flows, f) {
			flows = append(flows, f)
		}
	}
	for i := range seen {
		add(flow{seen[i].Source, seen[i].Group})
	}
	for _, e := range w.entries() {
		if e.Source.IsZero() || !w.takes(e.Source.Addr(), e.Group.Addr(), e.IIF) || !within(e.Group, w.group) || !w.source.IsZero() && !within(e.Source, w.source) {
			continue
		}
		f := flow{e.Source.Addr(), e.Group.Addr()}
		if n, wrong, _ := w.counted(f); n > wrong {
			add(f)
		}
	}
	return flows
}

// entries are those of the kernel that may be of the flow.
func (w *walk) entries() []*view.Flow {
	if w.group.IsSingleIP() {
		return w.after.single[w.group.Addr()]
	}
	all := make([]*view.Flow, len(w.After.Flows))
	for i := range w.After.Flows {
		all[i] = &w.After.Flows[i]
	}
	return all
}

func (w *walk) arrivesElsewhere(seen []Seen) {
	s := seen[0]
	f := Finding{
		ID: WrongInterface, Severity: Broken, Link: s.Link,
		Text: fmt.Sprintf("Packets of (%v, %v) arrive on %s, and the rule expects them on %s", s.Source, s.Group, s.Link, list(w.inputs)),
	}
	for i := range seen {
		f.Evidence = append(f.Evidence, seen[i].line())
	}
	if _, wrong, e := w.counted(flow{s.Source, s.Group}); e != nil && wrong > 0 {
		f.Evidence = append(f.Evidence, fmt.Sprintf("the entry in the kernel counts %s from a wrong interface", plural(wrong, "packet")))
	}
	for i := range w.ruling {
		f.Evidence = append(f.Evidence, fmt.Sprintf("%s: from %s group %v", place(w.ruling[i].Origin), w.ruling[i].IIF, w.ruling[i].Group))
	}
	f.Fix = []string{
		fmt.Sprintf("smcroutectl add %s %v %v %s", s.Link, s.Source, s.Group, w.outputs(w.inputs[0])),
		"# and in smcroute.conf, or the MulticastRoute: from " + s.Link,
	}
	w.find(f)
}

func (w *walk) otherSource(seen []Seen) {
	s := seen[0]
	f := Finding{
		ID: StopFilter, Severity: Broken, Link: s.Link,
		Text: fmt.Sprintf("Packets to %v come from %v, and no rule takes that source: the kernel stops them", s.Group, s.Source),
	}
	for i := range seen {
		f.Evidence = append(f.Evidence, seen[i].line())
	}
	if _, _, e := w.counted(flow{s.Source, s.Group}); e != nil {
		f.Evidence = append(f.Evidence, fmt.Sprintf("the kernel has a %s entry for (%v, %v)", e.Kind, s.Source, s.Group))
	}
	for i := range w.ruling {
		f.Evidence = append(f.Evidence, fmt.Sprintf("%s: the rule is for the source %v", place(w.ruling[i].Origin), w.ruling[i].Source))
	}
	f.Fix = []string{fmt.Sprintf("smcroutectl add %s %v %v %s", s.Link, s.Source, s.Group, w.outputs(s.Link))}
	w.find(f)
}

// loopOff looks for a sender on the node that keeps its packets from looping
// back, and with that from being routed.
func (w *walk) loopOff() bool {
	for i := range w.Seen {
		s := &w.Seen[i]
		if !s.Out || !w.covers(s) || !slices.Contains(w.inputs, s.Link) || !w.own(s.Source) {
			continue
		}
		if n, _, _ := w.counted(flow{s.Source, s.Group}); n > 0 {
			w.routed(flow{s.Source, s.Group})
			return true
		}
		w.find(Finding{
			ID: SenderLoopOff, Severity: Broken, Link: s.Link,
			Text:     fmt.Sprintf("A program on this node sends to %v and keeps its packets from looping back, so that they are not routed", s.Group),
			Evidence: []string{s.line(), fmt.Sprintf("%v is an address of this node, and the kernel's entry counts no packet", s.Source)},
			Fix:      []string{"# in the program: IP_MULTICAST_LOOP (IPV6_MULTICAST_LOOP) must be 1, which is the default"},
		})
		return true
	}
	return false
}

// own reports whether an address is the node's.
func (d *diagnosis) own(a netip.Addr) bool {
	return slices.ContainsFunc(d.Links, func(l Link) bool {
		return slices.ContainsFunc(l.Addrs, func(p netip.Prefix) bool { return p.Addr() == a })
	})
}

// silence says that nothing arrives, and why that may be.
func (w *walk) silence() {
	if !w.group.IsSingleIP() {
		return // a rule for many groups: nobody need send to one
	}
	if !w.asked && slices.ContainsFunc(w.ruling, func(r view.Rule) bool { return r.Source == w.source && r.Group == w.group && stops(&r) }) {
		return // nor what is to go nowhere
	}
	if !w.Captured {
		if n, _, _ := w.counted(flow{w.source.Addr(), w.group.Addr()}); n > 0 {
			return
		}
	}
	severity := Risk
	if w.asked {
		severity = Broken
	}
	how := "no interface of this node saw one"
	if !w.Captured {
		how = "the kernel's entries count none; what arrives could not be looked at"
	}
	f := Finding{
		ID: NoPackets, Severity: severity,
		Text:     fmt.Sprintf("No packet of %s arrived on %s within %v", w.words(), list(w.inputs), w.Window),
		Evidence: []string{how},
		Fix: []string{
			fmt.Sprintf("# does the sender send, and where? On its machine: ip route get %v", w.group.Addr()),
			fmt.Sprintf("tcpdump -nei %s host %v # while it does", w.inputs[0], w.group.Addr()),
		},
	}
	if len(w.inputs) == 1 {
		f.Link = w.inputs[0]
	}
	w.find(f)
	for _, name := range w.inputs {
		w.expressed(name)
		w.unheard(name, severity)
		w.forgotten(name)
		w.addressed(name, severity)
	}
	if w.source.IsSingleIP() {
		for _, name := range w.inputs {
			w.reversePath(flow{w.source.Addr(), w.group.Addr()}, name, Risk)
		}
	}
}

// unheard says that the group is not asked for, so that switches keep it away.
func (w *walk) unheard(name string, severity Severity) {
	if w.joined(name) {
		return
	}
	w.find(Finding{
		ID: NotJoined, Severity: severity, Link: name,
		Text:     fmt.Sprintf("%v is not joined on %s: a switch that snoops keeps it from this node", w.group, name),
		Evidence: []string{fmt.Sprintf("no program of this node joined %v on %s", w.group, name)},
		Fix: []string{
			fmt.Sprintf("smcroutectl join %s %s", name, w.words()),
			fmt.Sprintf("# and for good: mgroup from %s group %v in smcroute.conf, join: true in a MulticastRoute", name, w.group),
		},
	})
}

// expressed tells of a program that sees packets before everybody else does.
func (w *walk) expressed(name string) {
	l := w.links[name]
	if l == nil || !slices.ContainsFunc(l.Programs, func(p Program) bool { return p.Kind == "xdp" }) {
		return
	}
	w.find(Finding{
		ID: CNIDrop, Severity: Risk, Link: name,
		Text:     fmt.Sprintf("A program of XDP on %s gets packets before this node sees them, and may drop them", name),
		Evidence: []string{"ip link show dev " + name + ": xdp"},
		Fix:      []string{"ip -d link show dev " + name + " # whose program is it?", "# to try without: ip link set dev " + name + " xdp off"},
	})
}

// forgotten looks for a bridge of this node that snoops before an interface, and
// that nobody asks on: it forgets who joined.
func (w *walk) forgotten(name string) {
	bridge, port := w.bridgeBefore(name)
	if bridge == nil || !bridge.Bridge.Snooping || w.asks(bridge.Bridge) {
		return
	}
	evidence := []string{fmt.Sprintf("%s: multicast_snooping 1, and no querier is known", bridge.Name)}
	if port != nil && port.Port != nil && !port.Port.Flood {
		evidence = append(evidence, fmt.Sprintf("%s, its port towards %s, does not get what nobody joined: mcast_flood off", port.Name, name))
	}
	w.find(Finding{
		ID: NoQuerier, Severity: Risk, Link: bridge.Name,
		Text:     fmt.Sprintf("%s, before %s, snoops and has no querier: it forgets who joined", bridge.Name, name),
		Evidence: evidence,
		Fix:      []string{"ip link set dev " + bridge.Name + " type bridge mcast_querier 1", "# or: ip link set dev " + bridge.Name + " type bridge mcast_snooping 0"},
	})
}

// bridgeBefore finds the bridge of this node by which packets come to an interface,
// and its port that leads there.
func (w *walk) bridgeBefore(name string) (bridge, port *Link) {
	l := w.links[name]
	switch {
	case l == nil:
		return nil, nil
	case l.Bridge != nil:
		return l, nil
	case l.Peer != "":
		if port = w.links[l.Peer]; port != nil && w.links[port.Master] != nil && w.links[port.Master].Bridge != nil {
			return w.links[port.Master], port
		}
	}
	return nil, nil
}

func (w *walk) asks(b *Bridge) bool {
	if w.six() {
		return b.Querier6
	}
	return b.Querier4
}
