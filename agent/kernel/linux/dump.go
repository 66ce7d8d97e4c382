package linux

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Dump implements [kernel.Table]. Flows that wait for an answer to an upcall are not
// part of it. Kind is not known to the kernel, and Static throughout; an IIF
// without a VIF shows as NoVIF, and an output with threshold 255, which no
// packet passes, as none.
func (k *Kernel) Dump(f mroute.Family) (kernel.Dump, error) {
	d := kernel.Dump{VIFs: map[mroute.VIF]int{}, Entries: map[mroute.SG]mroute.Entry{}}
	o := k.owner(f)
	if o.err != nil {
		return d, o.err
	}
	vifs, err := k.dumpVIFs(o)
	if err != nil {
		return d, newError("dump VIFs", fmt.Sprintf("%v table %d", f, k.table), err, claimCause)
	}
	byLink := map[int32]mroute.VIF{}
	for v, ifindex := range vifs {
		if ifindex != 0 {
			d.VIFs[mroute.VIF(v)] = int(ifindex)
			byLink[ifindex] = mroute.VIF(v)
		}
	}
	if err := k.dumpEntries(f, byLink, d.Entries); err != nil {
		return d, newError("dump entries", fmt.Sprintf("%v table %d", f, k.table), err, claimCause)
	}
	return d, nil
}

func (k *Kernel) dumpEntries(f mroute.Family, byLink map[int32]mroute.VIF, entries map[mroute.SG]mroute.Entry) error {
	family := byte(uapi.FamilyIPMR)
	if f == mroute.IPv6 {
		family = uapi.FamilyIP6MR
	}
	table := k.tableID(f)
	seq := k.cmd.reserve(1)
	k.request = uapi.AppendDumpRoutes(k.request[:0], seq, family, table)
	var r uapi.Route
	return k.cmd.list(k.request, seq, func(m uapi.Message) error {
		if err := uapi.DecodeRoute(m.Payload, &r); err != nil {
			return err
		}
		if r.Unresolved || r.Table != table {
			return nil
		}
		e := mroute.Entry{IIF: mroute.NoVIF}
		if v, ok := byLink[int32(r.Iif)]; ok {
			e.IIF = v
		}
		for _, hop := range r.Hops[:r.NumHops] {
			if v, ok := byLink[hop.Ifindex]; ok {
				e.OIFs[v] = mroute.Threshold(hop.TTL)
			}
		}
		sg := mroute.SG{Source: r.Src, Group: r.Dst}
		if r.Src.IsUnspecified() {
			sg.Source = mroute.SG{}.Source
		}
		entries[sg] = e
		return nil
	})
}

// dumpVIFs returns the ifindex of each VIF, 0 for none.
func (k *Kernel) dumpVIFs(o *owner) (vifs [mroute.MaxVIFs]int32, err error) {
	if o.family == mroute.IPv6 {
		return k.probeMIFs(o)
	}
	table := k.tableID(o.family)
	seq := k.cmd.reserve(1)
	k.request = uapi.AppendDumpVIFs(k.request[:0], seq)
	err = k.cmd.list(k.request, seq, func(m uapi.Message) error {
		v, err := uapi.DecodeVIFs(m.Payload)
		if v.Table == table {
			vifs = v.Ifindex
		}
		return err
	})
	return vifs, err
}

// probeMIFs asks which of the MIFs that were added still exist. IPv6 has no
// list of them but /proc/net/ip6_mr_vif, which is for the default table only.
func (k *Kernel) probeMIFs(o *owner) (vifs [mroute.MaxVIFs]int32, err error) {
	for v, ifindex := range o.vifs {
		if ifindex == 0 {
			continue
		}
		k.value = uapi.AppendVIFReq(k.value[:0], uint16(v), uapi.NativeWord)
		switch errno := ioctl(o.fd, uapi.SIOCGetVIFCnt, k.value); errno {
		case 0:
			vifs[v] = int32(ifindex)
		case unix.EADDRNOTAVAIL, unix.EINVAL: // EINVAL beyond the highest that exists
		default:
			return vifs, errno
		}
	}
	return vifs, nil
}
