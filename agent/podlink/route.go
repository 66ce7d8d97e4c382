package podlink

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// checkAddr refuses what no pod can have, or what no route can tell.
func checkAddr(addr netip.Addr) error {
	switch {
	case !addr.IsValid():
		return errors.New("there is no address")
	case addr.IsMulticast(), addr.IsUnspecified():
		return fmt.Errorf("%v is not the address of one pod: expected a unicast address", addr)
	case addr.IsLinkLocalUnicast() && addr.Is6():
		return fmt.Errorf("%v is link-local, which does not tell the link: expected an address of the pod that is routed", addr)
	case addr.Zone() != "":
		return fmt.Errorf("%v has a zone: expected an address without", addr)
	}
	return nil
}

// noRoute describes what the kernel answers for lack of a route, or because of
// one that refuses. The numbers are those of fib_props (IPv4) and
// ip6_rt_type_to_error (IPv6). EINVAL also comes if a route of scope host leads
// to a link without an address: the node cannot send by it.
func noRoute(addr netip.Addr, err error) error {
	switch {
	case errors.Is(err, unix.ENETUNREACH):
		return fmt.Errorf("the node has no route to %v", addr)
	case errors.Is(err, unix.EHOSTUNREACH):
		return fmt.Errorf("the node's route to %v is of type unreachable", addr)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("the node's route to %v is of type prohibit", addr)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("the node's route to %v is of type blackhole, or gives no source address", addr)
	}
	return fmt.Errorf("looking up the route to %v: %w", addr, err)
}

// judge finds out whether a route leads to addr itself.
func (l *round) judge(addr netip.Addr, r *netlink.Route) (name string, index int, err error) {
	switch r.Type {
	case unix.RTN_UNICAST:
	case unix.RTN_LOCAL:
		return "", 0, fmt.Errorf("%v is an address of the node itself: no link leads to it", addr)
	default:
		return "", 0, fmt.Errorf("the node's route to %v is of type %s: expected unicast", addr, typeName(r.Type))
	}
	if len(r.MultiPath) > 0 {
		names := make([]string, len(r.MultiPath))
		for i, hop := range r.MultiPath {
			names[i] = l.name(hop.LinkIndex)
		}
		return "", 0, fmt.Errorf("%v is reached by several ways at a time (%s): no link of its own", addr, strings.Join(names, ", "))
	}
	if r.Dst != nil {
		if bits, _ := r.Dst.Mask.Size(); bits == 0 {
			return "", 0, fmt.Errorf("%v is reached by the default route alone, on %s: no link of its own", addr, l.name(r.LinkIndex))
		}
	}
	// Some write addr itself there, to have it asked for on the link.
	if gw := gateway(r); gw.IsValid() && gw != addr {
		return "", 0, fmt.Errorf("%v is reached through the gateway %v on %s: no link of its own", addr, gw, l.name(r.LinkIndex))
	}
	link, err := l.routes.LinkByIndex(r.LinkIndex)
	var gone netlink.LinkNotFoundError
	switch {
	case errors.As(err, &gone):
		return "", 0, fmt.Errorf("the link towards %v has just vanished", addr)
	case err != nil:
		return "", 0, fmt.Errorf("the link towards %v, number %d: %w", addr, r.LinkIndex, err)
	}
	attrs := link.Attrs()
	if attrs.Flags&net.FlagLoopback != 0 {
		return "", 0, fmt.Errorf("%v is reached through the loopback interface %s: expected a link to a pod", addr, attrs.Name)
	}
	if slices.Contains(l.uplinks(), attrs.Index) {
		return "", 0, fmt.Errorf("%v is on %s, which the node's default route uses too: no link of its own; a route that may name interfaces can name %s", addr, attrs.Name, attrs.Name)
	}
	return attrs.Name, attrs.Index, nil
}

// Addresses that nobody has (RFC 5737, RFC 3849) go by the default routes.
var nowhere = []net.IP{net.IPv4(192, 0, 2, 0), net.ParseIP("2001:db8::")}

// defaultLinks are those by which a default route of the node leaves, in
// whichever family. Where pods live in the node's own subnet, or their route is
// not there yet, they seem to be on the uplink; what is meant for a pod must not
// go out there, least of all for someone who may not name the node's interfaces.
func (l *Lookup) defaultLinks() (links []int) {
	for _, ip := range nowhere {
		// An error is that there is no default route.
		routes, _ := l.routes.RouteGetWithOptions(ip, &netlink.RouteGetOptions{FIBMatch: true})
		for _, r := range routes {
			if r.Dst != nil {
				if bits, _ := r.Dst.Mask.Size(); bits > 0 {
					continue
				}
			}
			links = append(links, r.LinkIndex)
			for _, hop := range r.MultiPath {
				links = append(links, hop.LinkIndex)
			}
		}
	}
	return links
}

// gateway is the zero Addr if r has none. One of the other family comes as
// RTA_VIA.
func gateway(r *netlink.Route) netip.Addr {
	ip := r.Gw
	if via, ok := r.Via.(*netlink.Via); ok {
		ip = via.Addr
	}
	gw, _ := netip.AddrFromSlice(ip)
	return gw.Unmap()
}

// name is for messages.
func (l *Lookup) name(index int) string {
	link, err := l.routes.LinkByIndex(index)
	if err != nil {
		return fmt.Sprintf("link number %d", index)
	}
	return link.Attrs().Name
}

// typeName names a route type as ip(8) does.
func typeName(t int) string {
	switch t {
	case unix.RTN_BROADCAST:
		return "broadcast"
	case unix.RTN_ANYCAST:
		return "anycast"
	case unix.RTN_MULTICAST:
		return "multicast"
	case unix.RTN_BLACKHOLE:
		return "blackhole"
	case unix.RTN_UNREACHABLE:
		return "unreachable"
	case unix.RTN_PROHIBIT:
		return "prohibit"
	}
	return fmt.Sprint("number ", t)
}
