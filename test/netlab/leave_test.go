package netlab

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// join joins on a socket that is closed by the function returned.
func join(t *testing.T, ns *NS, link, group, source string) (leave func()) {
	t.Helper()
	index := uint32(ns.Index(link))
	g := netip.MustParseAddr(group)
	var fd int
	err := ns.Do(func() (err error) {
		domain, level := unix.AF_INET, unix.IPPROTO_IP
		if g.Is6() {
			domain, level = unix.AF_INET6, unix.IPPROTO_IPV6
		}
		if fd, err = unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		if source != "" {
			return unix.SetsockoptString(fd, level, unix.MCAST_JOIN_SOURCE_GROUP, groupReq(index, g, netip.MustParseAddr(source)))
		}
		return unix.SetsockoptString(fd, level, unix.MCAST_JOIN_GROUP, groupReq(index, g))
	})
	if err != nil {
		t.Fatalf("joining %s: %v", group, err)
	}
	return func() { _ = unix.Close(fd) }
}

// groupReq is a group_req, or group_source_req, of in.h.
func groupReq(index uint32, addrs ...netip.Addr) string {
	b := make([]byte, 8, 8+2*128)
	binary.NativeEndian.PutUint32(b, index)
	for _, a := range addrs {
		sockaddr := make([]byte, 128)
		family, offset := uint16(unix.AF_INET), 4
		if a.Is6() {
			family, offset = unix.AF_INET6, 8
		}
		binary.NativeEndian.PutUint16(sockaddr, family)
		copy(sockaddr[offset:], a.AsSlice())
		b = append(b, sockaddr...)
	}
	return string(b)
}

func TestLeaves(t *testing.T) {
	a, b := New(t), New(t)
	a.Veth("eth0", b, "eth0")
	l := b.Leaves("eth0")
	for _, tt := range []struct{ group, source, want string }{
		{"225.1.2.3", "", "IGMPv3 225.1.2.3"},
		{"232.1.2.3", "192.0.2.1", "IGMPv3 232.1.2.3"},
		{"ff15::123", "", "MLDv2 ff15::123"},
		{"ff35::123", "2001:db8::1", "MLDv2 ff35::123"},
	} {
		leave := join(t, a, "eth0", tt.group, tt.source)
		if slices.Contains(l.Seen(), tt.want) {
			t.Errorf("%s: seen before it was left", tt.want)
		}
		// Two that overlap are one to others.
		again := join(t, a, "eth0", tt.group, tt.source)
		leave()
		if slices.Contains(l.Seen(), tt.want) {
			t.Errorf("%s: seen while it is joined", tt.want)
		}
		again()
		Await(t, deadline, func() bool { return slices.Contains(l.Seen(), tt.want) }, tt.want)
	}
}

// A host sends those of the old versions only if it was the last that reported.
func TestLeavesOfOldVersions(t *testing.T) {
	igmp := append(make([]byte, etherHeader), 0x46, 0, 0, 32, 0, 0, 0, 0, 1, protoIGMP, 0, 0, 192, 0, 2, 1, 224, 0, 0, 2, 0x94, 4, 0, 0,
		0x17, 0, 0, 0, 225, 1, 2, 3)
	binary.BigEndian.PutUint16(igmp[12:], etherIPv4)
	mld := append(make([]byte, etherHeader+ipv6Header), protoICMP6, 0, 5, 2, 0, 0, 1, 0, 132, 0, 0, 0, 0, 0, 0, 0)
	mld = append(mld, netip.MustParseAddr("ff15::123").AsSlice()...)
	binary.BigEndian.PutUint16(mld[12:], etherIPv6)
	for want, frame := range map[string][]byte{"IGMPv2 225.1.2.3": igmp, "MLDv1 ff15::123": mld} {
		if got := leaves(frame); !slices.Equal(got, []string{want}) {
			t.Errorf("got %v, want %s", got, want)
		}
		for n := range frame { // whatever is cut off
			if got := leaves(frame[:n]); got != nil {
				t.Errorf("%d bytes of %d: got %v", n, len(frame), got)
			}
		}
	}
}
