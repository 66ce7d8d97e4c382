package netlab

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// readyTime is how long a link may take to be of use once both ends are up.
const readyTime = 30 * time.Second

// Veth makes a veth pair, name in ns and peerName in peer, which may be the
// same namespace. Both are up and ready for IPv4 and IPv6 on return.
func (ns *NS) Veth(name string, peer *NS, peerName string) {
	ns.tb.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	err := ns.nl.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: peerName, PeerNamespace: netlink.NsFd(peer.fd)})
	if err != nil {
		ns.tb.Fatalf("netlab: adding veth pair %s, %s: %v", name, peerName, err)
	}
	ns.up(name)
	peer.up(peerName)
	ns.AwaitReady(name)
	peer.AwaitReady(peerName)
}

// Bridge makes a bridge that is up, with the given links of ns as its ports.
func (ns *NS) Bridge(name string, ports ...string) {
	ns.tb.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := ns.nl.LinkAdd(bridge); err != nil {
		ns.tb.Fatalf("netlab: adding bridge %s: %v", name, err)
	}
	for _, port := range ports {
		if err := ns.nl.LinkSetMasterByIndex(ns.link(port), bridge.Index); err != nil {
			ns.tb.Fatalf("netlab: making %s a port of %s: %v", port, name, err)
		}
	}
	ns.up(name)
	if len(ports) > 0 { // without a port a bridge has no carrier
		ns.AwaitReady(name)
	}
}

// Macvlan makes a macvlan interface, name in child, on a link of ns, in mode bridge. It is
// up and ready on return. Where the kernel has none, the test is skipped.
func (ns *NS) Macvlan(parent string, child *NS, name string) {
	ns.tb.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex, attrs.Namespace = name, ns.Index(parent), netlink.NsFd(child.fd)
	err := ns.nl.LinkAdd(&netlink.Macvlan{LinkAttrs: attrs, Mode: netlink.MACVLAN_MODE_BRIDGE})
	if errors.Is(err, unix.EOPNOTSUPP) {
		ns.tb.Skipf("netlab: needs the kernel's macvlan: modprobe macvlan: %v", err)
	}
	if err != nil {
		ns.tb.Fatalf("netlab: adding macvlan %s on %s: %v", name, parent, err)
	}
	child.up(name)
	child.AwaitReady(name)
}

// AddPort makes a link a port of a bridge.
func (ns *NS) AddPort(bridge, port string) {
	ns.tb.Helper()
	if err := ns.nl.LinkSetMasterByIndex(ns.link(port), ns.Index(bridge)); err != nil {
		ns.tb.Fatalf("netlab: making %s a port of %s: %v", port, bridge, err)
	}
}

// Delete deletes a link; of a veth pair both ends vanish.
func (ns *NS) Delete(name string) {
	ns.tb.Helper()
	if err := ns.nl.LinkDel(ns.link(name)); err != nil {
		ns.tb.Fatalf("netlab: deleting %s: %v", name, err)
	}
	ns.forget(name)
}

// Rename gives a link another name. Before Linux 6.2 that needs it down for a
// moment.
func (ns *NS) Rename(name, newName string) {
	ns.tb.Helper()
	link := ns.link(name)
	err := ns.nl.LinkSetName(link, newName)
	if errors.Is(err, unix.EBUSY) {
		ns.SetUp(name, false)
		err = ns.nl.LinkSetName(link, newName)
		defer ns.SetUp(newName, true)
	}
	if err != nil {
		ns.tb.Fatalf("netlab: renaming %s to %s: %v", name, newName, err)
	}
	ns.forget(name)
}

// SetUp sets a link up or down. Use [NS.AwaitReady] before sending on it.
func (ns *NS) SetUp(name string, up bool) {
	ns.tb.Helper()
	if up {
		ns.up(name)
		return
	}
	if err := ns.nl.LinkSetDown(ns.link(name)); err != nil {
		ns.tb.Fatalf("netlab: setting %s down: %v", name, err)
	}
}

