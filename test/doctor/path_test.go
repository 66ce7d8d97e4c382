package doctor

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/doctor/diagnose"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// A path on which all is well has no finding, in either family, for one flow and
// for all rules.
func TestHealthy(t *testing.T) {
	for _, sg := range []struct {
		name string
		all  bool
	}{{"IPv4", false}, {"IPv6", false}, {"all", true}} {
		t.Run(sg.name, func(t *testing.T) {
			l := newLab(t)
			if sg.name == "IPv6" {
				l.to = six
			}
			l.receive(l.to.Group)
			l.start(l.rule()...)
			l.stream()
			if sg.all {
				l.finds(l.examineAll(), nil)
				return
			}
			r := l.examine()
			l.finds(r, nil)
			// In the sender's namespace no program runs, and nothing leaves to it.
			if len(r.Unseen) != 0 {
				t.Errorf("not looked at: %v, want nothing", r.Unseen)
			}
		})
	}
}

func TestNotRunning(t *testing.T) {
	l := newLab(t)
	l.finds(l.examine(), is(diagnose.NotRunning), "router.sock", "systemctl start smcroute")
}

func TestNoRule(t *testing.T) {
	l := newLab(t)
	l.start("mroute from in source 192.0.2.9 group 239.1.1.1 to out")
	l.stream()
	l.finds(l.examineAll("239.9.9.9"), is(diagnose.NoRule), "smcroutectl add IIF 239.9.9.9 OIF")
}

// A rule that is for another source than the one that sends.
func TestStopFilter(t *testing.T) {
	l := newLab(t)
	l.start("mroute from in source 192.0.2.9 group 239.1.1.1 to out")
	l.stream()
	l.finds(l.examine(), is(diagnose.StopFilter), "192.0.2.1", "stop-filter", "smcroutectl add in 192.0.2.1 239.1.1.1 out")
}

func TestLinkLocalGroup(t *testing.T) {
	l := newLab(t)
	l.start(l.rule()...)
	for _, group := range []string{"224.0.0.251", "ff02::fb", "ff01::1"} {
		l.finds(l.examineAll(group), is(diagnose.LinkLocalGroup), group)
	}
}

func TestInterfaceMissing(t *testing.T) {
	l := newLab(t)
	l.start("mroute from eth7 group 239.1.1.1 to out")
	l.finds(l.examine(), is(diagnose.InterfaceMissing), "eth7", "ip -br link")
}

func TestInterfaceDown(t *testing.T) {
	for _, link := range []string{"in", "out"} {
		t.Run(link, func(t *testing.T) {
			l := newLab(t)
			l.start(l.rule()...)
			l.node.SetUp(link, false)
			if link == "out" {
				l.stream()
			}
			l.finds(l.examine(), is(diagnose.InterfaceDown), "ip link set dev "+link+" up")
		})
	}
	t.Run("no carrier", func(t *testing.T) {
		l := newLab(t)
		l.start(l.rule()...)
		l.sender.SetUp("eth0", false)
		l.finds(l.examine(), is(diagnose.InterfaceDown), "in has no carrier")
	})
}

func TestNoMulticast(t *testing.T) {
	l := newLab(t)
	l.node.SetMulticast("in", false)
	l.start(l.rule()...)
	r := l.examine()
	if len(r.Findings) == 0 || r.Findings[0].ID != diagnose.NoMulticast {
		t.Errorf("want %s first:\n%s", diagnose.NoMulticast, r.Text(true))
	}
	l.finds(r, is(diagnose.NoMulticast), "in", "ip link set dev in multicast on")
}

// Without an address of the node on the link, reports come from 0.0.0.0.
func TestNoAddress(t *testing.T) {
	l := newLab(t)
	l.command(l.node, "ip", "address", "flush", "dev", "in", "scope", "global")
	l.receive(l.to.Group)
	l.start(l.rule()...)
	l.stream()
	l.finds(l.examine(), is(diagnose.NoAddress), "in has no IPv4 address", "dev in")
}

