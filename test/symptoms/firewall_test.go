package symptoms

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// iptables runs iptables, or with -6 as its first argument ip6tables, in a
// namespace, or skips the test.
func (l *lab) iptables(ns *netlab.NS, args ...string) string {
	l.Helper()
	name := "iptables"
	switch args[0] {
	case "-6":
		name, args = "ip6tables", args[1:]
	case "-4":
		args = args[1:]
	}
	if _, err := exec.LookPath(name); err != nil {
		l.Skipf("needs %s, as of Debian's package iptables: %v", name, err)
	}
	out, err := ns.Command(name, args...).CombinedOutput()
	if err != nil {
		l.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// What is forwarded goes through the chain FORWARD. A packet that is dropped
// there has been counted by the entry, and as sent by the outbound interface.
func TestForwardPolicyDrop(t *testing.T) {
	for _, tt := range []struct{ name, version, source, group, all, vifs string }{
		{"IPv4", "-4", "192.0.2.1", "239.1.1.1", "224.0.0.0/4", "ip_mr_vif"},
		{"IPv6", "-6", "2001:db8::1", "ff15::1", "ff00::/8", "ip6_mr_vif"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			sg := flow(tt.source, tt.group)
			r := l.start(l.node, line(sg, "in", "out"))
			l.passes(sg)
			l.arrived.Reset()
			l.iptables(l.node, tt.version, "-P", "FORWARD", "DROP")
			l.send(sg, 64, 5)
			netlab.Flush(t, 1, deadline)
			r.counted(sg, 8, 0)
			l.awaitVIF(l.node, tt.vifs, "out", 0, 8)
			rules := l.iptables(l.node, tt.version, "-nvxL", "FORWARD")
			if !strings.Contains(rules, "policy DROP 5 packets") {
				t.Errorf("iptables does not count 5 packets dropped:\n%s", rules)
			}
			l.iptables(l.node, tt.version, "-I", "FORWARD", "-d", tt.all, "-j", "ACCEPT")
			l.send(sg, 64, 3)
			l.arrived.Await(sg, 3, deadline)
			if n := l.arrived.Count(sg); n != 3 {
				t.Errorf("%d packets arrived, want only the 3 after the rule", n)
			}
		})
	}
}

// A rule that masquerades what leaves the node does so to multicast packets of
// pods, unless it leaves them out.
func TestMasquerade(t *testing.T) {
	l := newLab(t)
	sg := flow("10.244.1.7", "239.1.1.1")
	l.node.AddAddr("in", netip.MustParsePrefix("10.244.1.1/24"))
	l.node.AddAddr("out", netip.MustParsePrefix("192.0.2.1/24"))
	l.iptables(l.node, "-t", "nat", "-A", "POSTROUTING", "-s", "10.244.0.0/16", "!", "-d", "10.244.0.0/16", "-j", "MASQUERADE")
	l.start(l.node, line(sg, "in", "out"))
	l.send(sg, 64, 3)
	l.arrived.Await(flow("192.0.2.1", "239.1.1.1"), 3, deadline) // the node's address
	l.none(sg)
	l.iptables(l.node, "-t", "nat", "-I", "POSTROUTING", "-d", "224.0.0.0/4", "-j", "ACCEPT")
	// The kernel remembers each flow's translation, by ports, for half a minute.
	l.forgetConnections()
	l.passes(sg)
}

// forgetConnections empties the node's table of connections.
func (l *lab) forgetConnections() {
	l.Helper()
	if _, err := exec.LookPath("conntrack"); err != nil {
		l.Skipf("the rest needs conntrack, as of Debian's package of that name: %v", err)
	}
	if out, err := l.node.Command("conntrack", "-F").CombinedOutput(); err != nil {
		l.Fatalf("conntrack -F: %v\n%s", err, out)
	}
}

// With bridge-nf-call-iptables, what two pods of one bridge send each other
// goes through FORWARD as well, though nobody routes it.
//
//	sender:eth0 ---- pod1 \
//	                       cni0 of node
//	receiver:eth0 -- out  /
func TestBridgeNetfilter(t *testing.T) {
	l := newLab(t)
	l.node.Bridge("cni0", "in", "out")
	err := l.node.Do(func() error { return unix.Access("/proc/sys/net/bridge/bridge-nf-call-iptables", unix.R_OK) })
	if err != nil {
		t.Skipf("needs br_netfilter: modprobe br_netfilter: %v", err)
	}
	sg, blocked := flow("10.244.1.7", "239.1.1.1"), flow("10.244.1.7", "239.1.1.2")
	l.iptables(l.node, "-P", "FORWARD", "DROP")
	l.node.Sysctl("bridge/bridge-nf-call-iptables", "1")
	l.send(blocked, 64, 5)
	l.node.Sysctl("bridge/bridge-nf-call-iptables", "0")
	l.passes(sg)
	l.none(blocked)
	l.node.Sysctl("bridge/bridge-nf-call-iptables", "1")
	l.iptables(l.node, "-I", "FORWARD", "-d", "224.0.0.0/4", "-j", "ACCEPT")
	l.passes(sg)
}
