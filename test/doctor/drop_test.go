package doctor

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/smcroute/kube-smcroute/agent/doctor/diagnose"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// A rule leads packets to a table that another program has.
func TestTableRule(t *testing.T) {
	for _, tt := range []struct{ name, family string }{{"IPv4", "-4"}, {"IPv6", "-6"}} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			if tt.name == "IPv6" {
				l.to = six
			}
			l.start(l.rule()...)
			// A table that nobody ever had is passed over.
			l.startAs("other", []string{"-t", "77"})
			l.command(l.node, "ip", tt.family, "mrule", "add", "iif", "in", "lookup", "77", "priority", "50")
			l.stream()
			l.finds(l.examine(), is(diagnose.SentElsewhere), "to table 77", "leads to table 77 (diverted)", "ip "+tt.family+" mrule del priority 50")
		})
	}
}

// Rules that do something else, or are for some packets: for those without a mark,
// which here are all. The router tells of none for some.
func TestTableRuleKinds(t *testing.T) {
	for _, tt := range []struct{ name, rule, text, evidence string }{
		{"some", "iif in fwmark 0/0xff lookup 77", "leads some of what arrives on in to table 77", "5: from all iif in fwmark 0x0/0xff lookup 77"},
		{"all have no tunnel", "not tun_id 5 lookup 77", "leads what arrives on in to table 77", "5: from all iif any lookup 77"},
		{"over others", "not iif out goto 7", "drops what arrives on in", "7: from all iif any unreachable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			l.start(l.rule()...)
			l.startAs("other", []string{"-t", "77"})
			for _, rule := range []string{tt.rule + " priority 5", "iif in lookup default priority 6", "unreachable priority 7"} {
				l.command(l.node, "ip", append([]string{"mrule", "add"}, strings.Fields(rule)...)...)
			}
			l.stream()
			l.finds(l.examine(), is(diagnose.SentElsewhere), tt.text, tt.evidence)
		})
	}
}

// The kernel's own rule, which leads to the table of a router without -t, is not
// to be deleted.
func TestTableWithoutRule(t *testing.T) {
	for _, tt := range []struct {
		family string
		to     mroute.SG
	}{{"-4", four}, {"-6", six}} {
		t.Run(tt.family, func(t *testing.T) {
			l := newLab(t)
			l.to = tt.to
			l.start(l.rule()...)
			l.startAs("other", []string{"-t", "77"}, l.rule()...)
			l.stream()
			l.finds(l.examineAll("-u", filepath.Join(l.dir, "other.sock"), l.to.Group.String()), is(diagnose.SentElsewhere), "ip "+tt.family+" mrule add iif in lookup 77")
		})
	}
}

func TestBadChecksum(t *testing.T) {
	l := newLab(t)
	l.start(l.rule()...)
	l.streamRaw(l.packet(28, false))
	l.finds(l.examine(), is(diagnose.BadChecksum), "IpExtInCsumErrors rose", "ethtool -K")
}

// A source that the kernel takes from no network: there is no rule to blame.
func TestDroppedBeforeRouting(t *testing.T) {
	l := newLab(t)
	l.to = flow("127.0.0.9", "239.1.1.1")
	l.start(l.rule()...)
	l.stream()
	l.finds(l.examine(), is(diagnose.DroppedInbound), "(127.0.0.9, 239.1.1.1) arrives on in", "skb:kfree_skb")
}

func TestFirewallBeforeRouting(t *testing.T) {
	l := newLab(t)
	l.start(l.rule()...)
	l.command(l.node, "iptables", "-t", "raw", "-A", "PREROUTING", "-d", "239.1.1.1", "-j", "DROP")
	l.stream()
	l.finds(l.examine(), is(diagnose.FirewallDrop), "chain ip raw PREROUTING", "counted", "iptables -t raw -I PREROUTING -d 239.1.1.1 -j ACCEPT")
}

// IPv6 has no rp_filter of its own: firewalls have.
func TestFirewallRPFilter6(t *testing.T) {
	l := newLab(t)
	l.to = flow("2001:db8:99::1", "ff15::1")
	l.start(l.rule()...)
	l.command(l.node, "ip6tables", "-t", "raw", "-A", "PREROUTING", "-m", "rpfilter", "--invert", "-j", "DROP")
	l.stream()
	l.finds(l.examine(), is(diagnose.FirewallDrop), "chain ip6 raw PREROUTING", "counted", "ip6tables -t raw")
}

func TestForwardPolicyDrop(t *testing.T) {
	for _, tt := range []struct{ name, command string }{{"IPv4", "iptables"}, {"IPv6", "ip6tables"}} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			if tt.name == "IPv6" {
				l.to = six
			}
			l.receive(l.to.Group)
			l.start(l.rule()...)
			l.command(l.node, tt.command, "-P", "FORWARD", "DROP")
			l.stream()
			l.finds(l.examine(), is(diagnose.FirewallDrop), "FORWARD", "its policy is drop", tt.command+" -I FORWARD -d "+l.to.Group.String()+" -j ACCEPT")
		})
	}
}

// A packet that conntrack takes for no part of a connection.
func TestConntrackInvalid(t *testing.T) {
	l := newLab(t)
	l.receive(l.to.Group)
	l.start(l.rule()...)
	l.command(l.node, "iptables", "-t", "raw", "-A", "PREROUTING", "-d", "239.1.1.1", "-j", "CT", "--notrack")
	l.command(l.node, "iptables", "-A", "FORWARD", "-m", "conntrack", "!", "--ctstate", "NEW,ESTABLISHED", "-j", "DROP")
	l.stream()
	l.finds(l.examine(), is(diagnose.FirewallDrop), "chain ip filter FORWARD", "counted")
}

