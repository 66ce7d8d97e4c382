package diagnose

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/view"
)

// unroutable reports whether no router forwards a group: RFC 5771, section 4;
// RFC 4291, section 2.7.
func unroutable(group netip.Addr) bool {
	if group.Is6() {
		return group.As16()[1]&0xf <= 2
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{224, 0, 0, 0}), 24).Contains(group)
}

// ruled reports whether a rule takes the flow.
func (w *walk) ruled() bool {
	if unroutable(w.group.Addr()) && w.group.IsSingleIP() {
		w.find(Finding{
			ID: LinkLocalGroup, Severity: Broken,
			Text:     fmt.Sprintf("%v is a link-local group: no router forwards it, whatever its rules say", w.group),
			Evidence: []string{"224.0.0.0/24 (RFC 5771, section 4) and of IPv6 the scopes up to link-local, ff02::/16 (RFC 4291, section 2.7), stay on their network"},
			Fix:      []string{"# send to another group: of 239.0.0.0/8, or ff15::/16 in IPv6"},
		})
		return false
	}
	for i := range w.pending {
		w.wait(&w.pending[i])
	}
	if len(w.ruling) == 0 && len(w.pending) == 0 {
		w.noRule()
	}
	return len(w.ruling) > 0
}

func (w *walk) noRule() {
	f := Finding{
		ID: NoRule, Severity: Broken,
		Text: fmt.Sprintf("No rule takes %s", w.words()),
		Fix:  []string{fmt.Sprintf("smcroutectl add IIF %s OIF", w.words()), "# and for good: a line in smcroute.conf, or a MulticastRoute"},
	}
	all, _ := w.After.InAll()
	f.Evidence = []string{fmt.Sprintf("the router has %s, and none for it", plural(uint64(all), "rule"))}
	for i := range w.Seen {
		s := &w.Seen[i]
		if !s.Out && w.covers(s) && s.Link != "lo" {
			f.Evidence = append(f.Evidence, s.line())
		}
	}
	for i := range w.After.Rules {
		if r := &w.After.Rules[i]; within(w.group, r.Group) {
			f.Evidence = append(f.Evidence, fmt.Sprintf("%s takes the source %v on %s alone", place(r.Origin), r.Source, r.IIF))
		}
	}
	w.find(f)
}

// wait tells of a rule that is not wholly in the kernel.
func (w *walk) wait(p *view.Pending) {
	f := Finding{
		ID: RulePending, Severity: Broken, Source: p.Source, Group: p.Group,
		Evidence: []string{fmt.Sprintf("%s: %s from %s group %v waits: %s (%s)", place(p.Origin), p.Kind, p.IIF, p.Group, p.Reason, p.Cause)},
	}
	if p.Diverted() {
		w.diverted(p, f)
		return
	}
	where := place(p.Origin)
	switch p.Cause {
	case mroute.CauseNoInterface.String(), mroute.CauseNoMatch.String():
		f.ID = InterfaceMissing
		f.Text = fmt.Sprintf("%s waits for an interface: %s", where, p.Reason)
		f.Fix = []string{"ip -br link # is it there under another name?", "# name it in the rule, or make it: the rule takes effect at once"}
	case mroute.CauseNotMulticast.String():
		f.ID = NoMulticast
		f.Text = fmt.Sprintf("%s waits for an interface that can multicast: %s", where, p.Reason)
		f.Link = lastWord(p.Reason, w.links)
		f.Fix = []string{fmt.Sprintf("ip link set dev %s multicast on", orWord(f.Link, "INTERFACE"))}
	case mroute.CauseVIFTableFull.String():
		f.ID = VIFTableFull
		f.Text = fmt.Sprintf("%s has no room: a table of the kernel has 32 interfaces (%s)", where, p.Reason)
		f.Fix = []string{"# fewer outputs for what arrives on " + p.IIF + ": a bridge before many pods counts once"}
	case mroute.CauseTableInUse.String():
		f.ID = TableInUse
		f.Text = fmt.Sprintf("%s waits: another program has the kernel's table", where)
		if o := w.otherOwner(); o != nil {
			f.Evidence = append(f.Evidence, fmt.Sprintf("%s (PID %d) has a raw socket of IGMP", o.Name, o.PID))
			f.Fix = []string{fmt.Sprintf("kill %d", o.PID)}
		} else {
			f.Fix = []string{"ss -awp # who has a raw socket with protocol igmp (2) or 58?"}
		}
	case mroute.CauseFlowLimit.String():
		f.ID = FlowLimit
		f.Text = fmt.Sprintf("%s is held up by a limit on flows: %s", where, p.Reason)
		f.Fix = []string{"# raise --max-flows of smcrouted, or maxFlows of the route; or give the rule sources"}
	default:
		f.Text = fmt.Sprintf("%s is not in the kernel as it should be: %s", where, p.Reason)
		f.Fix = []string{"smcroutectl -d show pending"}
		if p.Kind == string(mroute.PendingGroup) && !p.Group.Addr().Is6() && w.Sysctls["ipv4.igmp_max_memberships"] == "0" {
			f.ID = MembershipLimit
			f.Evidence = append(f.Evidence, "net.ipv4.igmp_max_memberships = 0: no socket may join a group")
			f.Fix = []string{"sysctl -w net.ipv4.igmp_max_memberships=20"}
		}
	}
	if p.Cause == mroute.CauseInProgress.String() {
		f.Severity = Note
	}
	w.find(f)
}

// overgrown tells of limits on flows that hold something up.
func (w *walk) overgrown() {
	if w.found(FlowLimit) || !w.After.Counts.Full || w.Before == nil || w.After.Counts.Refused == w.Before.Counts.Refused {
		return
	}
	w.find(Finding{
		ID: FlowLimit, Severity: Risk,
		Text:     fmt.Sprintf("The router has learned as many flows as it may: %d", w.After.Counts.Limit),
		Evidence: []string{fmt.Sprintf("%s refused within the window", plural(w.After.Counts.Refused-w.Before.Counts.Refused, "flow"))},
		Fix:      []string{"# raise --max-flows of smcrouted"},
	})
}

func (s *Seen) line() string {
	way := "arrives on"
	if s.Out {
		way = "leaves by"
	}
	ttl := fmt.Sprintf("TTL %d", s.TTLMin)
	if s.TTLMax != s.TTLMin {
		ttl = fmt.Sprintf("TTL %d to %d", s.TTLMin, s.TTLMax)
	}
	return fmt.Sprintf("(%v, %v) %s %s: %s, %s", s.Source, s.Group, way, s.Link, plural(s.Packets, "packet"), ttl)
}

func place(o view.Origin) string {
	switch {
	case o.Ref == "":
		return "A rule"
	case o.Line > 0:
		return fmt.Sprintf("%s, line %d", o.Ref, o.Line)
	}
	return "The rule of " + o.Ref
}

func orWord(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// lastWord is the last word of a sentence that is an interface.
func lastWord(text string, links map[string]*Link) (name string) {
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,;:", r) }) {
		if links[word] != nil {
			name = word
		}
	}
	return name
}
