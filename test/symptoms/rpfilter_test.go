package symptoms

import (
	"net/netip"
	"strings"
	"testing"
)

// rp_filter judges the source before multicast routing sees the packet: the
// entry counts nothing, and nstat calls it TcpExtIPReversePathFilter.
//
//	sender:eth0 ---- in:node:out ---- eth0:receiver
//	                    node:up           (the default route, in some rows)
func TestReversePathFilter(t *testing.T) {
	sg, after := flow("198.51.100.1", "239.1.1.1"), flow("192.0.2.2", "239.1.1.1")
	for _, tt := range []struct {
		name     string
		all, dev string
		route    string // to the source leaves by this link
		passes   bool
	}{
		{"off, no route", "0", "0", "", true},
		{"strict, no route", "1", "0", "", false},
		{"loose, no route", "2", "0", "", false},
		{"strict, default route elsewhere", "1", "0", "up", false},
		{"loose, default route elsewhere", "2", "0", "up", true},
		{"strict, route back", "1", "0", "in", true},
		{"the interface's own counts if it is higher", "0", "1", "up", false},
		{"loose wins over strict", "1", "2", "up", true},
		{"so it does the other way round", "2", "1", "up", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			l.node.Veth("up", l.receiver, "eth1")
			l.node.AddAddr("in", netip.MustParsePrefix("192.0.2.254/24"))
			if tt.route != "" {
				l.node.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), tt.route, netip.Addr{})
			}
			l.node.Sysctl("ipv4/conf/all/rp_filter", tt.all)
			l.node.Sysctl("ipv4/conf/in/rp_filter", tt.dev)
			r := l.start(l.node, line(sg, "in", "out"), line(after, "in", "out"))
			if tt.passes {
				l.passes(sg)
				return
			}
			l.send(sg, 64, 5)
			l.passes(after) // its source is on the link
			l.none(sg)
			r.counted(sg, 0, 0)
			l.awaitCounter(l.node, "netstat", "TcpExt: IPReversePathFilter", 5)
			// The cures that the page names.
			l.node.Sysctl("ipv4/conf/all/rp_filter", "0")
			l.node.Sysctl("ipv4/conf/in/rp_filter", "0")
			l.passes(sg)
			l.node.Sysctl("ipv4/conf/all/rp_filter", "1")
			l.node.AddRoute(netip.MustParsePrefix("198.51.100.0/24"), "in", netip.Addr{})
			l.passes(sg)
		})
	}
}

// IPv6 has no such setting, but firewalls have rules that do the same, and
// count. The kernel's counter is none of theirs.
func TestReversePathFilterOfFirewall(t *testing.T) {
	l := newLab(t)
	l.node.AddAddr("in", netip.MustParsePrefix("2001:db8::fe/64"))
	sg, after := flow("2001:db8:1::1", "ff15::1"), flow("2001:db8::2", "ff15::1")
	r := l.start(l.node, line(sg, "in", "out"), line(after, "in", "out"))
	l.iptables(l.node, "-6", "-t", "raw", "-A", "PREROUTING", "-m", "rpfilter", "--invert", "-j", "DROP")
	l.send(sg, 64, 5)
	l.passes(after)
	l.none(sg)
	r.counted(sg, 0, 0)
	if rules := l.iptables(l.node, "-6", "-t", "raw", "-nvxL", "PREROUTING"); !strings.Contains(rules, " 5 ") {
		t.Errorf("ip6tables does not count 5 packets:\n%s", rules)
	}
	l.node.AddRoute(netip.MustParsePrefix("2001:db8:1::/64"), "in", netip.Addr{})
	l.passes(sg)
}

// Unicast forwarding need not be on, in either family.
func TestForwardingIsNotNeeded(t *testing.T) {
	l := newLab(t)
	four, six := flow("192.0.2.1", "239.1.1.1"), flow("2001:db8::1", "ff15::1")
	l.node.Sysctl("ipv4/ip_forward", "0")
	l.node.Sysctl("ipv6/conf/all/forwarding", "0")
	l.start(l.node, line(four, "in", "out"), line(six, "in", "out"))
	l.passes(four)
	l.passes(six)
}