// A table of nft itself, with a rule that counts in a chain that others lead to.
func TestNftDrop(t *testing.T) {
	l := newLab(t)
	l.receive(l.to.Group)
	l.start(l.rule()...)
	l.nft()
	l.stream()
	l.finds(l.examine(), is(diagnose.FirewallDrop), "chain inet studio walls: rule 1", "counted", "nft -a list ruleset")
}

// nft makes a table with a chain of the hook forward that leads to one which
// drops all.
func (l *lab) nft() {
	l.Helper()
	err := l.node.Do(func() error {
		c, err := nftables.New()
		if err != nil {
			return err
		}
		table := c.AddTable(&nftables.Table{Name: "studio", Family: nftables.TableFamilyINet})
		walls := c.AddChain(&nftables.Chain{Name: "walls", Table: table})
		forward := c.AddChain(&nftables.Chain{
			Name: "forward", Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter,
		})
		c.AddRule(&nftables.Rule{Table: table, Chain: walls, Exprs: []expr.Any{&expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop}}})
		c.AddRule(&nftables.Rule{Table: table, Chain: forward, Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: "walls"}}})
		return c.Flush()
	})
	if err != nil {
		l.Fatalf("making a table of nft: %v", err)
	}
}

func TestLargerThanMTU(t *testing.T) {
	for _, name := range []string{"IPv4", "IPv6"} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			if name == "IPv6" {
				l.to = six
			}
			l.receive(l.to.Group)
			l.start(l.rule()...)
			l.command(l.node, "ip", "link", "set", "dev", "out", "mtu", "1400")
			l.streamWhole()
			l.finds(l.examine(), is(diagnose.TooLarge), "out: mtu 1400", "FragFails rose", "mtu 1500")
		})
	}
}

// A stop rule is an answer to who asks, and else a note.
func TestStopRule(t *testing.T) {
	l := newLab(t)
	l.start("mroute from in source 192.0.2.1 group 239.1.1.1", "mroute from in group 239.0.0.0/8 to out")
	l.stream()
	l.finds(l.examine(), is(diagnose.NoOutput), "router.conf, line 1 is a stop rule: (192.0.2.1, 239.1.1.1) goes nowhere")
	r := l.examineAll()
	l.finds(r, is(diagnose.NoOutput))
	if r.Broken() {
		l.Errorf("a stop rule breaks something:\n%s", r.Text(true))
	}
}

// A rule that says: nowhere.
func TestNoOutput(t *testing.T) {
	l := newLab(t)
	l.start("mroute from in source 192.0.2.1 group 239.1.1.1 to in")
	l.stream()
	l.finds(l.examine(), is(diagnose.NoOutput), "smcroutectl add in 192.0.2.1 239.1.1.1 OIF")
}

func TestSourceTranslated(t *testing.T) {
	l := newLab(t)
	l.receive(l.to.Group)
	l.start(l.rule()...)
	l.command(l.node, "iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "192.0.2.0/24", "-j", "MASQUERADE")
	l.stream()
	l.finds(l.examine(), is(diagnose.SourceTranslated), "198.51.100.254", "iptables -t nat -I POSTROUTING -d 239.1.1.1 -j ACCEPT")
}

// A queue without room, of which nothing is known but that packets do not leave.
func TestDroppedAfterRouting(t *testing.T) {
	l := newLab(t)
	l.receive(l.to.Group)
	l.start(l.rule()...)
	l.command(l.node, "tc", "qdisc", "add", "dev", "out", "root", "tbf", "rate", "8bit", "burst", "40b", "limit", "40b")
	l.stream()
	r := l.examine()
	if len(r.Findings) > 0 && r.Findings[len(r.Findings)-1].ID == diagnose.NICDrops {
		r.Findings = r.Findings[:len(r.Findings)-1] // kernels differ in what they count
	}
	l.finds(r, is(diagnose.DroppedOutbound), "tc -s qdisc show dev out")
}

// Network plug-ins hang programs on the links of pods. Traffic control has one
// here that drops all.
func TestProgramDrops(t *testing.T) {
	for _, tt := range []struct{ link, hook string }{{"in", "ingress"}, {"out", "egress"}} {
		t.Run(tt.hook, func(t *testing.T) {
			l := newLab(t)
			l.receive(l.to.Group)
			l.start(l.rule()...)
			l.node.Veth("sink", l.node, "nowhere")
			l.command(l.node, "tc", "qdisc", "add", "dev", tt.link, "clsact")
			// Kernels without an action that drops have one that leads elsewhere.
			l.command(l.node, "tc", "filter", "add", "dev", tt.link, tt.hook, "protocol", "ip", "u32", "match", "ip", "dst", "239.1.1.1/32",
				"action", "mirred", "egress", "redirect", "dev", "sink")
			l.stream()
			r := l.examine()
			l.finds(r, is(diagnose.CNIDrop), "tc u32", "tc -s filter show dev "+tt.link+" "+tt.hook)
		})
	}
}

// The other end of a link that takes smaller packets: the node's interface counts
// them as lost.
func TestNICDrops(t *testing.T) {
	l := newLab(t)
	l.receive(l.to.Group)
	l.start(l.rule()...)
	l.command(l.receiver, "ip", "link", "set", "dev", "eth0", "mtu", "600")
	l.streamWhole()
	l.finds(l.examine(), is(diagnose.NICDrops), "tx_dropped of out rose", "ip -s -s link show dev out")
}

// streamWhole has the sender send packets of 1500 bytes, as programs do: of IPv4,
// not to be fragmented.
func (l *lab) streamWhole() {
	l.Helper()
	if l.to.Group.Is4() {
		l.streamRaw(l.packet(1500, true))
		return
	}
	l.streamOn("eth0", netlab.Packet{Payload: make([]byte, 1500-48-16)}) // the headers, and the number
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }
