package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/view"
)

// routed looks whether the kernel takes a flow in that arrives where a rule
// expects it, and goes on to where it leaves.
func (w *walk) routed(f flow) {
	packets, wrong, entry := w.counted(f)
	if entry != nil && packets > wrong && entry.Kind != view.StopFilter {
		w.outbound(f, entry)
		return
	}
	if w.waits() {
		return // that is why
	}
	if w.found(FlowLimit) && (entry == nil || entry.Kind == view.StopFilter) {
		return // the rule that waits says so
	}
	link := w.arrivesOn(f)
	switch {
	case entry != nil && entry.Kind == view.StopFilter && packets > 0:
		w.stopped(f, entry, link)
	case w.ledElsewhere(f, link):
	case w.damaged(f, link):
	case !f.source.Is6() && w.reversePath(f, link, Broken):
	case w.programDrops(f, link, false):
	case w.filterDrops(f, link, "", "ingress", "prerouting"):
	default:
		w.find(Finding{
			ID: DroppedInbound, Severity: Broken, Link: link, Source: view.NetOf(f.source), Group: view.NetOf(f.group),
			Text:     fmt.Sprintf("Packets of %v arrive on %s, and something drops them before they are routed", f, link),
			Evidence: append(w.lines(f, link), "the entry in the kernel counts none of them"),
			Fix: []string{
				"nft list ruleset # which chain of the hooks ingress or prerouting drops?",
				"perf trace -e skb:kfree_skb --max-events 20 # the kernel's reasons",
			},
		})
	}
}

// waits reports whether a rule is not in the kernel as it should be.
func (w *walk) waits() bool {
	return len(w.pending) > 0 && w.found(InterfaceMissing, NoMulticast, VIFTableFull, TableInUse, RulePending)
}

// arrivesOn is the interface of a rule on which packets of a flow were seen.
func (w *walk) arrivesOn(f flow) string {
	for i := range w.Seen {
		if s := &w.Seen[i]; !s.Out && s.Source == f.source && s.Group == f.group && w.takes(f.source, f.group, s.Link) {
			return s.Link
		}
	}
	return w.inputs[0]
}

// lines are what was seen of a flow on a link.
func (w *walk) lines(f flow, link string) (lines []string) {
	for i := range w.Seen {
		if s := &w.Seen[i]; s.Link == link && s.Source == f.source && s.Group == f.group {
			lines = append(lines, s.line())
		}
	}
	return lines
}

// stopped tells of an entry that stops a flow which a rule takes.
func (w *walk) stopped(f flow, e *view.Flow, link string) {
	finding := Finding{
		ID: StopFilter, Severity: Broken, Link: link, Source: view.NetOf(f.source), Group: view.NetOf(f.group),
		Text:     fmt.Sprintf("An entry of the kernel stops %v, although a rule takes it", f),
		Evidence: append(w.lines(f, link), fmt.Sprintf("the kernel has a stop filter for %v from %s", f, e.IIF)),
		Fix:      []string{"smcroutectl flush", "smcroutectl -d show routes"},
	}
	limited := w.After.Counts.Full || slices.ContainsFunc(w.After.Limits, func(l view.Limit) bool {
		return l.Full && l.Group.Contains(f.group)
	})
	if limited {
		finding.ID = FlowLimit
		finding.Text = fmt.Sprintf("%v is stopped since as many flows are learned as may be", f)
		finding.Evidence = append(finding.Evidence, fmt.Sprintf("%d flows of %d are learned, %d were refused", w.After.Counts.Learned, w.After.Counts.Limit, w.After.Counts.Refused))
		finding.Fix = []string{"# raise --max-flows of smcrouted, or maxFlows of the route", "smcroutectl flush # forgets those that are idle"}
	}
	w.find(finding)
}

// lastPriority is that of the rule that the kernel has made itself (net/ipv4/ipmr.c,
// net/ipv6/ip6mr.c: 0x7fff). Those that are added without a priority come before it.
const lastPriority = 0x7fff

