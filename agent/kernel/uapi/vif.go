package uapi

import "encoding/binary"

// Sizes in bytes.
const (
	SizeVifctl  = 16
	SizeMif6ctl = 12
)

// VIFFUseIfindex says that Vifctl.Ifindex counts, VIFF_USE_IFINDEX.
const VIFFUseIfindex = 0x8

// Vifctl is struct vifctl of mroute.h, the value of MRT_ADD_VIF and MRT_DEL_VIF.
type Vifctl struct {
	VIF       uint16
	Flags     uint8
	Threshold uint8 // written, and not used by the kernel
	Ifindex   int32 // vifc_lcl_ifindex
}

// Append writes v's 16 bytes.
func (v Vifctl) Append(b []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, v.VIF)
	b = append(b, v.Flags, v.Threshold)
	b = binary.NativeEndian.AppendUint32(b, 0) // vifc_rate_limit
	b = binary.NativeEndian.AppendUint32(b, uint32(v.Ifindex))
	return binary.NativeEndian.AppendUint32(b, 0) // vifc_rmt_addr
}

// Mif6ctl is struct mif6ctl of mroute6.h, the value of MRT6_ADD_MIF. The kernel
// has 16 bits for the ifindex: links beyond 65535 cannot be in IPv6's table.
type Mif6ctl struct {
	MIF       uint16
	Flags     uint8
	Threshold uint8  // vifc_threshold: written, and not used by the kernel
	Ifindex   uint16 // mif6c_pifi
}

// Append writes m's 12 bytes.
func (m Mif6ctl) Append(b []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, m.MIF)
	b = append(b, m.Flags, m.Threshold)
	b = binary.NativeEndian.AppendUint16(b, m.Ifindex)
	b = append(b, 0, 0)
	return binary.NativeEndian.AppendUint32(b, 0) // vifc_rate_limit
}

// AppendMIF writes a mifi_t, the value of MRT6_DEL_MIF.
func AppendMIF(b []byte, mif uint16) []byte { return binary.NativeEndian.AppendUint16(b, mif) }

// AppendVIFReq writes struct sioc_vif_req or sioc_mif_req6 with zero counters:
// 40 bytes on 64-bit kernels, 20 on 32-bit ones.
func AppendVIFReq(b []byte, vif uint16, w Word) []byte {
	b = binary.NativeEndian.AppendUint16(b, vif)
	return appendZeros(b, int(w)-2+4*int(w))
}

// zeros is longer than any gap or counter block of these structs.
var zeros [128]byte

func appendZeros(b []byte, n int) []byte { return append(b, zeros[:n]...) }
