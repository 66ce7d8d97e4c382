package doctor

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/doctor/diagnose"
	"github.com/smcroute/kube-smcroute/agent/kernel/mrule"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
)

// maxRoutes is how many sources are looked up.
const maxRoutes = 1000

// sysctls reads settings of the thread's namespace, as far as they are there.
func sysctls(links []string) map[string]string {
	settings := map[string]string{}
	read := func(name, path string) {
		if text, err := os.ReadFile("/proc/sys/net/" + path); err == nil {
			settings[name] = strings.TrimSpace(string(text))
		}
	}
	for _, name := range []string{
		"ipv4.conf.all.mc_forwarding", "ipv4.igmp_max_memberships",
		"netfilter.nf_conntrack_count", "netfilter.nf_conntrack_max",
	} {
		read(name, strings.ReplaceAll(name, ".", "/"))
	}
	for _, link := range append([]string{"all"}, links...) {
		read("ipv4.conf."+link+".rp_filter", "ipv4/conf/"+link+"/rp_filter")
	}
	return settings
}

func (l *look) readSysctls() {
	var names []string
	for i := range l.Links {
		names = append(names, l.Links[i].Name)
	}
	l.Sysctls = sysctls(names)
}

// addresses lists those of the interfaces, by index.
func (l *look) addresses() map[int][]netip.Prefix {
	byIndex := map[int][]netip.Prefix{}
	addrs, err := l.routes.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		l.unseen("addresses", err)
		return byIndex
	}
	for _, a := range addrs {
		addr, ok := netip.AddrFromSlice(a.IP)
		bits, _ := a.Mask.Size()
		if ok {
			byIndex[a.LinkIndex] = append(byIndex[a.LinkIndex], netip.PrefixFrom(addr.Unmap(), bits))
		}
	}
	return byIndex
}

// readRoutes looks up the way to each source that is known.
func (l *look) readRoutes() {
	var sources []netip.Addr
	add := func(a netip.Addr) {
		if a.Is4() && len(sources) < maxRoutes && !slices.Contains(sources, a) {
			sources = append(sources, a)
		}
	}
	add(l.Source)
	for i := range l.Seen {
		add(l.Seen[i].Source)
	}
	for i := range l.After.Rules {
		if r := &l.After.Rules[i]; r.Source.IsSingleIP() && (!l.Group.IsValid() || r.Group.Contains(l.Group)) {
			add(r.Source.Addr())
		}
	}
	for _, s := range sources {
		name, why := route(s, l.names)
		l.Routes = append(l.Routes, diagnose.Route{To: s, Link: name, Why: why})
	}
}

// route looks up the link by which packets from the thread's namespace go to an
// address.
func route(to netip.Addr, names map[int]string) (link, why string) {
	routes, err := netlink.RouteGet(net.IP(to.AsSlice()))
	switch {
	case errors.Is(err, unix.EINVAL): // it would have no source
		return "", "the route is of type blackhole, or the node has no address"
	case err != nil:
		return "", err.Error()
	case len(routes) == 0:
		return "", "none"
	}
	return names[routes[0].LinkIndex], ""
}

// readTableRules lists the rules that lead packets to tables, in the order in which
// the kernel asks them.
func (l *look) readTableRules() {
	for _, family := range []int{uapi.FamilyIPMR, uapi.FamilyIP6MR} {
		rules, err := mrule.List(family)
		if err != nil {
			l.unseen("rules for tables", err)
			continue
		}
		for i := range rules {
			if rule, acts := tableRule(family, &rules[i]); acts {
				l.TableRules = append(l.TableRules, rule)
			}
		}
	}
}

// tableRule is a rule in words, as packets that arrive meet it. To some it does nothing.
func tableRule(family int, listed *uapi.Rule) (rule diagnose.TableRule, acts bool) {
	r := listed.Met()
	rule = diagnose.TableRule{
		Six: family == uapi.FamilyIP6MR, Priority: r.Priority, Not: r.Invert, IIF: r.IIF, OIF: r.OIF, Table: r.Table, Action: actions[r.Action],
	}
	if r.Action == uapi.RuleGoto {
		rule.Goto = r.Goto
	}
	switch {
	case r.L3MDev:
		rule.Selector = "l3mdev"
	case r.Mark != 0 || r.Mask != 0:
		rule.Selector = fmt.Sprintf("fwmark %#x/%#x", r.Mark, r.Mask)
	}
	return rule, r.Action != uapi.RuleNop
}

// actions are the words of ip for what rules do.
var actions = map[uapi.RuleAction]string{
	uapi.RuleToTable: diagnose.Lookup, uapi.RuleBlackhole: "blackhole", uapi.RuleUnreachable: "unreachable", uapi.RuleProhibit: "prohibit",
}