// ledElsewhere looks for a rule of the kernel that leads packets to a table that
// is none of the router's.
func (w *walk) ledElsewhere(f flow, link string) bool {
	next := uint32(0)
	for i := range w.TableRules {
		r := &w.TableRules[i]
		if !r.isFor(link, f.group.Is6()) {
			continue
		}
		switch {
		case r.Priority < next:
			continue
		case r.Goto > 0 && r.Selector != "":
			return false // what is behind it is not for all
		case r.Goto > 0:
			next = r.Goto
			continue
		}
		if r.Action == Lookup && w.ours(r.Table, r.Six) {
			if r.Selector == "" {
				return false // the first that fits decides
			}
			continue
		}
		finding := w.elsewhere(r, link)
		finding.Source, finding.Group = view.NetOf(f.source), view.NetOf(f.group)
		finding.Evidence = slices.Concat(w.lines(f, link), finding.Evidence, []string{"the entry in the kernel counts none of them"})
		w.find(finding)
		return true
	}
	return false
}

// isFor reports whether packets of a family that arrive on a link meet a rule.
func (r *TableRule) isFor(link string, six bool) bool {
	is := r.OIF == "" && (r.IIF == "" || r.IIF == link)
	return r.Six == six && (is != r.Not || r.Not && r.Selector != "")
}

// String is the rule as ip prints it.
func (r *TableRule) String() string {
	words := []string{fmt.Sprintf("%d:", r.Priority)}
	if r.Not {
		words = append(words, "not")
	}
	words = append(words, "from all iif", orWord(r.IIF, "any"))
	if r.OIF != "" {
		words = append(words, "oif", r.OIF)
	}
	if r.Selector != "" {
		words = append(words, r.Selector)
	}
	if words = append(words, r.Action); r.Action == Lookup {
		words = append(words, fmt.Sprint(r.Table))
	}
	return strings.Join(words, " ")
}

// elsewhere tells of a rule that leads what arrives on a link away.
func (w *walk) elsewhere(r *TableRule, link string) Finding {
	family := "-4"
	if r.Six {
		family = "-6"
	}
	fix := fmt.Sprintf("ip %s mrule del priority %d", family, r.Priority)
	if w.After.Table != 0 && r.IIF == "" && r.Selector == "" && r.Action == Lookup {
		// What another router, of table 0, lives by: it stays.
		fix = fmt.Sprintf("ip %s mrule add iif %s lookup %d", family, link, w.After.Table)
		if r.Priority < lastPriority {
			fix += fmt.Sprintf(" priority %d", max(r.Priority, 1)-1)
		}
	}
	what := "what arrives on " + link
	if r.Selector != "" {
		what = "some of " + what
	}
	does := "drops " + what
	if r.Action == Lookup {
		does = fmt.Sprintf("leads %s to table %d, which is not the router's", what, r.Table)
	}
	return Finding{
		ID: SentElsewhere, Severity: Broken, Link: link,
		Text:     "A rule of the kernel " + does,
		Evidence: []string{"ip " + family + " mrule: " + r.String()},
		Fix:      []string{fix},
	}
}

// diverted tells of rules of the kernel for which a rule of the router waits. The
// router has said of what priority they are.
func (w *walk) diverted(p *view.Pending, f Finding) {
	f.ID = SentElsewhere
	f.Text = fmt.Sprintf("%s gets no packets: %s", place(p.Origin), p.Reason)
	f.Fix = []string{"ip -4 mrule; ip -6 mrule # which rule leads to a table that is not the router's?"}
	from, told := mroute.IfPattern(p.IIF), false
	for _, link := range w.inputs {
		for i := range w.TableRules {
			r := &w.TableRules[i]
			if !from.Matches(link, 0) || !r.isFor(link, p.Group.Addr().Is6()) || r.Selector != "" || r.Goto > 0 || !slices.Contains(p.MRules, r.Priority) {
				continue
			}
			one := w.elsewhere(r, link)
			one.Source, one.Group, one.Evidence = f.Source, f.Group, append(one.Evidence, f.Evidence...)
			w.find(one)
			told = true
			break
		}
	}
	if !told {
		w.find(f)
	}
}

