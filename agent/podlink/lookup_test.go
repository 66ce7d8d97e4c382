package podlink_test

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/podlink"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

func TestMain(m *testing.M) { netlab.Main(m) }

// lab is a node with an uplink, two pods with a veth pair each, and one behind
// a bridge:
//
//	peer eth0 ==== uplink node cali1 ==== eth1 pod
//	                           cali2 ==== eth2 pod
//	                            cni0
//	                           veth3 ==== eth3 pod
type lab struct {
	*podlink.Lookup
	t    *testing.T
	node *netlab.NS
	pod  *netlab.NS
	nl   *netlink.Handle // of the node
}

func newLab(t *testing.T) *lab {
	l := &lab{t: t, node: netlab.New(t), pod: netlab.New(t)}
	l.node.Veth("uplink", netlab.New(t), "eth0")
	l.node.Veth("cali1", l.pod, "eth1")
	l.node.Veth("cali2", l.pod, "eth2")
	l.node.Veth("veth3", l.pod, "eth3")
	l.node.Bridge("cni0", "veth3")
	err := l.node.Do(func() (err error) {
		l.nl, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.nl.Close)
	if l.Lookup, err = podlink.New(podlink.Options{NetNS: l.node.Path(), Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) addr(link, prefix string) {
	l.t.Helper()
	l.node.AddAddr(link, netip.MustParsePrefix(prefix))
}

func ipNet(prefix string) *net.IPNet {
	p := netip.MustParsePrefix(prefix)
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// route is a route to a prefix that leaves by a link, if there is one.
func (l *lab) route(to, link string) *netlink.Route {
	l.t.Helper()
	r := &netlink.Route{Dst: ipNet(to)}
	if link != "" {
		r.LinkIndex = l.node.Index(link)
	}
	return r
}

func (l *lab) onLink(to, link string) {
	l.t.Helper()
	l.must(l.nl.RouteAdd(l.linkRoute(to, link)))
}

func (l *lab) linkRoute(to, link string) *netlink.Route {
	l.t.Helper()
	r := l.route(to, link)
	r.Scope = netlink.SCOPE_LINK
	return r
}

func (l *lab) via(to, link, gw string, flags int) {
	l.t.Helper()
	r := l.route(to, link)
	r.Gw, r.Flags = net.ParseIP(gw), flags
	l.must(l.nl.RouteAdd(r))
}

func (l *lab) ofType(to string, kind int) {
	l.t.Helper()
	r := l.route(to, "")
	r.Type = kind
	l.must(l.nl.RouteAdd(r))
}

// leads checks that packets to an address leave by a link of that name, or
// that the error says want.
func (l *lab) leads(addr, link, want string) {
	l.t.Helper()
	name, index, err := l.Link(netip.MustParseAddr(addr))
	switch {
	case link == "" && err == nil:
		l.t.Errorf("%s is on %s, want the error %q", addr, name, want)
	case link == "" && err.Error() != want:
		l.t.Errorf("%s: error %q, want %q", addr, err, want)
	case link != "" && (err != nil || name != link || index != l.node.Index(link)):
		l.t.Errorf("%s is on %q, number %d, %v: want %s", addr, name, index, err, link)
	}
}

// Every kind of route that plug-ins make for pods, and every kind that leads
// elsewhere.
func TestLink(t *testing.T) {
	l := newLab(t)
	l.addr("uplink", "192.168.1.1/24")
	l.addr("uplink", "2001:db8:1::1/64")

	t.Run("a veth for each pod", func(t *testing.T) {
		l.t = t
		l.onLink("10.0.0.7/32", "cali1")
		l.onLink("10.0.0.8/32", "cali2")
		l.leads("10.0.0.7", "cali1", "")
		l.leads("10.0.0.8", "cali2", "")
		l.leads("::ffff:10.0.0.7", "cali1", "")
		l.must(l.nl.RouteAdd(l.route("2001:db8:2::7/128", "cali1")))
		l.must(l.nl.RouteAdd(l.route("2001:db8:2::8/128", "cali2")))
		l.leads("2001:db8:2::7", "cali1", "")
		l.leads("2001:db8:2::8", "cali2", "")
		// As plug-ins of the kind ptp and kindnet do.
		r := l.route("10.0.0.9/32", "cali2")
		r.Scope = netlink.SCOPE_HOST
		l.must(l.nl.RouteAdd(r))
		l.leads("10.0.0.9", "", "the node's route to 10.0.0.9 is of type blackhole, or gives no source address")
		l.addr("cali2", "10.0.0.1/32")
		l.leads("10.0.0.9", "cali2", "")
	})
	t.Run("a bridge", func(t *testing.T) {
		l.t = t
		l.addr("cni0", "10.1.0.1/24")
		l.addr("cni0", "2001:db8:3::1/64")
		l.leads("10.1.0.7", "cni0", "")
		l.leads("2001:db8:3::7", "cni0", "")
		netlab.Await(t, time.Minute, func() bool {
			_, _, err := l.Link(netip.MustParseAddr("2001:db8:3::1"))
			return err != nil
		}, "the kernel to use cni0's address")
		l.leads("10.1.0.1", "", "10.1.0.1 is an address of the node itself: no link leads to it")
		l.leads("2001:db8:3::1", "", "2001:db8:3::1 is an address of the node itself: no link leads to it")
		l.leads("10.1.0.255", "", "the node's route to 10.1.0.255 is of type broadcast: expected unicast")
	})
	t.Run("another node's pods", func(t *testing.T) {
		l.t = t
		l.via("10.2.0.0/24", "uplink", "192.168.1.2", 0)
		l.via("2001:db8:4::/64", "uplink", "2001:db8:1::2", 0)
		l.leads("10.2.0.7", "", "10.2.0.7 is reached through the gateway 192.168.1.2 on uplink: no link of its own")
		l.leads("2001:db8:4::7", "", "2001:db8:4::7 is reached through the gateway 2001:db8:1::2 on uplink: no link of its own")
		r := l.route("10.2.1.0/24", "uplink")
		r.Via = &netlink.Via{AddrFamily: unix.AF_INET6, Addr: net.ParseIP("2001:db8:1::2")}
		l.must(l.nl.RouteAdd(r))
		l.leads("10.2.1.7", "", "10.2.1.7 is reached through the gateway 2001:db8:1::2 on uplink: no link of its own")
	})
	t.Run("gateways that are said to be on the link", func(t *testing.T) {
		l.t = t
		l.via("10.3.0.7/32", "cali1", "169.254.1.1", unix.RTNH_F_ONLINK)
		l.leads("10.3.0.7", "", "10.3.0.7 is reached through the gateway 169.254.1.1 on cali1: no link of its own")
		l.via("10.3.0.8/32", "cali1", "10.3.0.8", unix.RTNH_F_ONLINK)
		l.leads("10.3.0.8", "cali1", "")
		l.leads("::ffff:10.3.0.8", "cali1", "")
		l.via("2001:db8:5::7/128", "cali1", "fe80::1", unix.RTNH_F_ONLINK)
		l.leads("2001:db8:5::7", "", "2001:db8:5::7 is reached through the gateway fe80::1 on cali1: no link of its own")
		l.via("2001:db8:5::8/128", "cali2", "2001:db8:5::8", unix.RTNH_F_ONLINK)
		l.leads("2001:db8:5::8", "cali2", "")
	})
	t.Run("several ways", func(t *testing.T) {
		l.t = t
		r := l.route("10.4.0.0/24", "")
		r.MultiPath = []*netlink.NexthopInfo{
			{LinkIndex: l.node.Index("uplink"), Gw: net.ParseIP("192.168.1.2")},
			{LinkIndex: l.node.Index("uplink"), Gw: net.ParseIP("192.168.1.3")},
		}
		l.must(l.nl.RouteAdd(r))
		l.leads("10.4.0.7", "", "10.4.0.7 is reached by several ways at a time (uplink, uplink): no link of its own")
		r = l.route("10.4.1.0/24", "")
		r.MultiPath = []*netlink.NexthopInfo{{LinkIndex: l.node.Index("cali1")}, {LinkIndex: l.node.Index("cali2")}}
		l.must(l.nl.RouteAdd(r))
		l.leads("10.4.1.7", "", "10.4.1.7 is reached by several ways at a time (cali1, cali2): no link of its own")
		r = l.route("2001:db8:6::/64", "")
		r.MultiPath = []*netlink.NexthopInfo{
			{LinkIndex: l.node.Index("uplink"), Gw: net.ParseIP("2001:db8:1::2")},
			{LinkIndex: l.node.Index("uplink"), Gw: net.ParseIP("2001:db8:1::3")},
		}
		l.must(l.nl.RouteAdd(r))
		l.leads("2001:db8:6::7", "", "2001:db8:6::7 is reached by several ways at a time (uplink, uplink): no link of its own")
	})
	t.Run("routes that refuse", func(t *testing.T) {
		l.t = t
		for i, kind := range []struct {
			number int
			name   string
		}{{unix.RTN_BLACKHOLE, "blackhole, or gives no source address"}, {unix.RTN_UNREACHABLE, "unreachable"}, {unix.RTN_PROHIBIT, "prohibit"}} {
			four := netip.AddrFrom4([4]byte{10, 5, byte(i), 7})
			six := netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 2: 0xd, 3: 0xb8, 5: 7, 7: byte(i), 15: 7})
			for _, a := range []netip.Addr{four, six} {
				l.ofType(netip.PrefixFrom(a, a.BitLen()).String(), kind.number)
				l.leads(a.String(), "", "the node's route to "+a.String()+" is of type "+kind.name)
			}
		}
	})
	t.Run("loopback", func(t *testing.T) {
		l.t = t
		l.onLink("10.6.0.7/32", "lo")
		l.leads("10.6.0.7", "", "10.6.0.7 is reached through the loopback interface lo: expected a link to a pod")
		l.leads("127.0.0.1", "", "127.0.0.1 is an address of the node itself: no link leads to it")
		l.leads("::1", "", "::1 is an address of the node itself: no link leads to it")
	})
	t.Run("tables of their own", func(t *testing.T) {
		l.t = t
		for _, tt := range []struct{ pool, pod string }{
			{"10.7.0.0/16", "10.7.0.7"}, {"2001:db8:8::/64", "2001:db8:8::7"},
		} {
			p := netip.MustParsePrefix(tt.pool)
			rule := netlink.NewRule()
			rule.Table, rule.Priority, rule.Dst = 100, 512, ipNet(tt.pool)
			if p.Addr().Is6() {
				rule.Family = netlink.FAMILY_V6
			}
			l.must(l.nl.RuleAdd(rule))
			r := l.route(netip.PrefixFrom(netip.MustParseAddr(tt.pod), p.Addr().BitLen()).String(), "cali2")
			r.Table, r.Scope = 100, netlink.SCOPE_LINK
			l.must(l.nl.RouteAdd(r))
			l.leads(tt.pod, "cali2", "")
		}
	})
	t.Run("the default route, or none", func(t *testing.T) {
		l.t = t
		l.leads("192.168.1.7", "uplink", "")
		l.leads("2001:db8:1::7", "uplink", "")
		l.leads("10.8.0.7", "", "the node has no route to 10.8.0.7")
		l.leads("2001:db8:9::7", "", "the node has no route to 2001:db8:9::7")
		l.via("0.0.0.0/0", "uplink", "192.168.1.254", 0)
		l.leads("2001:db8:1::7", "", "2001:db8:1::7 is on uplink, which the node's default route uses too: no link of its own; a route that may name interfaces can name uplink")
		l.via("::/0", "uplink", "2001:db8:1::fe", 0)
		l.leads("10.8.0.7", "", "10.8.0.7 is reached by the default route alone, on uplink: no link of its own")
		l.leads("2001:db8:9::7", "", "2001:db8:9::7 is reached by the default route alone, on uplink: no link of its own")
		l.leads("192.168.1.7", "", "192.168.1.7 is on uplink, which the node's default route uses too: no link of its own; a route that may name interfaces can name uplink")
		l.leads("2001:db8:1::7", "", "2001:db8:1::7 is on uplink, which the node's default route uses too: no link of its own; a route that may name interfaces can name uplink")
		l.must(l.nl.RouteReplace(l.linkRoute("0.0.0.0/0", "uplink")))
		l.leads("192.168.1.7", "", "192.168.1.7 is on uplink, which the node's default route uses too: no link of its own; a route that may name interfaces can name uplink")
		l.leads("10.8.0.7", "", "10.8.0.7 is reached by the default route alone, on uplink: no link of its own")
		l.leads("10.0.0.7", "cali1", "")
	})
	t.Run("no addresses of pods", func(t *testing.T) {
		l.t = t
		for _, a := range []string{"225.1.1.1", "ff05::1", "0.0.0.0", "::"} {
			l.leads(a, "", a+" is not the address of one pod: expected a unicast address")
		}
		l.leads("fe80::1", "", "fe80::1 is link-local, which does not tell the link: expected an address of the pod that is routed")
		if _, _, err := l.Link(netip.Addr{}); err == nil || err.Error() != "there is no address" {
			t.Errorf("no address at all: %v", err)
		}
	})
}

// An address that moves to another pod's veth, and a veth that vanishes.
func TestLinkMoves(t *testing.T) {
	for _, addr := range []string{"10.0.0.7", "2001:db8:2::7"} {
		t.Run(addr, func(t *testing.T) {
			l := newLab(t)
			a := netip.MustParseAddr(addr)
			host := netip.PrefixFrom(a, a.BitLen()).String()
			l.onLink(host, "cali1")
			l.leads(addr, "cali1", "")
			l.must(l.nl.RouteDel(l.linkRoute(host, "cali1")))
			l.leads(addr, "", "the node has no route to "+addr)
			l.onLink(host, "cali2")
			l.leads(addr, "cali2", "")
			l.node.Delete("cali2")
			l.leads(addr, "", "the node has no route to "+addr)
			l.node.Veth("cali2", l.pod, "eth2")
			l.onLink(host, "cali2")
			l.leads(addr, "cali2", "") // the index is the new one
			l.node.SetUp("cali2", false)
			l.leads(addr, "", "the node has no route to "+addr)
		})
	}
}

// A Lookup belongs to the namespace it was opened for.
func TestNewErrors(t *testing.T) {
	if _, err := podlink.New(podlink.Options{NetNS: "/nowhere"}); err == nil || !strings.Contains(err.Error(), "/nowhere") {
		t.Errorf("a namespace that is not there gives %v", err)
	}
}

// Anything that may give other answers is told, soon and once.
func TestChanges(t *testing.T) {
	l := newLab(t)
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { ended <- l.Run(ctx) }()
	told := func(what string) {
		t.Helper()
		select {
		case <-l.Changes():
		case <-time.After(time.Minute):
			t.Fatalf("not told: %s", what)
		}
	}
	told("the time before")
	quiet := func() { // what is still to come of the change before
		for {
			select {
			case <-l.Changes():
			case <-time.After(500 * time.Millisecond):
				return
			}
		}
	}
	rule := netlink.NewRule()
	rule.Table, rule.Priority = 100, 512
	for _, step := range []struct {
		what string
		do   func()
	}{
		{"a route", func() { l.onLink("10.0.0.7/32", "cali1") }},
		{"an IPv6 route", func() { l.onLink("2001:db8:2::7/128", "cali1") }},
		{"a route deleted", func() { l.must(l.nl.RouteDel(l.linkRoute("10.0.0.7/32", "cali1"))) }},
		{"a rule", func() { l.must(l.nl.RuleAdd(rule)) }},
		{"an address", func() { l.addr("cni0", "10.1.0.1/24") }},
		{"a new name", func() { l.node.Rename("cali1", "cali9") }},
		{"a link deleted", func() { l.node.Delete("cali2") }},
	} {
		quiet()
		step.do()
		told(step.what)
	}
	quiet()
	const burst = 2000
	for i := range burst {
		host := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)}), 32)
		l.onLink(host.String(), "cali9")
	}
	n := 0
	for deadline := time.After(time.Second); deadline != nil; {
		select {
		case <-l.Changes():
			n++
		case <-deadline:
			deadline = nil
		}
	}
	if n == 0 || n > 20 {
		t.Errorf("%d routes were told %d times", burst, n)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// What a node with many pods costs: µs a look-up of a round of many.
func BenchmarkLink(b *testing.B) {
	ns := netlab.New(b)
	ns.Bridge("cni0")
	ns.AddAddr("cni0", netip.MustParsePrefix("10.1.0.1/24"))
	l, err := podlink.New(podlink.Options{NetNS: ns.Path(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	addr := netip.MustParseAddr("10.1.0.7")
	link := l.Round()
	for b.Loop() {
		if _, _, err := link(addr); err != nil {
			b.Fatal(err)
		}
	}
}
