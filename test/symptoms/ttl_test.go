package symptoms

import (
	"testing"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Packets with a TTL of 1 end at the first router, which counts them all the
// same: its entry and its inbound interface do, its outbound one does not.
func TestTTL1(t *testing.T) {
	for _, tt := range []struct{ name, source, other, group, vifs string }{
		{"IPv4", "192.0.2.1", "192.0.2.2", "239.1.1.1", "ip_mr_vif"},
		{"IPv6", "2001:db8::1", "2001:db8::2", "ff15::1", "ip6_mr_vif"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			sg, after := flow(tt.source, tt.group), flow(tt.other, tt.group)
			r := l.start(l.node, line(sg, "in", "out"), line(after, "in", "out"))
			l.send(sg, 1, 5)
			l.passes(after)
			l.none(sg)
			r.counted(sg, 5, 0)
			l.awaitVIF(l.node, tt.vifs, "in", 8, 0)
			l.awaitVIF(l.node, tt.vifs, "out", 0, 3)
			l.passes(sg) // with a TTL of 64
		})
	}
}

// A router can raise the TTL before it routes.
func TestRaisedTTL(t *testing.T) {
	for _, tt := range []struct {
		name, source, group string
		rule                []string
	}{
		{"IPv4", "192.0.2.1", "239.1.1.1", []string{"-4", "-t", "mangle", "-A", "PREROUTING", "-d", "239.1.1.1", "-j", "TTL", "--ttl-set", "16"}},
		{"IPv6", "2001:db8::1", "ff15::1", []string{"-6", "-t", "mangle", "-A", "PREROUTING", "-d", "ff15::1", "-j", "HL", "--hl-set", "16"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			sg := flow(tt.source, tt.group)
			l.start(l.node, line(sg, "in", "out"))
			l.iptables(l.node, tt.rule...)
			l.send(sg, 1, 3)
			l.arrived.Await(sg, 3, deadline)
			if f := l.arrived.Flow(netlab.In, sg); f.TTLs[15] != 3 {
				t.Errorf("packets arrived with TTLs %v, want 3 with 15", f.TTLs)
			}
		})
	}
}