// SetMTU sets a link's MTU, in bytes.
func (ns *NS) SetMTU(name string, mtu int) {
	ns.tb.Helper()
	if err := ns.nl.LinkSetMTU(ns.link(name), mtu); err != nil {
		ns.tb.Fatalf("netlab: setting the MTU of %s to %d: %v", name, mtu, err)
	}
}

// SetMulticast sets or clears a link's flag IFF_MULTICAST.
func (ns *NS) SetMulticast(name string, on bool) {
	ns.tb.Helper()
	set := ns.nl.LinkSetMulticastOff
	if on {
		set = ns.nl.LinkSetMulticastOn
	}
	if err := set(ns.link(name)); err != nil {
		ns.tb.Fatalf("netlab: setting multicast of %s to %v: %v", name, on, err)
	}
}

// AddAddr gives a link an address, of use at once.
func (ns *NS) AddAddr(name string, prefix netip.Prefix) {
	ns.tb.Helper()
	addr := &netlink.Addr{IPNet: &net.IPNet{
		IP:   prefix.Addr().AsSlice(),
		Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen()),
	}}
	if prefix.Addr().Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	if err := ns.nl.AddrAdd(ns.link(name), addr); err != nil {
		ns.tb.Fatalf("netlab: adding address %v to %s: %v", prefix, name, err)
	}
}

// Index returns the ifindex of a link.
func (ns *NS) Index(name string) int {
	ns.tb.Helper()
	return ns.link(name).Attrs().Index
}

// Exists reports whether there is a link called name.
func (ns *NS) Exists(name string) bool {
	_, err := ns.nl.LinkByName(name)
	return err == nil
}

// AwaitReady waits until a link has a carrier and can send multicast of both
// families. For IPv6 that is so once it has its link-local address: the route
// to ff00::/8 comes with it.
func (ns *NS) AwaitReady(name string) {
	ns.tb.Helper()
	Await(ns.tb, readyTime, func() bool { return ns.ready(name) },
		"a carrier and a link-local address on "+name)
}

func (ns *NS) ready(name string) bool {
	link := ns.link(name)
	if link.Attrs().RawFlags&(unix.IFF_UP|unix.IFF_LOWER_UP) != unix.IFF_UP|unix.IFF_LOWER_UP {
		return false
	}
	if !ns.HasIPv6() {
		return true
	}
	addrs, err := ns.nl.AddrList(link, unix.AF_INET6)
	if errors.Is(err, netlink.ErrDumpInterrupted) {
		return false // addresses came meanwhile: ask again
	}
	if err != nil {
		ns.tb.Fatalf("netlab: listing addresses of %s: %v", name, err)
	}
	for _, a := range addrs {
		if a.IP.IsLinkLocalUnicast() && a.Flags&unix.IFA_F_TENTATIVE == 0 {
			return true
		}
	}
	return false
}

// HasIPv6 reports whether the kernel has IPv6.
func (ns *NS) HasIPv6() bool {
	err := ns.Do(func() error {
		_, err := readProc("if_inet6")
		return err
	})
	return err == nil
}

func (ns *NS) up(name string) {
	ns.tb.Helper()
	if err := ns.nl.LinkSetUp(ns.link(name)); err != nil {
		ns.tb.Fatalf("netlab: setting %s up: %v", name, err)
	}
}

// link finds a link or ends the test.
func (ns *NS) link(name string) netlink.Link {
	ns.tb.Helper()
	link, err := ns.nl.LinkByName(name)
	if err != nil {
		ns.tb.Fatalf("netlab: finding link %s: %v", name, err)
	}
	return link
}

// hardwareAddr is a link's Ethernet address; lo's is all zeros.
func hardwareAddr(link netlink.Link) (mac [6]byte) {
	copy(mac[:], bytes.Clone(link.Attrs().HardwareAddr))
	return mac
}
