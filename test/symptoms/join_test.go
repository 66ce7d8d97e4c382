package symptoms

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// A program that joins without saying where does so where the default route
// leaves, which in a pod with a second network is not where the packets come.
//
//	peer ---- eth0:pod           (the default route)
//	sender:eth0 ---- net1:pod
func TestJoinOnOtherInterface(t *testing.T) {
	l := &lab{T: t, sender: netlab.New(t), dir: t.TempDir()}
	pod := netlab.New(t)
	netlab.New(t).Veth("eth0", pod, "eth0")
	l.sender.Veth("eth0", pod, "net1")
	pod.AddAddr("eth0", netip.MustParsePrefix("10.244.1.7/24"))
	pod.AddAddr("net1", netip.MustParsePrefix("192.0.2.7/24"))
	pod.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), "eth0", netip.MustParseAddr("10.244.1.1"))
	sg, beyond := flow("192.0.2.1", "239.1.1.1"), flow("198.51.100.1", "239.1.1.1")
	arrived := pod.Capture("net1")
	send := func(n int) {
		t.Helper()
		before := arrived.Count(sg)
		l.send(sg, 64, n)
		arrived.Await(sg, before+n, deadline)
	}

	s := l.socket(pod, false)
	s.listen()
	// Linux gives a socket what others of its namespace joined, too, unless
	// it is told not to.
	s.option(unix.IPPROTO_IP, ipMulticastAll, 0)
	if err := s.join("", sg.Group); err != nil {
		t.Fatal(err)
	}
	if m := pod.Memberships("eth0"); len(m) != 1 || len(pod.Memberships("net1")) != 0 {
		t.Fatalf("joined %v on eth0 and %v on net1, want one on eth0", m, pod.Memberships("net1"))
	}
	send(5)
	if n := s.receives(none); n != 0 {
		t.Errorf("the program gets %d packets, want none", n)
	}
	if err := s.join("net1", sg.Group); err != nil {
		t.Fatal(err)
	}
	send(3)
	if n := s.receives(some); n != 3 {
		t.Errorf("once it has joined on net1 the program gets %d packets, want 3", n)
	}

	// The same program, and a sender to which the pod's route leads by eth0.
	pod.Sysctl("ipv4/conf/net1/rp_filter", "1")
	l.send(beyond, 64, 5)
	arrived.Await(beyond, 5, deadline)
	if n := s.receives(none); n != 0 {
		t.Errorf("with rp_filter the program gets %d packets from beyond the network, want none", n)
	}
	l.awaitCounter(pod, "netstat", "TcpExt: IPReversePathFilter", 5)
	pod.Sysctl("ipv4/conf/net1/rp_filter", "2")
	l.send(beyond, 64, 3)
	arrived.Await(beyond, 8, deadline)
	if n := s.receives(some); n != 3 {
		t.Errorf("with a loose rp_filter the program gets %d packets, want 3", n)
	}
}

// A socket may join 20 groups of IPv4, unless a sysctl of its namespace says
// otherwise.
func TestMembershipsOfOneSocket(t *testing.T) {
	l := &lab{T: t}
	pod := netlab.New(t)
	pod.Veth("eth0", netlab.New(t), "eth0")
	s := l.socket(pod, false)
	group := netip.MustParseAddr("239.1.1.1")
	for range 20 {
		if err := s.join("eth0", group); err != nil {
			t.Fatal(err)
		}
		group = group.Next()
	}
	if err := s.join("eth0", group); !errors.Is(err, unix.ENOBUFS) {
		t.Fatalf("the 21st join gives %v, want %v", err, unix.ENOBUFS)
	}
	pod.Sysctl("ipv4/igmp_max_memberships", "100")
	if err := s.join("eth0", group); err != nil {
		t.Errorf("with igmp_max_memberships at 100 the 21st join gives %v", err)
	}
}

// A switch that snoops sends a group to those alone who joined. Where nobody
// asks who is there, Linux sends it everywhere, as if it did not snoop.
//
//	sender:eth0 -- p0 \
//	                   br0 of the switch
//	in:node    -- p1  /
func TestSnooping(t *testing.T) {
	l := &lab{T: t, sender: netlab.New(t), node: netlab.New(t), receiver: netlab.New(t), dir: t.TempDir()}
	lan := netlab.New(t)
	l.sender.Veth("eth0", lan, "p0")
	l.node.Veth("in", lan, "p1")
	lan.Bridge("br0", "p0", "p1")
	l.node.Veth("out", l.receiver, "eth0")
	l.arrived = l.receiver.Capture("eth0")
	sg, other := flow("192.0.2.1", "239.1.1.1"), flow("192.0.2.1", "239.1.1.2")

	// No querier: all is flooded, joined or not.
	r := l.start(l.node, line(sg, "in", "out"), line(other, "in", "out"), "mgroup from in group "+other.Group.String())
	l.passes(sg)

	l.arrived.Reset()
	l.querier(lan, "br0")
	netlab.Await(t, deadline, func() bool {
		before := r.entry(sg).Packets
		l.send(sg, 64, 1)
		l.passes(other)
		return r.entry(sg).Packets == before
	}, "the switch to keep a group that nobody joined from the node")
	l.arrived.Reset()
	before := r.entry(sg).Packets
	l.send(sg, 64, 5)
	l.passes(other)
	l.none(sg)
	if n := r.entry(sg).Packets; n != before {
		t.Errorf("the node's entry counts %d more packets, want none", n-before)
	}
	// The cure of the page: join. What a route with "join: true" does, too.
	r.command("join", "in", sg.Group.String())
	netlab.Await(t, deadline, func() bool {
		l.send(sg, 64, 1)
		return l.arrived.Count(sg) > 0
	}, "the switch to send the group to who joined")
}

// querier makes a bridge ask, with a short time until it trusts the answers.
func (l *lab) querier(ns *netlab.NS, bridge string) {
	l.Helper()
	index := ns.Index(bridge)
	err := ns.Do(func() error {
		for _, attr := range []struct {
			kind  int
			value []byte
		}{
			{nl.IFLA_BR_MCAST_QUERY_RESPONSE_INTVL, nl.Uint64Attr(10)}, // of 10 ms each
			{nl.IFLA_BR_MCAST_QUERIER, []byte{1}},
		} {
			request := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_ACK)
			message := nl.NewIfInfomsg(unix.AF_UNSPEC)
			message.Index = int32(index)
			request.AddData(message)
			info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
			info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
			info.AddRtAttr(nl.IFLA_INFO_DATA, nil).AddRtAttr(attr.kind, attr.value)
			request.AddData(info)
			if _, err := request.Execute(unix.NETLINK_ROUTE, 0); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		l.Fatalf("making %s ask for members: %v", bridge, err)
	}
}
