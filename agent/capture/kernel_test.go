package capture

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

func TestMain(m *testing.M) { netlab.Main(m) }

const deadline = time.Minute

// lab is a router with a sender and a receiver:
//
//	sender:eth0 ---- in:node:out ---- eth0:receiver
type lab struct {
	*testing.T
	sender, node, receiver *netlab.NS
	names                  map[int]string
	last                   string // where look's last packet is seen last, as in sight
}

func newLab(t *testing.T) *lab {
	l := &lab{T: t, sender: netlab.New(t), node: netlab.New(t), receiver: netlab.New(t), names: map[int]string{}, last: "in in"}
	l.sender.Veth("eth0", l.node, "in")
	l.node.Veth("out", l.receiver, "eth0")
	l.name("in", "out")
	return l
}

// name notes links of the node, by which listings call them.
func (l *lab) name(links ...string) {
	for _, name := range links {
		l.names[l.node.Index(name)] = name
	}
}

// flows are one of each family.
var flows = []mroute.SG{
	{Source: netip.MustParseAddr("192.0.2.1"), Group: netip.MustParseAddr("239.1.1.1")},
	{Source: netip.MustParseAddr("2001:db8::1"), Group: netip.MustParseAddr("ff15::1")},
}

func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// route has the node's kernel route a flow from one link to another until the test ends.
func (l *lab) route(sg mroute.SG, from, to string) {
	l.Helper()
	k, err := linux.Open(linux.Options{NetNS: l.node.Path()})
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { _ = k.Close() })
	f := sg.Family()
	for i, err := range k.Apply([]mroute.Op{
		{Kind: mroute.AddVIF, Family: f, VIF: 0, Link: mroute.LinkRef{Index: l.node.Index(from), Name: from}},
		{Kind: mroute.AddVIF, Family: f, VIF: 1, Link: mroute.LinkRef{Index: l.node.Index(to), Name: to}},
		{Kind: mroute.SetMFC, Family: f, SG: sg, Entry: mroute.Entry{OIFs: mroute.OIFs{1: 1}}},
	}) {
		if err != nil {
			l.Fatalf("op %d: %v", i, err)
		}
	}
}

// sight is a row of a survey, in words.
type sight struct {
	Where   string
	Packets uint64
	TTL     uint8
	VLAN    uint16
}

// look captures what the node sees of a flow while f runs, and returns what it saw until
// a last packet, which the sender sends to the group after f, is seen at last.
func (l *lab) look(sg mroute.SG, f func()) []sight {
	l.Helper()
	c, err := Open(Options{NetNS: l.node.Path(), Group: single(sg.Group), Source: single(sg.Source)})
	if err != nil {
		l.Fatal(err)
	}
	defer c.Close()
	f()
	netlab.Flush(l, 2, deadline)
	ctx, cancel := context.WithTimeout(l.Context(), deadline)
	defer cancel()
	l.sender.Send("eth0", netlab.Packet{Src: sg.Source, Group: sg.Group, TTL: 99})
	rows := map[sight]uint64{}
	err = c.Run(ctx, func(p *Packet) {
		where := p.Direction.String() + " " + l.names[p.Link]
		if p.TTL >= 98 { // the last one, or its forwarded copy
			if where == l.last {
				cancel()
			}
			return
		}
		if p.Source != sg.Source || p.Group != sg.Group || p.PortTo != netlab.Port {
			l.Errorf("captured a packet of another stream: %+v", p)
		}
		rows[sight{Where: where, TTL: p.TTL, VLAN: p.VLAN}]++
	})
	if err != nil {
		l.Fatal(err)
	}
	if ctx.Err() == context.DeadlineExceeded {
		l.Fatal("the last packet was not captured")
	}
	var seen []sight
	for s, n := range rows {
		s.Packets = n
		seen = append(seen, s)
	}
	slices.SortFunc(seen, func(a, b sight) int {
		return cmp.Or(strings.Compare(a.Where, b.Where), cmp.Compare(a.VLAN, b.VLAN))
	})
	return seen
}

func (l *lab) send(sg mroute.SG, ttl uint8, n int) {
	for range n {
		l.sender.Send("eth0", netlab.Packet{Src: sg.Source, Group: sg.Group, TTL: ttl})
	}
}

func (l *lab) want(got []sight, want ...sight) {
	l.Helper()
	if !slices.Equal(got, want) {
		l.Errorf("captured %+v, want %+v", got, want)
	}
}

// A packet that is routed is seen coming in, and each copy going out, one hop older.
func TestRouted(t *testing.T) {
	for _, sg := range flows {
		t.Run(sg.Family().String(), func(t *testing.T) {
			l := newLab(t)
			l.route(sg, "in", "out")
			got := l.look(sg, func() { l.send(sg, 5, 3) })
			l.want(got, sight{"in in", 3, 5, 0}, sight{"out out", 3, 4, 0})
		})
	}
}

// Other groups, other sources and other protocols' packets do not come.
func TestFilter(t *testing.T) {
	for i, sg := range flows {
		t.Run(sg.Family().String(), func(t *testing.T) {
			l := newLab(t)
			got := l.look(sg, func() {
				l.send(mroute.SG{Source: sg.Source.Next(), Group: sg.Group}, 5, 1)
				l.send(mroute.SG{Source: sg.Source, Group: sg.Group.Next()}, 5, 1)
				l.send(flows[1-i], 5, 1)
				l.send(sg, 6, 2)
			})
			l.want(got, sight{"in in", 2, 6, 0})
		})
	}
}

