package linux

import (
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// IPv6 has no list of MIFs but /proc/net/ip6_mr_vif, which is for the default
// table only. SIOCGETMIFCNT_IN6 tells which exist. Of which link they are shows in
// the entries that have them as their input: an entry of no use, a probe, is made
// for each.

func (k *Kernel) findVIFs(o *owner) (vifs [mroute.MaxVIFs]int32, err error) {
	if o.family == mroute.IPv6 {
		return k.findMIFs(o)
	}
	return k.dumpVIFs(o)
}

// knownMIFs asks which of the MIFs that were added still exist.
func (k *Kernel) knownMIFs(o *owner) (vifs [mroute.MaxVIFs]int32, err error) {
	for v, ifindex := range o.vifs {
		if ifindex == 0 {
			continue
		}
		exists, err := k.hasMIF(o, mroute.VIF(v))
		if err != nil {
			return vifs, err
		}
		if exists {
			vifs[v] = int32(ifindex)
		}
	}
	return vifs, nil
}

func (k *Kernel) hasMIF(o *owner, v mroute.VIF) (bool, error) {
	k.value = uapi.AppendVIFReq(k.value[:0], uint16(v), uapi.NativeWord)
	switch errno := ioctl(o.fd, uapi.SIOCGetVIFCnt, k.value); errno {
	case 0:
		return true, nil
	case unix.EADDRNOTAVAIL, unix.EINVAL: // EINVAL beyond the highest that exists
		return false, nil
	default:
		return false, errno
	}
}

// findMIFs asks which MIFs exist, and of which links they are.
func (k *Kernel) findMIFs(o *owner) (vifs [mroute.MaxVIFs]int32, err error) {
	var probes []mroute.SG
	for v := range mroute.VIF(mroute.MaxVIFs) {
		exists, err := k.hasMIF(o, v)
		if err != nil {
			return vifs, err
		}
		if !exists {
			continue
		}
		if errno := k.probe(o, v, uapi.MRTAddMFC); errno != 0 {
			return vifs, errno
		}
		probes = append(probes, probeOf(v))
	}
	defer func() { // even those of a process that was killed here
		for v := range mroute.VIF(mroute.MaxVIFs) {
			k.probe(o, v, uapi.MRTDelMFC)
		}
	}()
	if len(probes) == 0 {
		return vifs, nil
	}
	note := func(r *uapi.Route) {
		if isProbe(r.Dst) {
			vifs[probeMIF(r.Dst)] = int32(r.Iif)
		}
	}
	if !o.noGetRoute {
		lost, err := k.askRoutes(o.family, probes, func(_ int, r *uapi.Route) { note(r) })
		if !lost && err == nil {
			return vifs, nil
		}
		o.noGetRoute = err == unix.EOPNOTSUPP
	}
	return vifs, k.eachRoute(o.family, note) // as older kernels need it
}

// probe sets or deletes the probe of a MIF. It is not static, and so goes with
// the table's owner at the latest.
func (k *Kernel) probe(o *owner, v mroute.VIF, opt int) syscall.Errno {
	sg := probeOf(v)
	mfc := uapi.MFC{Origin: sg.Source, Group: sg.Group, Parent: uint16(v)}
	k.value = mfc.Append(k.value[:0])
	return setsockopt(o.fd, level(o.family), opt, k.value)
}

// probeOf is the flow of a probe. Linux takes no packet to a group of scope 0
// (RFC 4291, section 2.7), nor is there one from 100:: (RFC 6666).
func probeOf(v mroute.VIF) mroute.SG {
	group := probes.Addr().As16()
	group[15] = byte(v)
	return mroute.SG{Source: netip.MustParseAddr("100::"), Group: netip.AddrFrom16(group)}
}

var probes = netip.MustParsePrefix("ff00::6d69:6600/123")

func isProbe(group netip.Addr) bool { return probes.Contains(group) }

// probeMIF is the MIF of a probe.
func probeMIF(group netip.Addr) int { return int(group.As16()[15]) % mroute.MaxVIFs }
