package script

import (
	"net/netip"
	"strconv"

	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/vishvananda/netlink"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// runRecreate deletes and makes a veth pair again, many times.
func runRecreate(l *lab, args []string) (result, error) {
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return result{}, usagef("%v", err)
	}
	ns, name, err := l.iface(args[0])
	if err != nil {
		return result{}, err
	}
	for range n {
		ns.Delete(name)
		if r, err := runVeth(l, args[:2]); err != nil {
			return r, err
		}
	}
	return result{}, nil
}

// runBurst sends one packet from each of many sources, 10.9.0.1 and up, without
// a pause.
func runBurst(l *lab, args []string) (result, error) {
	ns, name, err := l.iface(args[0])
	if err != nil {
		return result{}, err
	}
	group, err := netip.ParseAddr(args[1])
	if err != nil {
		return result{}, usagef("%v", err)
	}
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return result{}, usagef("%v", err)
	}
	src := netip.MustParseAddr("10.9.0.0")
	for range n {
		src = src.Next()
		ns.Send(name, netlab.Packet{Src: src, Group: group, TTL: 16})
	}
	return result{}, nil
}

// runMrule has packets from an interface looked up in a table: what "ip mrule
// add iif IF table ID" does, in both families.
func runMrule(l *lab, args []string) (result, error) {
	ns, err := l.namespace(args[0])
	if err != nil {
		return result{}, err
	}
	table, err := strconv.Atoi(args[2])
	if err != nil {
		return result{}, usagef("%v", err)
	}
	return result{}, ns.Do(func() error {
		for _, family := range []int{uapi.FamilyIPMR, uapi.FamilyIP6MR} {
			r := netlink.NewRule()
			r.Family, r.IifName, r.Table = family, args[1], table
			if err := netlink.RuleAdd(r); err != nil {
				return err
			}
		}
		return nil
	})
}
