package clusterlab

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Addresses of the cluster.
const (
	// Address and Port of the API server, for all that is in the lab.
	Address = "172.31.77.1"
	Port    = "6443"

	podNets     = "10.244.0.0/16,fd00:244::/32"
	serviceNets = "10.96.0.0/16,fd00:96::/108"
	serviceIP   = "10.96.0.1" // the API server's, for pods
)

// lan is a bridge in the lab's namespace. Node N has there the host numbers
// 10+N, in decimal digits for IPv6, too.
type lan struct {
	bridge   string
	short    string // begins the names of its ports
	net      netip.Prefix
	net6     netip.Prefix
	snooping bool // and a querier
}

var (
	clusterLAN = lan{"cluster0", "c", netip.MustParsePrefix("172.31.77.0/24"), netip.MustParsePrefix("fd00:77::/64"), false}
	studioLAN  = lan{"studio0", "s", netip.MustParsePrefix("10.77.0.0/24"), netip.MustParsePrefix("fd00:10:77::/64"), true}
	stageLAN   = lan{"stage0", "t", netip.MustParsePrefix("10.78.0.0/24"), netip.MustParsePrefix("fd00:10:78::/64"), true}
)

// hosts returns the addresses with a host number from 1 to 255.
func (l lan) hosts(number int) [2]netip.Prefix {
	v4 := l.net.Addr().As4()
	v4[3] = byte(number)
	v6 := l.net6.Addr().As16()
	v6[14], v6[15] = byte(number/100), byte(number/10%10<<4|number%10) // looks like the decimal number
	return [2]netip.Prefix{
		netip.PrefixFrom(netip.AddrFrom4(v4), l.net.Bits()),
		netip.PrefixFrom(netip.AddrFrom16(v6), l.net6.Bits()),
	}
}

// makeLANs makes the bridges.
func (c *Cluster) makeLANs() {
	c.tb.Helper()
	setSysctls(c.own)
	for _, l := range []lan{clusterLAN, studioLAN, stageLAN} {
		c.own.Bridge(l.bridge)
		if !l.snooping {
			continue
		}
		// The kernel's queries need no address of IPv4; that of IPv6 is the
		// link-local one. Until hosts have had the time to respond, of which the
		// unit is 10 ms, it floods.
		for _, setting := range []string{"multicast_query_response_interval=100", "multicast_querier=1"} {
			name, value, _ := strings.Cut(setting, "=")
			file := filepath.Join("/sys/class/net", l.bridge, "bridge", name)
			if err := os.WriteFile(file, []byte(value), 0); err != nil {
				c.tb.Fatalf("clusterlab: bridge %s as a querier: %v", l.bridge, err)
			}
		}
	}
	for _, a := range clusterLAN.hosts(1) {
		c.own.AddAddr(clusterLAN.bridge, a)
	}
}

// plug gives a machine a link to the LAN, with addresses. It returns the name
// of the bridge's port.
func (c *Cluster) plug(l lan, machine *netlab.NS, link, name string, number int) string {
	c.tb.Helper()
	port := l.short + "-" + name
	machine.Veth(link, c.own, port)
	c.own.AddPort(l.bridge, port)
	for _, a := range l.hosts(number) {
		machine.AddAddr(link, a)
	}
	return port
}

// Outside returns a machine on the studio's LAN, which is its eth0, that is no
// part of the cluster. The first call with a name makes it: up to 12 letters.
func (c *Cluster) Outside(name string) *netlab.NS {
	c.tb.Helper()
	return c.machine(studioLAN, name)
}

// Stage returns a machine on the stage's LAN, as Outside on the studio's.
func (c *Cluster) Stage(name string) *netlab.NS {
	c.tb.Helper()
	return c.machine(stageLAN, name)
}

func (c *Cluster) machine(l lan, name string) *netlab.NS {
	c.tb.Helper()
	key := l.short + "-" + name
	if ns := c.machines[key]; ns != nil {
		return ns
	}
	life := &life{TB: c.tb}
	ns := netlab.New(life)
	c.plug(l, ns, "eth0", name, 101+len(c.machines))
	c.own.AwaitReady(l.bridge)
	life.begin()
	if c.machines == nil {
		c.machines = map[string]*netlab.NS{}
	}
	c.machines[key] = ns
	return ns
}

// connect gives the node its links, and the ways to the pods of others.
func (n *Node) connect() {
	c := n.cluster
	c.tb.Helper()
	setSysctls(n.NS)
	n.NS.Sysctl("ipv4/ip_forward", "1")
	n.NS.Sysctl("ipv6/conf/all/forwarding", "1")
	n.NS.SetUp("lo", true)
	n.ports = nil
	for i, l := range []lan{clusterLAN, studioLAN, stageLAN} {
		n.ports = append(n.ports, c.plug(l, n.NS, fmt.Sprintf("eth%d", i), n.Name, 10+n.number))
	}
	gateways := clusterLAN.hosts(1)
	n.NS.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), "eth0", gateways[0].Addr())
	n.NS.AddRoute(netip.MustParsePrefix("::/0"), "eth0", gateways[1].Addr())
	for _, other := range c.Nodes {
		if other != n {
			n.NS.AddRoute(other.PodNet, "eth0", other.IP)
			n.NS.AddRoute(other.PodNet6, "eth0", other.IP6)
		}
	}
	// From the lab: the API server calls webhooks, and answers pods.
	c.own.AddRoute(n.PodNet, clusterLAN.bridge, n.IP)
	c.own.AddRoute(n.PodNet6, clusterLAN.bridge, n.IP6)
}

// setSysctls sets what package netlab sets in the namespaces that it makes.
func setSysctls(ns *netlab.NS) {
	for _, which := range []string{"all", "default"} {
		ns.Sysctl("ipv4/conf/"+which+"/rp_filter", "0")
		ns.Sysctl("ipv6/conf/"+which+"/disable_ipv6", "0")
		ns.Sysctl("ipv6/conf/"+which+"/accept_dad", "0") // addresses work at once
		ns.Sysctl("ipv6/conf/"+which+"/accept_ra", "0")
	}
}