func TestPortOfBridge(t *testing.T) {
	l := newLab(t)
	l.node.Bridge("br0", "in")
	l.start(l.rule()...)
	l.stream()
	l.finds(l.examine(), is(diagnose.InterfaceIsPort), "master br0", "smcroutectl add br0 239.1.1.1 out")
}

// sender:eth1 ---- other:node
func TestWrongInterface(t *testing.T) {
	l := newLab(t)
	l.sender.Veth("eth1", l.node, "other")
	l.start(append(l.rule(), "phyint other enable")...)
	l.streamOn("eth1", netlab.Packet{})
	l.finds(l.examine(), is(diagnose.WrongInterface), "arrives on other", "smcroutectl add other 192.0.2.1 239.1.1.1 out")
}

func TestNoPackets(t *testing.T) {
	l := newLab(t)
	l.start(l.rule()...)
	l.finds(l.examine(), is(diagnose.NoPackets), "within 1s", "tcpdump -nei in host 239.1.1.1")
}

func TestNotJoined(t *testing.T) {
	l := newLab(t)
	l.start(l.rule()[0])
	r := l.examine()
	l.finds(r, is(diagnose.NoPackets, diagnose.NotJoined))
	if !strings.Contains(r.Text(true), "smcroutectl join in 239.1.1.1") {
		t.Errorf("the fix lacks the join:\n%s", r.Text(true))
	}
}

// A program on the node that keeps its packets from looping back.
func TestSenderLoopOff(t *testing.T) {
	l := newLab(t)
	l.to = flow("192.0.2.254", "239.1.1.1")
	l.start(l.rule()...)
	l.sendFromNode()
	l.finds(l.examine(), is(diagnose.SenderLoopOff), "IP_MULTICAST_LOOP")
}

// Packets that may not go on: the program sends with the system's own TTL.
func TestTTLTooLow(t *testing.T) {
	for _, sg := range []struct{ name, fix string }{{"IPv4", "TTL --ttl-set"}, {"IPv6", "HL --hl-set"}} {
		t.Run(sg.name, func(t *testing.T) {
			l := newLab(t)
			if sg.name == "IPv6" {
				l.to = six
			}
			l.receive(l.to.Group)
			l.start(l.rule()...)
			l.streamOn("eth0", netlab.Packet{TTL: 1})
			l.finds(l.examine(), is(diagnose.TTLTooLow), "TTL 1", sg.fix)
		})
	}
	t.Run("threshold", func(t *testing.T) {
		l := newLab(t)
		l.start(append([]string{"phyint out enable ttl-threshold 16"}, l.rule()...)...)
		l.streamOn("eth0", netlab.Packet{TTL: 10})
		l.finds(l.examine(), is(diagnose.TTLTooLow), "TTL of 10", "the threshold of out is 16")
	})
}

// rp_filter drops what comes from where the node would not send.
//
//	node:up            (the default route)
func TestRPFilter(t *testing.T) {
	for _, tt := range []struct {
		name, mode string
		route      bool
		want       []diagnose.ID
		words      []string
	}{
		{"strict, route elsewhere", "1", true, is(diagnose.RPFilter), []string{"dev up", "sysctl -w net.ipv4.conf.in.rp_filter=2", "TcpExtIPReversePathFilter rose"}},
		{"strict, no route", "1", false, is(diagnose.NoRouteToSource), []string{"ip route add 203.0.113.1/32 dev in"}},
		{"loose, no route", "2", false, is(diagnose.NoRouteToSource), []string{"TcpExtIPReversePathFilter rose"}},
		{"loose, route elsewhere", "2", true, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			l.to = flow("203.0.113.1", "239.1.1.1")
			l.node.Veth("up", l.receiver, "eth1")
			l.node.AddAddr("up", netip.MustParsePrefix("192.0.3.254/24"))
			if tt.route {
				l.node.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), "up", netip.Addr{})
			}
			l.node.Sysctl("ipv4/conf/in/rp_filter", tt.mode)
			l.receive(l.to.Group)
			l.start(l.rule()...)
			l.stream()
			l.finds(l.examine(), tt.want, tt.words...)
		})
	}
}