// What rp_filter drops has been seen coming in.
func TestSeenBeforeReversePathFilter(t *testing.T) {
	l := newLab(t)
	sg := flows[0]
	l.route(sg, "in", "out")
	l.node.Sysctl("ipv4/conf/in/rp_filter", "1")
	got := l.look(sg, func() { l.send(sg, 5, 3) })
	l.want(got, sight{"in in", 3, 5, 0})
}

// The port of a bridge shows a packet, and so does the bridge.
func TestBridge(t *testing.T) {
	for _, sg := range flows {
		t.Run(sg.Family().String(), func(t *testing.T) {
			l := newLab(t)
			l.node.Bridge("br0", "in")
			l.name("br0")
			l.route(sg, "br0", "out")
			got := l.look(sg, func() { l.send(sg, 5, 3) })
			l.want(got, sight{"in br0", 3, 5, 0}, sight{"in in", 3, 5, 0}, sight{"out out", 3, 4, 0})
		})
	}
}

// addLink adds a link of a kind that netlab does not know, and sets it up.
func (l *lab) addLink(ns *netlab.NS, link netlink.Link) {
	l.Helper()
	err := ns.Do(func() error {
		if err := netlink.LinkAdd(link); err != nil {
			return err
		}
		return netlink.LinkSetUp(link)
	})
	if errors.Is(err, unix.EOPNOTSUPP) {
		l.Skipf("needs a kernel with links of type %s, or the right to load its module: %v", link.Type(), err)
	}
	if err != nil {
		l.Fatalf("adding %s: %v", link.Attrs().Name, err)
	}
	ns.AwaitReady(link.Attrs().Name)
}

// above are the attributes of a link above another.
func above(ns *netlab.NS, name, parent string) netlink.LinkAttrs {
	a := netlink.NewLinkAttrs()
	a.Name, a.ParentIndex = name, ns.Index(parent)
	return a
}

// A tag is put aside, and its number told, whether or not there is a link for the VLAN.
func TestTagged(t *testing.T) {
	for _, sg := range flows {
		t.Run(sg.Family().String(), func(t *testing.T) {
			l := newLab(t)
			l.route(sg, "in", "out")
			got := l.look(sg, func() {
				l.sender.Send("eth0", netlab.Packet{Src: sg.Source, Group: sg.Group, TTL: 5, VLAN: 10})
				l.send(sg, 5, 2)
			})
			l.want(got, sight{"in in", 2, 5, 0}, sight{"in in", 1, 5, 10}, sight{"out out", 2, 4, 0})
		})
	}
}

// A packet of the node's own is seen going out. Its copy, which is routed as if it had come
// in there, is not seen coming in.
func TestSenderOnNode(t *testing.T) {
	l := newLab(t)
	sg := flows[0]
	l.node.AddAddr("in", netip.PrefixFrom(sg.Source, 24))
	l.route(sg, "in", "out")
	got := l.look(sg, func() {
		err := l.node.Do(func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return errors.Join(
				unix.Bind(fd, &unix.SockaddrInet4{Addr: sg.Source.As4()}),
				unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 5),
				unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(l.node.Index("in"))}),
				unix.Sendto(fd, []byte("hello"), 0, &unix.SockaddrInet4{Addr: sg.Group.As4(), Port: netlab.Port}))
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	l.want(got, sight{"out in", 1, 5, 0}, sight{"out out", 1, 4, 0})
}

// What a filter drops on its way through the node was seen coming in, and is not seen going out.
func TestNotSeenAfterFilter(t *testing.T) {
	if _, err := exec.LookPath("iptables"); err != nil {
		t.Skipf("needs iptables, as of Debian's package of that name: %v", err)
	}
	l := newLab(t)
	sg := flows[0]
	l.route(sg, "in", "out")
	if out, err := l.node.Command("iptables", "-P", "FORWARD", "DROP").CombinedOutput(); err != nil {
		t.Fatalf("iptables: %v\n%s", err, out)
	}
	got := l.look(sg, func() { l.send(sg, 5, 3) })
	l.want(got, sight{"in in", 3, 5, 0})
}

// A VLAN's packets are seen on the link below with the number, and on the VLAN's.
func TestVLAN(t *testing.T) {
	for _, sg := range flows {
		t.Run(sg.Family().String(), func(t *testing.T) {
			l := newLab(t)
			l.addLink(l.sender, &netlink.Vlan{LinkAttrs: above(l.sender, "eth0.10", "eth0"), VlanId: 10})
			l.addLink(l.node, &netlink.Vlan{LinkAttrs: above(l.node, "in.10", "in"), VlanId: 10})
			l.addLink(l.node, &netlink.Vlan{LinkAttrs: above(l.node, "out.20", "out"), VlanId: 20})
			l.name("in.10", "out.20")
			l.route(sg, "in.10", "out.20")
			got := l.look(sg, func() {
				for range 3 {
					l.sender.Send("eth0.10", netlab.Packet{Src: sg.Source, Group: sg.Group, TTL: 5})
				}
			})
			l.want(got, sight{"in in", 3, 5, 10}, sight{"in in.10", 3, 5, 0}, sight{"out out", 3, 4, 20}, sight{"out out.20", 3, 4, 0})
		})
	}
}

// A macvlan and the link below both show a packet.
func TestMacvlan(t *testing.T) {
	l := newLab(t)
	sg := flows[0]
	l.addLink(l.node, &netlink.Macvlan{LinkAttrs: above(l.node, "mv", "in"), Mode: netlink.MACVLAN_MODE_BRIDGE})
	l.name("mv")
	l.route(sg, "mv", "out")
	l.last = "out out" // a worker of the kernel brings packets to a macvlan, some time
	got := l.look(sg, func() { l.send(sg, 5, 3) })
	l.want(got, sight{"in in", 3, 5, 0}, sight{"in mv", 3, 5, 0}, sight{"out out", 3, 4, 0})
}
