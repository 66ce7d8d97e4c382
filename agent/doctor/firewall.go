package doctor

import (
	"fmt"
	"os"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/smcroute/kube-smcroute/agent/doctor/diagnose"
)

// maxChains is how many chains are read. Some plug-ins make thousands.
const maxChains = 1000

// ruleKey tells a rule from all others.
type ruleKey struct {
	family, table, chain string
	handle               uint64
}

var families = map[nftables.TableFamily]string{
	nftables.TableFamilyIPv4: "ip", nftables.TableFamilyIPv6: "ip6", nftables.TableFamilyINet: "inet",
	nftables.TableFamilyBridge: "bridge", nftables.TableFamilyNetdev: "netdev",
}

// readChains lists the chains that may drop what is routed, and how many packets
// each of their rules that may has counted.
func readChains() ([]diagnose.Chain, map[ruleKey]uint64, error) {
	c, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = c.CloseLasting() }()
	listed, err := c.ListChains()
	if err != nil {
		return nil, nil, err
	}
	if len(listed) > maxChains {
		return nil, nil, fmt.Errorf("there are %d chains: expected up to %d", len(listed), maxChains)
	}
	chains, counts := []diagnose.Chain{}, map[ruleKey]uint64{}
	for _, l := range listed {
		if l.Table == nil {
			continue
		}
		chain := diagnose.Chain{Family: families[l.Table.Family], Table: l.Table.Name, Name: l.Name}
		if l.Hooknum != nil {
			if chain.Hook = hookName(l); chain.Hook == "" {
				continue // packets that are routed do not come by
			}
			chain.Drops = l.Policy != nil && *l.Policy == nftables.ChainPolicyDrop
		}
		rules, err := c.GetRules(l.Table, l)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", &chain, err)
		}
		for i, r := range rules {
			rule, packets := judge(r)
			if rule.Verdict == "" {
				continue
			}
			rule.Number = i + 1
			chain.Rules = append(chain.Rules, rule)
			counts[ruleKey{chain.Family, chain.Table, chain.Name, r.Handle}] = packets
		}
		chains = append(chains, chain)
	}
	return chains, counts, nil
}

// hookName is the name of a hook, if what is routed comes by it. Numbers are of
// linux/netfilter.h; those of the family netdev are others.
func hookName(c *nftables.Chain) string {
	if c.Table.Family == nftables.TableFamilyNetdev {
		return map[nftables.ChainHook]string{*nftables.ChainHookIngress: "ingress", *nftables.ChainHookEgress: "egress"}[*c.Hooknum]
	}
	return map[nftables.ChainHook]string{
		*nftables.ChainHookPrerouting: "prerouting", *nftables.ChainHookForward: "forward", *nftables.ChainHookPostrouting: "postrouting",
	}[*c.Hooknum]
}

// judge reads what a rule does. Its Verdict is "" if it drops nothing.
func judge(r *nftables.Rule) (rule diagnose.Rule, packets uint64) {
	rule.Handle = r.Handle
	for _, e := range r.Exprs {
		switch e := e.(type) {
		case *expr.Counter:
			rule.Counts, packets = true, e.Packets
		case *expr.Verdict:
			if e.Kind == expr.VerdictDrop {
				rule.Verdict = "drop"
			}
		case *expr.Reject:
			rule.Verdict = "reject"
		case *expr.Target: // of iptables, that nft has no word for
			if e.Name == "REJECT" || e.Name == "DROP" {
				rule.Verdict = map[string]string{"REJECT": "reject", "DROP": "drop"}[e.Name]
			}
		}
	}
	return rule, packets
}

// readFirewall reads netfilter's chains, and what they counted within the window.
func (l *look) readFirewall() {
	chains, counts, err := readChains()
	if err != nil {
		l.unseen("firewall", err)
		return
	}
	for i := range chains {
		for j := range chains[i].Rules {
			r := &chains[i].Rules[j]
			key := ruleKey{chains[i].Family, chains[i].Table, chains[i].Name, r.Handle}
			if before := l.rules[key]; counts[key] > before {
				r.Risen = counts[key] - before
			}
		}
	}
	l.Chains = chains
	for _, name := range []string{"ip_tables_names", "ip6_tables_names"} {
		if text, err := os.ReadFile("/proc/thread-self/net/" + name); err == nil && len(text) > 0 {
			l.unseen("firewall", fmt.Errorf("there are tables of the older kind, of iptables-legacy: see iptables-legacy-save -c"))
			break
		}
	}
}
