package symptoms

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Packets that arrive on a port of a bridge (a bond's or a team's is alike)
// arrive on the bridge, for routing.
func TestPortOfBridge(t *testing.T) {
	l := newLab(t)
	l.node.Bridge("br0", "in")
	port, bridge := flow("192.0.2.1", "239.1.1.1"), flow("192.0.2.1", "239.1.1.2")
	r := l.start(l.node, line(port, "in", "out"), line(bridge, "br0", "out"))
	l.send(port, 64, 5)
	l.passes(bridge)
	l.none(port)
	// Of these the entry says so, as there is a VIF on br0.
	r.counted(port, 5, 5)
}

// Packets that arrive where no route expects them are counted by the entry as
// from the wrong interface, if that interface is one of any route.
//
//	sender:eth1 ---- other
//	sender:eth0 ---- in:node:out ---- eth0:receiver
func TestWrongInterface(t *testing.T) {
	l := newLab(t)
	l.sender.Veth("eth1", l.node, "other")
	sg, after := flow("192.0.2.1", "239.1.1.1"), flow("192.0.2.1", "239.1.1.2")
	r := l.start(l.node, line(sg, "in", "out"), line(after, "other", "out"))
	for range 5 {
		l.sender.Send("eth1", netlab.Packet{Src: sg.Source, Group: sg.Group})
	}
	l.sender.Send("eth1", netlab.Packet{Src: after.Source, Group: after.Group})
	l.arrived.Await(after, 1, deadline)
	l.none(sg)
	r.counted(sg, 5, 5)
	l.awaitVIF(l.node, "ip_mr_vif", "other", 1, 0) // only the one that was forwarded
}

// Two nodes between the same networks, with one route for both: each forwards
// each packet, and receivers get everything twice.
//
//	                +---- in:node:out ----+
//	sender:eth0 -- lan                   stage -- eth0:receiver
//	                +---- in:node2:out ---+
func TestTwoNodesDuplicate(t *testing.T) {
	l := newLab(t)
	lan, stage, node2 := netlab.New(t), netlab.New(t), netlab.New(t)
	sender, receiver := netlab.New(t), netlab.New(t)
	node := netlab.New(t)
	sender.Veth("eth0", lan, "p0")
	node.Veth("in", lan, "p1")
	node2.Veth("in", lan, "p2")
	lan.Bridge("br0", "p0", "p1", "p2")
	receiver.Veth("eth0", stage, "p0")
	node.Veth("out", stage, "p1")
	node2.Veth("out", stage, "p2")
	stage.Bridge("br0", "p0", "p1", "p2")
	l.sender, l.receiver, l.node = sender, receiver, node
	l.arrived = receiver.Capture("eth0")

	sg := flow("192.0.2.1", "239.1.1.1")
	l.start(node, line(sg, "in", "out"))
	l.start(node2, line(sg, "in", "out"))
	sender.SendBurst("eth0", netlab.Packet{Src: sg.Source, Group: sg.Group}, 0, 10)
	l.arrived.Await(sg, 20, deadline)
	if f := l.arrived.Flow(netlab.In, sg); f.Packets != 20 || f.Duplicates != 10 {
		t.Errorf("%d packets arrived, %d of them a second time: want 20 and 10", f.Packets, f.Duplicates)
	}
}

// A node with a route from one network to another and one that leads back, on
// another node, pass packets round and round until their TTL is used up.
func TestLoop(t *testing.T) {
	a, b := netlab.New(t), netlab.New(t)
	lan, stage := netlab.New(t), netlab.New(t)
	l := &lab{T: t, sender: netlab.New(t), dir: t.TempDir()}
	l.sender.Veth("eth0", lan, "p0")
	a.Veth("in", lan, "p1")
	b.Veth("in", lan, "p2")
	lan.Bridge("br0", "p0", "p1", "p2")
	a.Veth("out", stage, "p1")
	b.Veth("out", stage, "p2")
	stage.Bridge("br0", "p1", "p2")
	sg := flow("192.0.2.1", "239.1.1.1")
	l.start(a, line(sg, "in", "out"))
	l.start(b, line(sg, "out", "in"))
	seen := l.sender.Capture("eth0")
	l.sender.Send("eth0", netlab.Packet{Src: sg.Source, Group: sg.Group, TTL: 9})
	seen.Await(sg, 4, deadline) // with TTLs 7, 5, 3 and 1
	if f := seen.Flow(netlab.In, sg); f.TTLs[7] != 1 || f.TTLs[1] != 1 {
		t.Errorf("the sender sees its packet again with TTLs %v, want 7, 5, 3 and 1", f.TTLs)
	}
}

// What a program on the node itself sends out of an interface counts as arriving
// there, so that a route forwards it, in either family; unless the program keeps
// its packets from looping back (IP_MULTICAST_LOOP).
func TestSenderOnNode(t *testing.T) {
	for _, tt := range []struct {
		name, addr, source, group string
		level, loop               int
	}{
		{"IPv4", "192.0.2.254/24", "192.0.2.254", "239.1.1.1", unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP},
		{"IPv6", "2001:db8::fe/64", "2001:db8::fe", "ff15::1", unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			l.node.AddAddr("in", netip.MustParsePrefix(tt.addr))
			sg := flow(tt.source, tt.group)
			r := l.start(l.node, line(sg, "in", "out"))
			s := l.socket(l.node, sg.Group.Is6())
			send := func(n int) {
				t.Helper()
				for range n {
					if err := s.send("in", sg.Group, 100); err != nil {
						t.Fatal(err)
					}
				}
			}
			s.option(tt.level, tt.loop, 0)
			send(5)
			s.option(tt.level, tt.loop, 1)
			send(3)
			l.arrived.Await(sg, 3, deadline)
			if n := l.arrived.Count(sg); n != 3 {
				t.Errorf("%d packets arrived, want only the 3 that loop back", n)
			}
			r.counted(sg, 3, 0)
		})
	}
}
