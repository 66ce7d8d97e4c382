package capture

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"

	"github.com/smcroute/kube-smcroute/agent/netns"
)

// Link is an interface, and how it stands to others.
type Link struct {
	Index  int
	Name   string
	Master int    // index of the bridge, bond or team that it is a port of; 0: none
	Parent int    // index of the link below, of a VLAN or macvlan; 0: none, or in another namespace
	VLAN   uint16 // number, of a VLAN; 0: it is none
}

// Links lists the interfaces of the network namespace at path, "" for that of the process.
func Links(path string) (links []Link, err error) {
	err = netns.Do(path, func() error {
		all, err := netlink.LinkList()
		// One that changed meanwhile may be missing, or be there twice.
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			return err
		}
		for _, l := range all {
			a := l.Attrs()
			link := Link{Index: a.Index, Name: a.Name, Master: a.MasterIndex}
			switch l := l.(type) {
			case *netlink.Vlan:
				link.Parent, link.VLAN = a.ParentIndex, uint16(l.VlanId)
			case *netlink.Macvlan:
				link.Parent = a.ParentIndex
			}
			links = append(links, link)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list of interfaces: %w", err)
	}
	return links, nil
}
