package symptoms

import (
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

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
	l.setMTU(mtu)

	s := l.socket(l.sender, false)
	for range 5 {
		if err := s.send("eth0", sg.Group, size); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.send("eth0", sg.Group, fits); err != nil {
		t.Fatal(err)
	}
	l.arrived.Await(sg, 1, deadline)
	if f := l.arrived.Flow(netlab.In, sg); f.Packets != 1 || f.Bytes != fits {
		t.Errorf("%d packets of together %d bytes arrived, want one of %d", f.Packets, f.Bytes, fits)
	}
	r.counted(sg, 6, 0)
	if n := l.counter(l.node, "snmp", "Ip: FragFails"); n != 5 {
		t.Errorf("IpFragFails is %d, want 5", n)
	}

	// A program that allows fragments.
	s.option(unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT)
	if err := s.send("eth0", sg.Group, size); err != nil {
		t.Fatal(err)
	}
	netlab.Await(t, deadline, func() bool { return l.counter(l.node, "snmp", "Ip: FragOKs") == 1 }, "IpFragOKs to be 1")
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
	l.setMTU(mtu)
	s := l.socket(l.sender, true)
	for range 5 {
		if err := s.send("eth0", sg.Group, size); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.send("eth0", sg.Group, fits); err != nil {
		t.Fatal(err)
	}
	l.arrived.Await(sg, 1, deadline)
	if f := l.arrived.Flow(netlab.In, sg); f.Packets != 1 || f.Bytes != fits {
		t.Errorf("%d packets of together %d bytes arrived, want one of %d", f.Packets, f.Bytes, fits)
	}
	r.counted(sg, 6, 0)
	if n := l.counter(l.node, "snmp6", "Ip6FragFails"); n != 5 {
		t.Errorf("Ip6FragFails is %d, want 5", n)
	}
}

// setMTU sets that of the node's outbound link.
func (l *lab) setMTU(mtu int) {
	l.Helper()
	err := l.node.Do(func() error {
		link, err := netlink.LinkByName("out")
		if err != nil {
			return err
		}
		return netlink.LinkSetMTU(link, mtu)
	})
	if err != nil {
		l.Fatal(err)
	}
}