// ours reports whether a table is the router's. Table 0 has another number in
// rules: see kernel note 48.
func (w *walk) ours(table uint32, six bool) bool {
	if slices.Contains(w.After.Tables, table) || table == w.After.Table {
		return true
	}
	if w.After.Table != 0 {
		return false
	}
	if six {
		return table == 254
	}
	return table == 253
}

// damaged looks for headers that do not make sense.
func (w *walk) damaged(f flow, link string) bool {
	name := ""
	for _, counter := range []string{"IpExtInCsumErrors", "IpInHdrErrors", "Ip6InHdrErrors"} {
		if strings.HasPrefix(counter, "Ip6") == f.group.Is6() && w.Risen[counter] > 0 {
			name = counter
			break
		}
	}
	// Packets whose hop limit ends here count as errors of the header, too, but
	// were routed.
	if name == "" {
		return false
	}
	w.find(Finding{
		ID: BadChecksum, Severity: Broken, Link: link, Source: view.NetOf(f.source), Group: view.NetOf(f.group),
		Text:     fmt.Sprintf("Packets of %v arrive on %s with headers that are damaged: their checksum is wrong", f, link),
		Evidence: append(w.lines(f, link), fmt.Sprintf("%s rose by %d", name, w.Risen[name])),
		Fix:      []string{"# at the sender, or what is before it: ethtool -K DEVICE tx off"},
	})
	return true
}

// reversePath looks whether rp_filter drops a source. docs/troubleshooting.md
// has the table of what it does.
func (w *walk) reversePath(f flow, link string, severity Severity) bool {
	if f.source.Is6() {
		return false
	}
	all, own := w.Sysctls["ipv4.conf.all.rp_filter"], w.Sysctls["ipv4.conf."+link+".rp_filter"]
	mode := max(all, own) // of one digit each
	i := slices.IndexFunc(w.Routes, func(r Route) bool { return r.To == f.source })
	if i < 0 || mode == "" || mode == "0" {
		return false
	}
	route := w.Routes[i]
	if route.Link == link || route.Link != "" && mode == "2" || route.Link == "lo" {
		return false
	}
	finding := Finding{
		ID: RPFilter, Severity: severity, Link: link, Source: view.NetOf(f.source), Group: view.NetOf(f.group),
		Evidence: append(w.lines(f, link), fmt.Sprintf("net.ipv4.conf.all.rp_filter = %s, net.ipv4.conf.%s.rp_filter = %s: the higher counts", all, link, own)),
		Fix:      []string{fmt.Sprintf("sysctl -w net.ipv4.conf.%s.rp_filter=2", link), fmt.Sprintf("# or a route back: ip route add %v/32 dev %s", f.source, link)},
	}
	if route.Link == "" {
		finding.ID = NoRouteToSource
		finding.Text = fmt.Sprintf("There is no route to the source %v, and rp_filter drops what comes from it", f.source)
		finding.Evidence = append(finding.Evidence, fmt.Sprintf("ip route get %v: %s", f.source, route.Why))
		finding.Fix = []string{fmt.Sprintf("ip route add %v/32 dev %s", f.source, link)}
	} else {
		finding.Text = fmt.Sprintf("rp_filter drops packets from %v on %s, since the route to it is by %s", f.source, link, route.Link)
		finding.Evidence = append(finding.Evidence, fmt.Sprintf("ip route get %v: dev %s", f.source, route.Link))
	}
	if n := w.Risen["TcpExtIPReversePathFilter"]; n > 0 {
		finding.Evidence = append(finding.Evidence, fmt.Sprintf("TcpExtIPReversePathFilter rose by %d", n))
	}
	w.find(finding)
	return true
}
