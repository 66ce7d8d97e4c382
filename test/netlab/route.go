package netlab

import (
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// AddRoute routes the addresses of prefix through a link: to the gateway, or if
// that is the zero Addr straight to them.
func (ns *NS) AddRoute(prefix netip.Prefix, link string, gateway netip.Addr) {
	ns.tb.Helper()
	route := ns.route(prefix, link)
	if gateway.IsValid() {
		route.Gw = gateway.AsSlice()
	} else {
		route.Scope = netlink.SCOPE_LINK
	}
	if err := ns.nl.RouteReplace(route); err != nil {
		ns.tb.Fatalf("netlab: adding a route to %v through %s: %v", prefix, link, err)
	}
}

// DeleteRoute takes away what AddRoute added.
func (ns *NS) DeleteRoute(prefix netip.Prefix, link string) {
	ns.tb.Helper()
	if err := ns.nl.RouteDel(ns.route(prefix, link)); err != nil {
		ns.tb.Fatalf("netlab: deleting the route to %v through %s: %v", prefix, link, err)
	}
}

func (ns *NS) route(prefix netip.Prefix, link string) *netlink.Route {
	ns.tb.Helper()
	return &netlink.Route{
		LinkIndex: ns.Index(link),
		Dst: &net.IPNet{
			IP:   prefix.Addr().AsSlice(),
			Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen()),
		},
	}
}
