package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// filterDrops looks for chains of netfilter that may have dropped a flow on its
// way by these hooks: with counters that rose, or else with any rule or policy
// that drops. In and out are its interfaces there; of both "" is any.
func (w *walk) filterDrops(f flow, in, out string, hooks ...string) bool {
	var sure, may []string
	hook := ""
	iptables := false
	for i := range w.Chains {
		c := &w.Chains[i]
		if !c.sees(f, in, out, hooks) {
			continue
		}
		risen := false
		for _, r := range c.Rules {
			switch {
			case r.Risen > 0:
				risen = true
				sure = append(sure, fmt.Sprintf("%s: rule %d (handle %d, %s) counted %s", c, r.Number, r.Handle, r.Verdict, plural(r.Risen, "packet")))
			case !r.Counts && c.Hook != "":
				may = append(may, fmt.Sprintf("%s: rule %d (handle %d) may %s, and does not count", c, r.Number, r.Handle, r.Verdict))
			}
		}
		if c.Drops {
			may = append(may, fmt.Sprintf("%s: its policy is drop", c))
		}
		if hook == "" && c.Hook != "" && (risen || c.Drops || len(c.Rules) > 0) {
			hook = c.Hook
		}
		iptables = iptables || c.iptables()
	}
	evidence := sure
	if len(sure) == 0 {
		evidence = may
	}
	if n := w.Risen["conntrack drop"]; n > 0 {
		w.find(Finding{
			ID: ConntrackFull, Severity: Broken, Source: view.NetOf(f.source), Group: view.NetOf(f.group),
			Text:     "The kernel's table of connections is full, and drops packets of new flows",
			Evidence: []string{fmt.Sprintf("/proc/net/stat/nf_conntrack: drop rose by %d", n), fmt.Sprintf("net.netfilter.nf_conntrack_count = %s of %s", w.Sysctls["netfilter.nf_conntrack_count"], w.Sysctls["netfilter.nf_conntrack_max"])},
			Fix:      []string{"sysctl -w net.netfilter.nf_conntrack_max=262144", fmt.Sprintf("# or leave the flow out: iptables -t raw -I PREROUTING -d %v -j NOTRACK", f.group)},
		})
		return true
	}
	if len(evidence) == 0 {
		return false
	}
	link, way := in, "arrives on"
	if link == "" {
		link, way = out, "is routed to"
	}
	table, chain := "FORWARD", ""
	if in != "" {
		table, chain = "PREROUTING", " -t raw"
	}
	command := "iptables"
	if f.group.Is6() {
		command = "ip6tables"
	}
	fix := []string{fmt.Sprintf("%s%s -I %s -d %v -j ACCEPT", command, chain, table, f.group)}
	if !iptables {
		fix = []string{"nft -a list ruleset", fmt.Sprintf("# and in each chain above that drops, before what does: ip%s daddr %v accept", map[bool]string{true: "6"}[f.group.Is6()], f.group)}
	}
	w.find(Finding{
		ID: FirewallDrop, Severity: Broken, Link: link, Source: view.NetOf(f.source), Group: view.NetOf(f.group),
		Text:     fmt.Sprintf("%v %s %s, and a firewall drops it", f, way, link),
		Evidence: append(w.lines(f, link), evidence...),
		Fix:      fix,
	})
	return true
}

// String names a chain as nft does.
func (c *Chain) String() string {
	hook := ""
	if c.Hook != "" {
		hook = ", hook " + c.Hook
	}
	if c.Link != "" {
		hook += " of " + c.Link
	}
	return fmt.Sprintf("chain %s %s %s%s", c.Family, c.Table, c.Name, hook)
}

// iptables reports whether iptables made the chain.
func (c *Chain) iptables() bool {
	return (c.Family == "ip" || c.Family == "ip6") && slices.Contains([]string{"filter", "raw", "mangle", "nat", "security"}, c.Table)
}

// sees reports whether packets of a flow come by a chain on their way.
func (c *Chain) sees(f flow, in, out string, hooks []string) bool {
	switch c.Family {
	case "ip":
		if f.group.Is6() {
			return false
		}
	case "ip6":
		if !f.group.Is6() {
			return false
		}
	case "netdev":
		return slices.Contains(hooks, c.Hook) && (c.Link == in || c.Link == out)
	case "bridge", "arp":
		return false
	}
	return c.Hook == "" || slices.Contains(hooks, c.Hook)
}

// programDrops looks for programs on an interface that may have dropped a flow:
// network plug-ins are made of them.
func (w *walk) programDrops(f flow, name string, out bool) bool {
	l := w.links[name]
	if l == nil {
		return false
	}
	var names []string
	for _, p := range l.Programs {
		if p.Out == out {
			names = append(names, strings.TrimSpace(p.Kind+" "+p.Name))
		}
	}
	if len(names) == 0 {
		return false
	}
	way, what := "ingress", "arrives on"
	if out {
		way, what = "egress", "is routed to"
	}
	w.find(Finding{
		ID: CNIDrop, Severity: Broken, Link: name, Source: view.NetOf(f.source), Group: view.NetOf(f.group),
		Text:     fmt.Sprintf("%v %s %s, and a program on it drops it: network plug-ins such as Cilium have programs that drop multicast", f, what, name),
		Evidence: append(w.lines(f, name), fmt.Sprintf("on %s, %s: %s", name, way, list(names))),
		Fix:      []string{fmt.Sprintf("tc -s filter show dev %s %s", name, way), "# use a network of the pods that passes multicast on: see docs/cni.md"},
	})
	return true
}
