package diagnose

import (
	"fmt"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// outbound looks whether a flow that the kernel has taken in leaves, and goes on
// to who should hear it.
func (w *walk) outbound(f flow, entry *view.Flow) {
	var outputs []string
	for _, name := range entry.OIFs {
		if name != entry.IIF {
			outputs = append(outputs, name)
		}
	}
	if len(outputs) == 0 && w.waits() {
		return // that is why
	}
	if len(outputs) == 0 {
		w.goesNowhere(f, entry.IIF)
		return
	}
	arrives := w.seen(f, entry.IIF, false)
	for _, name := range outputs {
		w.leaves(f, name, arrives)
	}
}

// goesNowhere tells of a flow without outputs. If a stop rule wants that it is as it
// should be, unless somebody asks why the flow does not arrive.
func (w *walk) goesNowhere(f flow, link string) {
	finding := Finding{
		ID: NoOutput, Severity: Broken, Source: view.NetOf(f.source), Group: view.NetOf(f.group), Link: link,
		Text:     fmt.Sprintf("%v arrives, and has no interface to leave by", f),
		Evidence: []string{fmt.Sprintf("the entry in the kernel from %s has no outputs", link)},
		Fix:      []string{fmt.Sprintf("smcroutectl add %s %v %v OIF", link, f.source, f.group)},
	}
	for _, r := range w.rules.of(finding.Group) { // which may take less than this walk looks at
		if r.IIF == link && stops(r) && takes(r, f.source, f.group) {
			finding.Text = fmt.Sprintf("%s is a stop rule: %v goes nowhere", place(r.Origin), f)
			if !w.asked {
				finding.Severity = Note
			}
			break
		}
	}
	w.find(finding)
}

// stops reports whether a rule has what it takes go nowhere.
func stops(r *view.Rule) bool { return len(r.OIFs) == 0 }

// seen is what was seen of a flow on a link, or nil.
func (w *walk) seen(f flow, link string, out bool) *Seen {
	for i := range w.Seen {
		if s := &w.Seen[i]; s.Out == out && s.Link == link && s.Source == f.source && s.Group == f.group {
			return s
		}
	}
	return nil
}

// leaves looks at one output.
func (w *walk) leaves(f flow, name string, arrives *Seen) {
	leaves := w.seen(f, name, true)
	w.tooLow(f, name, arrives, leaves != nil)
	w.tooLarge(f, name, arrives)
	translated := w.translated(f, name)
	if leaves == nil && !translated {
		// A packet or two may have been counted and are yet to be seen.
		if w.Captured && arrives != nil && arrives.Packets > 1 && !w.found(TTLTooLow, TooLarge) && !w.foundOn(name, InterfaceDown) {
			w.lost(f, name)
		}
		return
	}
	if l := w.links[name]; l != nil && w.Captured {
		w.beyond(f, l)
	}
}

func (w *walk) foundOn(link string, id ID) bool {
	return slices.ContainsFunc(w.findings, func(f Finding) bool { return f.ID == id && f.Link == link })
}

// lost says who drops what was routed.
func (w *walk) lost(f flow, name string) {
	switch {
	case w.filterDrops(f, "", name, "forward", "postrouting", "egress"):
	case w.programDrops(f, name, true):
	default:
		w.find(Finding{
			ID: DroppedOutbound, Severity: Broken, Link: name, Source: view.NetOf(f.source), Group: view.NetOf(f.group),
			Text:     fmt.Sprintf("Packets of %v are routed to %s, and do not leave by it", f, name),
			Evidence: []string{"the entry in the kernel counts them", "none was seen to leave by " + name},
			Fix:      []string{"nft list ruleset # which chain of the hooks forward, postrouting or egress drops?", "tc -s qdisc show dev " + name},
		})
	}
}

// tooLow looks for packets that may not go on.
func (w *walk) tooLow(f flow, name string, arrives *Seen, some bool) {
	threshold := uint8(1)
	for _, t := range w.Thresholds {
		if t.Link == name && t.Group == f.group && (t.Source == f.source || !t.Source.IsValid()) {
			threshold = t.TTL
		}
	}
	if arrives == nil || arrives.TTLMin > threshold {
		return
	}
	finding := Finding{
		ID: TTLTooLow, Severity: Broken, Source: view.NetOf(f.source), Group: view.NetOf(f.group),
		Text:     fmt.Sprintf("The sender %v sends with a TTL of %d: packets end at this node", f.source, arrives.TTLMin),
		Evidence: []string{arrives.line()},
		Fix: []string{
			"# at the sender: IP_MULTICAST_TTL (IPV6_MULTICAST_HOPS); of ffmpeg ?ttl=16, of VLC --ttl 16, of iperf -T 16",
			fmt.Sprintf("# or here: iptables -t mangle -A PREROUTING -d %v -j TTL --ttl-set 16", f.group),
		},
	}
	if f.group.Is6() {
		finding.Fix[1] = fmt.Sprintf("# or here: ip6tables -t mangle -A PREROUTING -d %v -j HL --hl-set 16", f.group)
	}
	if threshold > 1 && arrives.TTLMin > 1 {
		finding.Link = name
		finding.Text = fmt.Sprintf("Packets of %v arrive with a TTL of %d, and %s lets those above %d pass", f, arrives.TTLMin, name, threshold)
		finding.Evidence = append(finding.Evidence, fmt.Sprintf("the threshold of %s is %d", name, threshold))
	}
	if some {
		finding.Severity = Risk
	}
	w.find(finding)
}

// tooLarge looks for packets that do not fit.
func (w *walk) tooLarge(f flow, name string, arrives *Seen) {
	l, counter := w.links[name], "IpFragFails"
	if f.group.Is6() {
		counter = "Ip6FragFails"
	}
	if l == nil || arrives == nil || arrives.LargestB <= l.MTU || w.Risen[counter] == 0 {
		return
	}
	w.find(Finding{
		ID: TooLarge, Severity: Broken, Link: name, Source: view.NetOf(f.source), Group: view.NetOf(f.group),
		Text:     fmt.Sprintf("Packets of %v have up to %d bytes, and %s takes %d: larger ones are lost, and nobody tells the sender", f, arrives.LargestB, name, l.MTU),
		Evidence: []string{arrives.line(), fmt.Sprintf("%s: mtu %d", name, l.MTU), fmt.Sprintf("%s rose by %d", counter, w.Risen[counter])},
		Fix:      []string{fmt.Sprintf("# smaller packets at the sender, or: ip link set dev %s mtu %d", name, arrives.LargestB)},
	})
}

// translated looks for a flow that leaves with another source.
func (w *walk) translated(f flow, name string) bool {
	if w.seen(f, name, true) != nil {
		return false
	}
	for i := range w.Seen {
		s := &w.Seen[i]
		if !s.Out || s.Link != name || s.Group != f.group || !w.own(s.Source) {
			continue
		}
		w.find(Finding{
			ID: SourceTranslated, Severity: Broken, Link: name, Source: view.NetOf(f.source), Group: view.NetOf(f.group),
			Text:     fmt.Sprintf("%v leaves by %s as from %v, this node: who joined for the source %v gets nothing", f, name, s.Source, f.source),
			Evidence: []string{s.line(), "none leaves with its own source: a rule of the firewall masquerades"},
			Fix: []string{
				fmt.Sprintf("iptables -t nat -I POSTROUTING -d %v -j ACCEPT", f.group),
				"conntrack -F # or 30 s without a packet",
			},
		})
		return true
	}
	return false
}
