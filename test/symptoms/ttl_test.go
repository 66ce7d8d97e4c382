package symptoms

import "testing"

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
			if in, out := l.vif(l.node, tt.vifs, "in"); in != 8 || out != 0 {
				t.Errorf("%s counts in: %d packets in and %d out, want 8 and 0", tt.vifs, in, out)
			}
			if in, out := l.vif(l.node, tt.vifs, "out"); in != 0 || out != 3 {
				t.Errorf("%s counts out: %d packets in and %d out, want 0 and 3", tt.vifs, in, out)
			}
			l.passes(sg) // with a TTL of 64
		})
	}
}
