package main

import (
	"encoding/binary"
	"syscall"
)

// table makes the values of one family's calls, in memory that it uses again.
type table interface {
	socket() (domain, protocol, level int)
	vif(vif, ifindex int) []byte
	mfc(a, b, c byte) []byte // the entry of a number
}

// table4 is IPv4's.
type table4 struct{ value [60]byte }

func (*table4) socket() (domain, protocol, level int) {
	return syscall.AF_INET, syscall.IPPROTO_IGMP, syscall.IPPROTO_IP
}

// vif is struct vifctl: vif, flags (VIFF_USE_IFINDEX), threshold, rate, ifindex,
// remote.
func (*table4) vif(vif, ifindex int) []byte {
	v := binary.NativeEndian.AppendUint16(nil, uint16(vif))
	v = append(v, 8, 1, 0, 0, 0, 0)
	v = binary.NativeEndian.AppendUint32(v, uint32(ifindex))
	return append(v, 0, 0, 0, 0)
}

func (t *table4) mfc(a, b, c byte) []byte { return t.flow([]byte{10, a, b, c}, []byte{232, a, b, c}) }

// flow is struct mfcctl: origin, group, parent, ttls, counters. The input is VIF
// 0, the output VIF 1.
func (t *table4) flow(source, group []byte) []byte {
	copy(t.value[:], source)
	copy(t.value[4:], group)
	t.value[10+1] = 1
	return t.value[:]
}

// table6 is IPv6's.
type table6 struct{ value [92]byte }

func (*table6) socket() (domain, protocol, level int) {
	return syscall.AF_INET6, syscall.IPPROTO_ICMPV6, syscall.IPPROTO_IPV6
}

// vif is struct mif6ctl: mif, flags, threshold, ifindex, rate.
func (*table6) vif(vif, ifindex int) []byte {
	v := binary.NativeEndian.AppendUint16(nil, uint16(vif))
	v = append(v, 0, 1)
	v = binary.NativeEndian.AppendUint16(v, uint16(ifindex))
	return append(v, 0, 0, 0, 0, 0, 0)
}

// mfc is struct mf6cctl: origin and group, which are sockets' addresses, parent,
// set of outputs.
func (t *table6) mfc(a, b, c byte) []byte {
	const group, parent, outputs = 28, 56, 60
	address := func(at int, prefix ...byte) {
		binary.NativeEndian.PutUint16(t.value[at:], syscall.AF_INET6)
		copy(t.value[at+8:], prefix)
		copy(t.value[at+8+12:], []byte{0, a, b, c})
	}
	address(0, 0x20, 0x01, 0x0d, 0xb8)
	address(group, 0xff, 0x3e)
	binary.NativeEndian.PutUint16(t.value[parent:], 0)
	binary.NativeEndian.PutUint32(t.value[outputs:], 1<<1)
	return t.value[:]
}
