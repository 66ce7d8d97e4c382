package linux

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// maxMIFIndex is the highest ifindex that fits struct mif6ctl.
const maxMIFIndex = 0xffff

// addVIF makes a VIF (IPv4) or MIF (IPv6) of a link.
func (k *Kernel) addVIF(o *owner, op *mroute.Op) error {
	if op.Family == mroute.IPv6 {
		if op.Link.Index > maxMIFIndex {
			return &kernel.Error{
				Op: op.Kind.String(), Object: opObject(op),
				Cause: fmt.Errorf("ifindex %d, but IPv6 multicast routing has room for indexes up to %d: %w",
					op.Link.Index, maxMIFIndex, kernel.ErrNotSupported),
			}
		}
		k.value = uapi.Mif6ctl{MIF: uint16(op.VIF), Threshold: 1, Ifindex: uint16(op.Link.Index)}.Append(k.value[:0])
	} else {
		k.value = uapi.Vifctl{
			VIF: uint16(op.VIF), Flags: uapi.VIFFUseIfindex, Threshold: 1, Ifindex: int32(op.Link.Index),
		}.Append(k.value[:0])
	}
	errno := setsockopt(o.setter(), level(op.Family), uapi.MRTAddVIF, k.value)
	if errno == 0 {
		o.vifs[op.VIF] = op.Link.Index
	}
	return opError(op, errno)
}

// delVIF frees a VIF. The kernel may have done so by itself, with the link.
func (k *Kernel) delVIF(o *owner, op *mroute.Op) error {
	if op.Family == mroute.IPv6 {
		k.value = uapi.AppendMIF(k.value[:0], uint16(op.VIF))
	} else {
		k.value = uapi.Vifctl{VIF: uint16(op.VIF)}.Append(k.value[:0])
	}
	errno := setsockopt(o.setter(), level(op.Family), uapi.MRTDelVIF, k.value)
	if errno == unix.EADDRNOTAVAIL {
		errno = 0
	}
	if errno == 0 && op.VIF < mroute.MaxVIFs {
		o.vifs[op.VIF] = 0
	}
	return opError(op, errno)
}

func vifName(op *mroute.Op) string { return fmt.Sprintf("%v VIF %d", op.Family, op.VIF) }
