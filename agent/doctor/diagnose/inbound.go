package diagnose

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// inbound looks at the interfaces on which rules expect the flow, and reports
// whether packets can come in on one.
func (w *walk) inbound() bool {
	fit := false
	for _, name := range w.inputs {
		w.used[name] = true
		fit = w.fit(name, "packets are expected on") || fit
	}
	for _, r := range w.ruling {
		for _, name := range r.OIFs {
			if name != r.IIF {
				w.used[name] = true
				w.fit(name, "packets are to leave by")
			}
		}
	}
	return fit
}

// portOf reports whether packets that arrive on a link go to its master: of a
// bridge, bond or team, and not of a VRF.
func portOf(l *Link) bool { return l.Master != "" && l.Slave != "vrf" }

// fit looks at an interface of a rule.
func (w *walk) fit(name, why string) bool {
	l := w.links[name]
	if l == nil {
		return len(w.Links) == 0 // else the rule would be pending
	}
	f := Finding{Severity: Broken, Link: name}
	switch {
	case !l.Up:
		f.ID = InterfaceDown
		f.Text = fmt.Sprintf("%s is down: %s it", name, why)
		f.Evidence = []string{name + ": the flag UP is not set"}
		f.Fix = []string{"ip link set dev " + name + " up"}
	case !l.Carrier:
		f.ID = InterfaceDown
		f.Text = fmt.Sprintf("%s has no carrier: %s it", name, why)
		f.Evidence = []string{name + ": the flag UP is set, LOWER_UP is not"}
		f.Fix = []string{"# see to the cable, or the other end: ip link show dev " + name, "ip -d link show dev " + name}
	case portOf(l) && slices.Contains(w.inputs, name):
		f.ID = InterfaceIsPort
		f.Text = fmt.Sprintf("%s is a port of %s: for routing, what arrives on it arrives on %s", name, l.Master, l.Master)
		f.Evidence = []string{fmt.Sprintf("%s: master %s", name, l.Master)}
		f.Fix = []string{fmt.Sprintf("smcroutectl add %s %s %s", l.Master, w.words(), w.outputs(name)), "# and in smcroute.conf, or the MulticastRoute: from " + l.Master}
	case !l.Multicast:
		f.ID, f.Severity = NoMulticast, Risk
		f.Text = fmt.Sprintf("%s lacks the flag MULTICAST: %s it", name, why)
		f.Evidence = []string{name + ": the flag MULTICAST is not set"}
		f.Fix = []string{"ip link set dev " + name + " multicast on"}
	default:
		return true
	}
	w.find(f)
	return f.Severity != Broken
}

// outputs are those of the rules on an interface, or a word for them.
func (w *walk) outputs(iif string) string {
	for _, r := range w.ruling {
		if r.IIF == iif && len(r.OIFs) > 0 {
			text := ""
			for i, o := range r.OIFs {
				if i > 0 {
					text += " "
				}
				text += o
			}
			return text
		}
	}
	return "OIF"
}

// joined reports whether some program of the node joined the flow's group on an
// interface.
func (w *walk) joined(link string) bool {
	is := func(m *view.Membership) bool {
		return m.If == link && within(m.Group, w.group) &&
			(m.Source.IsZero() || w.source.IsZero() || within(m.Source, w.source))
	}
	return slices.ContainsFunc(w.joins.single[w.group.Addr()], is)
}

// addressed says that an interface has no address to join with, if that is so.
// Reports of IGMP then come from 0.0.0.0 (RFC 3376, section 4.2.13), which
// switches may ignore; those of MLD need a link-local address (RFC 3810,
// section 5.2.13).
func (w *walk) addressed(name string, severity Severity) {
	l := w.links[name]
	if l == nil || !w.joined(name) {
		return
	}
	if slices.ContainsFunc(l.Addrs, func(p netip.Prefix) bool {
		return p.Addr().Is6() == w.six() && (!w.six() || p.Addr().IsLinkLocalUnicast())
	}) {
		return
	}
	family, fix := "IPv4", "ip address add ADDRESS/LENGTH dev "+name
	if w.six() {
		family, fix = "link-local IPv6", "sysctl -w net.ipv6.conf."+name+".disable_ipv6=0 net.ipv6.conf."+name+".addr_gen_mode=0"
	}
	w.find(Finding{
		ID: NoAddress, Severity: severity, Link: name,
		Text:     fmt.Sprintf("%s has no %s address: reports that ask for %v may be ignored by switches and routers", name, family, w.group),
		Evidence: []string{fmt.Sprintf("%v is joined on %s, which has no %s address", w.group, name, family)},
		Fix:      []string{fix},
	})
}
