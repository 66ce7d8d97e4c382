package symptoms

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// A packet that is larger than the outbound link's MTU, as of pods behind
// VXLAN, vanishes: those of ordinary programs must not be fragmented, and of
// multicast packets no router tells the sender (RFC 1122, section 3.2.2).
func TestLargerThanMTU(t *testing.T) {
	const size, fits, mtu = 1472, 1400 - 28, 1400
	l := newLab(t)
	l.sender.AddAddr("eth0", netip.MustParsePrefix("192.0.2.1/24"))
	sg := flow("192.0.2.1", "239.1.1.1")
	r := l.start(l.node, line(sg, "in", "out"))
	l.node.SetMTU("out", mtu)

	s := l.socket(l.sender, false)
	l.passesOnly(s, sg, fits, size)
	r.counted(sg, 6, 0)
	l.awaitCounter(l.node, "snmp", "Ip: FragFails", 5)

	// A program that allows fragments.
	s.option(unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT)
	if err := s.send("eth0", sg.Group, size); err != nil {
		t.Fatal(err)
	}
	l.awaitCounter(l.node, "snmp", "Ip: FragOKs", 1)
	if n := l.counter(l.node, "snmp", "Ip: FragFails"); n != 5 {
		t.Errorf("IpFragFails is %d, want still 5", n)
	}
}

// The same of IPv6, where no router fragments.
func TestLargerThanMTU6(t *testing.T) {
	const size, fits, mtu = 1452, 1400 - 48, 1400
	l := newLab(t)
	l.sender.AddAddr("eth0", netip.MustParsePrefix("2001:db8::1/64"))
	sg := flow("2001:db8::1", "ff15::1")
	r := l.start(l.node, line(sg, "in", "out"))
	l.node.SetMTU("out", mtu)
	s := l.socket(l.sender, true)
	l.passesOnly(s, sg, fits, size)
	r.counted(sg, 6, 0)
	l.awaitCounter(l.node, "snmp6", "Ip6FragFails", 5)
}

// passesOnly checks that of five packets that are too large and one that fits, sent by a
// socket of the sender's, this one alone arrives. Sizes are those of payloads.
func (l *lab) passesOnly(s *socket, sg mroute.SG, fits, large int) {
	l.Helper()
	for _, size := range []int{large, large, large, large, large, fits} {
		if err := s.send("eth0", sg.Group, size); err != nil {
			l.Fatal(err)
		}
	}
	l.arrived.Await(sg, 1, deadline)
	if f := l.arrived.Flow(netlab.In, sg); f.Packets != 1 || f.Bytes != fits {
		l.Errorf("%d packets of together %d bytes arrived, want one of %d", f.Packets, f.Bytes, fits)
	}
}
