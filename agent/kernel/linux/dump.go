package linux

import (
	"cmp"
	"fmt"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Dump implements [kernel.Table]. Flows that wait for an answer to an upcall are not
// part of it. Kind is not known to the kernel, and Static throughout; an IIF
// without a VIF shows as NoVIF, and an output with threshold 255, which no
// packet passes, as none.
func (k *Kernel) Dump(f mroute.Family) (kernel.Dump, error) {
	o := k.owner(f)
	if o.err != nil {
		return emptyDump(), o.err
	}
	vifs, err := k.dumpVIFs(o)
	if err != nil {
		return emptyDump(), newError("dump VIFs", fmt.Sprintf("%v table %d", f, k.table), err, claimCause)
	}
	found, _, err := k.dumpEntries(f, vifs)
	if err != nil {
		return found.Dump, newError("dump entries", fmt.Sprintf("%v table %d", f, k.table), err, claimCause)
	}
	return found.Dump, nil
}

func emptyDump() kernel.Dump {
	return kernel.Dump{VIFs: map[mroute.VIF]int{}, Entries: map[mroute.SG]mroute.Entry{}}
}

// dumpEntries lists the entries of a table with these VIFs, and the flows that
// wait for one.
func (k *Kernel) dumpEntries(f mroute.Family, vifs [mroute.MaxVIFs]int32) (found kernel.Found, waiting []mroute.SG, err error) {
	found = kernel.Found{Dump: emptyDump(), Static: map[mroute.SG]bool{}}
	byLink := map[int32]mroute.VIF{}
	for v, ifindex := range vifs {
		if ifindex != 0 {
			found.VIFs[mroute.VIF(v)] = int(ifindex)
			byLink[ifindex] = mroute.VIF(v)
		}
	}
	err = k.eachRoute(f, func(r *uapi.Route) {
		switch {
		case r.Unresolved:
			waiting = append(waiting, mroute.SG{Source: r.Src, Group: r.Dst})
			return
		case isProbe(r.Dst):
			return
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
		found.Entries[sg] = e
		if r.Static {
			found.Static[sg] = true
		}
	})
	return found, waiting, err
}

// eachRoute calls each for every entry of a table, and every flow that waits.
func (k *Kernel) eachRoute(f mroute.Family, each func(*uapi.Route)) error {
	family := byte(uapi.FamilyIPMR)
	if f == mroute.IPv6 {
		family = uapi.FamilyIP6MR
	}
	table := k.tableID(f)
	seq := k.cmd.reserve(1)
	k.request = uapi.AppendDumpRoutes(k.request[:0], seq, family, table)
	var r uapi.Route
	return k.cmd.list(k.request, seq, func(m uapi.Message) error {
		err := uapi.DecodeRoute(m.Payload, &r)
		if err == nil && r.Table == table {
			each(&r)
		}
		return err
	})
}

// dumpVIFs returns the ifindex of each VIF, 0 for none. The kernel lists those of all
// tables, and tells of one in two messages where a buffer of it ends between its VIFs.
func (k *Kernel) dumpVIFs(o *owner) (vifs [mroute.MaxVIFs]int32, err error) {
	if o.family == mroute.IPv6 {
		return k.knownMIFs(o)
	}
	table := k.tableID(o.family)
	seq := k.cmd.reserve(1)
	k.request = uapi.AppendDumpVIFs(k.request[:0], seq)
	err = k.cmd.list(k.request, seq, func(m uapi.Message) error {
		v, err := uapi.DecodeVIFs(m.Payload)
		if v.Table == table {
			for i, ifindex := range v.Ifindex {
				vifs[i] = cmp.Or(vifs[i], ifindex)
			}
		}
		return err
	})
	return vifs, err
}
