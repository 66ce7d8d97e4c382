package doctor

import (
	"net/netip"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/doctor/diagnose"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// A program behind the output that joined something else, in either family.
func TestReceiverNotJoined(t *testing.T) {
	for _, tt := range []struct{ name, other string }{{"IPv4", "239.7.7.7"}, {"IPv6", "ff15::7"}} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			if tt.name == "IPv6" {
				l.to = six
			}
			l.receive(addr(tt.other))
			l.start(l.rule()...)
			l.stream()
			l.finds(l.examine(), is(diagnose.ReceiverNotJoin), "mcast, behind out, joined "+tt.other+" on eth0")
		})
	}
}

func TestReceiverLimit(t *testing.T) {
	l := newLab(t)
	l.receiver.Sysctl("ipv4/igmp_max_memberships", "1")
	l.receive(addr("239.7.7.7"))
	l.start(l.rule()...)
	l.stream()
	l.finds(l.examine(), is(diagnose.ReceiverLimit), "igmp_max_memberships = 1", "ENOBUFS")
}

// receiver:eth1 ---- eth0:another
func TestJoinedElsewhere(t *testing.T) {
	l := newLab(t)
	l.receiver.Veth("eth1", netlab.New(t), "eth0")
	l.receiveOn("eth1", l.to.Group)
	l.start(l.rule()...)
	l.stream()
	l.finds(l.examine(), is(diagnose.JoinedElsewhere), "239.1.1.1 is joined on eth1, not on eth0", "mcast recv -i eth0")
}

func TestReceiverRPFilter(t *testing.T) {
	l := newLab(t)
	l.receiver.AddAddr("eth0", netip.MustParsePrefix("198.51.100.1/24"))
	l.receiver.Sysctl("ipv4/conf/eth0/rp_filter", "1")
	l.receive(l.to.Group)
	l.start(l.rule()...)
	l.stream()
	l.finds(l.examine(), is(diagnose.ReceiverRPFilter), "its rp_filter is 1", "ip route add 192.0.2.1/32 dev eth0")
}

// A bridge that snoops and asks gives a group to nobody but who joined. Only the
// node knows of it: pods' namespaces need not be seen.
//
//	in:node:br0 -- port ---- eth0:pod
func TestSnoopingBridge(t *testing.T) {
	for _, joined := range []string{"239.7.7.7", "239.1.1.1"} {
		t.Run(joined, func(t *testing.T) {
			l := newLab(t)
			l.node.Bridge("br0", "out")
			l.node.AddAddr("br0", netip.MustParsePrefix("198.51.101.254/24"))
			l.command(l.node, "ip", "link", "set", "dev", "br0", "type", "bridge", "mcast_query_response_interval", "10")
			l.command(l.node, "ip", "link", "set", "dev", "br0", "type", "bridge", "mcast_querier", "1")
			l.receive(addr(joined))
			l.start("mroute from in source 192.0.2.1 group 239.1.1.1 to br0", "mgroup from in group 239.1.1.1")
			l.stream()
			l.awaitMember("br0", addr(joined))
			if joined == "239.1.1.1" {
				l.finds(l.examine(), nil)
				return
			}
			l.finds(l.examine(), is(diagnose.NoMember), "no member of 239.1.1.1", "bridge mdb show dev br0")
		})
	}
}

// A bridge before the input that nobody asks on, and that keeps from it what
// nobody joined.
//
//	sender:eth0 ---- in:node:br0 -- port ---- inside:node
func TestNoQuerier(t *testing.T) {
	l := newLab(t)
	l.node.Veth("port", l.node, "inside")
	l.node.AddAddr("inside", netip.MustParsePrefix("192.0.4.254/24"))
	l.node.Bridge("br0", "in", "port")
	l.command(l.node, "bridge", "link", "set", "dev", "port", "mcast_flood", "off")
	l.start("mroute from inside source 192.0.2.1 group 239.1.1.1 to out", "mgroup from inside group 239.1.1.1")
	l.stream()
	l.finds(l.examine(), is(diagnose.NoPackets, diagnose.NoQuerier))
}

// A pod with a macvlan interface on the output never hears what the node sends.
func TestMacvlan(t *testing.T) {
	l := newLab(t)
	pod := netlab.New(t)
	l.node.Macvlan("out", pod, "net1")
	l.join(pod, "net1", l.to.Group)
	l.start(l.rule()...)
	l.stream()
	l.finds(l.examine(), is(diagnose.MacvlanChild), "net1", "docs/cni.md")
}
