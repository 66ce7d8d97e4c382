package doctor

import (
	"fmt"
	"strconv"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/doctor/diagnose"
)

// readLinks lists the interfaces, with all that is known of them.
func (l *look) readLinks() {
	links, err := readLinks()
	if err != nil {
		l.unseen("interfaces", err)
		return
	}
	l.names, l.nsids, l.parents = map[int]string{}, map[int]int{}, map[int]int{}
	for i := range links {
		l.names[links[i].Index] = links[i].Name
	}
	addrs := l.addresses()
	for i := range links {
		link := &links[i]
		link.Master = l.names[link.master]
		link.Addrs = addrs[link.Index]
		l.parents[link.Index] = link.parent
		if link.nsid >= 0 {
			l.nsids[link.Index] = link.nsid
		} else if link.Kind == "veth" {
			link.Peer = l.names[link.parent]
		}
		if before, ok := l.drops[link.Index]; ok {
			link.Risen = link.stats.since(before)
		}
	}
	for i := range links {
		if child := &links[i]; child.Kind == "macvlan" && child.nsid < 0 {
			for j := range links {
				if links[j].Index == child.parent {
					links[j].Children = append(links[j].Children, child.Name)
				}
			}
		}
	}
	for i := range links {
		l.Links = append(l.Links, links[i].Link)
	}
	l.readBridges()
	for i := range l.Seen {
		l.Seen[i].Link = l.names[l.Seen[i].Index]
	}
}

// rawLink is a link before numbers are names.
type rawLink struct {
	diagnose.Link
	master, parent int
	nsid           int // of the other end's namespace; -1: this one
	stats          linkStats
}

// readLinks lists the links of the thread's namespace.
func readLinks() ([]rawLink, error) {
	request := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
	request.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	messages, err := request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	if err != nil {
		return nil, fmt.Errorf("listing interfaces: %w", err)
	}
	var links []rawLink
	for _, m := range messages {
		link, err := decodeLink(m)
		if err != nil {
			return nil, err
		}
		links = append(links, link)
	}
	return links, nil
}

// decodeLink reads the payload of an RTM_NEWLINK: rtnetlink(7).
func decodeLink(m []byte) (rawLink, error) {
	link := rawLink{nsid: -1}
	if len(m) < unix.SizeofIfInfomsg {
		return link, fmt.Errorf("a message about an interface of %d bytes: expected %d at least", len(m), unix.SizeofIfInfomsg)
	}
	head := nl.DeserializeIfInfomsg(m)
	link.Index = int(head.Index)
	link.Up = head.Flags&unix.IFF_UP != 0
	link.Carrier = head.Flags&unix.IFF_LOWER_UP != 0
	link.Multicast = head.Flags&unix.IFF_MULTICAST != 0
	for _, a := range attribute(m[unix.SizeofIfInfomsg:]).list() {
		v := a.value
		switch a.kind {
		case unix.IFLA_IFNAME:
			link.Name = v.text()
		case unix.IFLA_MTU:
			link.MTU = int(v.uint32())
		case unix.IFLA_LINK:
			link.parent = int(v.uint32())
		case unix.IFLA_MASTER:
			link.master = int(v.uint32())
		case unix.IFLA_LINK_NETNSID:
			link.nsid = int(int32(v.uint32()))
		case unix.IFLA_STATS64:
			link.stats = decodeStats(v)
		case unix.IFLA_XDP:
			if attached := v.nested()[nl.IFLA_XDP_ATTACHED]; len(attached) > 0 && attached[0] != 0 {
				link.Programs = append(link.Programs, diagnose.Program{Kind: "xdp"})
			}
		case unix.IFLA_LINKINFO:
			link.decodeInfo(v.nested())
		}
	}
	return link, nil
}

// decodeInfo reads IFLA_LINKINFO: of what kind a link and its master are.
func (link *rawLink) decodeInfo(info map[uint16]attribute) {
	link.Kind = info[unix.IFLA_INFO_KIND].text()
	link.Slave = info[unix.IFLA_INFO_SLAVE_KIND].text()
	if link.Slave == "bridge" {
		flood := info[unix.IFLA_INFO_SLAVE_DATA].nested()[nl.IFLA_BRPORT_MCAST_FLOOD]
		link.Port = &diagnose.Port{Flood: len(flood) == 0 || flood[0] != 0}
	}
	if link.Kind == "bridge" {
		data := info[unix.IFLA_INFO_DATA].nested()
		querier := data[bridgeQuerierState].nested()
		own := data[nl.IFLA_BR_MCAST_QUERIER].bool()
		link.Bridge = &diagnose.Bridge{
			Snooping: data[nl.IFLA_BR_MCAST_SNOOPING].bool(),
			Querier4: own || querier[querierIP4] != nil,
			Querier6: own || querier[querierIP6] != nil,
		}
	}
}

// Attributes of linux/if_link.h and linux/if_bridge.h that the library lacks.
const (
	bridgeQuerierState = 47 // IFLA_BR_MCAST_QUERIER_STATE, since Linux 5.15
	querierIP4         = 1  // BRIDGE_QUERIER_IP_ADDRESS
	querierIP6         = 5  // BRIDGE_QUERIER_IPV6_ADDRESS
)

// linkStats are counters of packets that an interface lost: struct
// rtnl_link_stats64 of linux/if_link.h, by the number of the field.
type linkStats [16]uint64

// lossFields are those of linkStats that tell of losses.
var lossFields = map[int]string{
	4: "rx_errors", 5: "tx_errors", 6: "rx_dropped", 7: "tx_dropped",
	11: "rx_over_errors", 12: "rx_crc_errors", 14: "rx_fifo_errors", 15: "rx_missed_errors",
}

func decodeStats(v attribute) (s linkStats) {
	for i := range s {
		if len(v) < 8*(i+1) {
			break
		}
		s[i] = nl.NativeEndian().Uint64(v[8*i:])
	}
	return s
}

// since is what has risen; nil if nothing has.
func (s linkStats) since(before linkStats) map[string]uint64 {
	var risen map[string]uint64
	for i, name := range lossFields {
		if s[i] > before[i] {
			if risen == nil {
				risen = map[string]uint64{}
			}
			risen[name] = s[i] - before[i]
		}
	}
	return risen
}

// readPrograms looks for programs of traffic control on the interfaces of rules.
func (l *look) readPrograms() {
	used := map[string]bool{}
	for i := range l.After.Rules {
		used[l.After.Rules[i].IIF] = true
		for _, o := range l.After.Rules[i].OIFs {
			used[o] = true
		}
	}
	for i := range l.Links {
		link := &l.Links[i]
		if !used[link.Name] {
			continue
		}
		for _, parent := range []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
			at := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: link.Index, Name: link.Name}}
			filters, err := l.routes.FilterList(at, parent)
			if err != nil {
				continue // there is no such queue
			}
			for _, f := range filters {
				name := strconv.Itoa(int(f.Attrs().Priority))
				if b, ok := f.(*netlink.BpfFilter); ok {
					name = b.Name
				}
				p := diagnose.Program{Out: parent == netlink.HANDLE_MIN_EGRESS, Kind: "tc " + f.Type(), Name: name}
				if n := len(link.Programs); n == 0 || link.Programs[n-1] != p {
					link.Programs = append(link.Programs, p)
				}
			}
		}
	}
}
