package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// open opens the socket in the thread's namespace. It gets packets from when it is bound,
// and by then all is set.
func (c *Capture) open(o Options, program []bpf.RawInstruction) error {
	fail := func(what string, err error) error {
		return fmt.Errorf("capture: %s: %w", what, err)
	}
	// SOCK_DGRAM: without the header of the link. Protocol 0: nothing yet.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fail("socket of AF_PACKET", err)
	}
	c.file = os.NewFile(uintptr(fd), "capture")
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fail("version of the ring", err)
	}
	layout := request(o.Buffer)
	if err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, layout); err != nil {
		return fail("ring", err)
	}
	c.ring.memory, err = unix.Mmap(fd, 0, int(layout.Block_size*layout.Block_nr), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fail("memory of the ring", err)
	}
	// sock_filter and bpf.RawInstruction have the same layout.
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: (*unix.SockFilter)(unsafe.Pointer(&program[0]))}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		return fail("filter", err)
	}
	if o.Wide {
		if err := takeAll(fd); err != nil {
			return fail("taking in all groups", err)
		}
	}
	all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all}); err != nil {
		return fail("bind", err)
	}
	return nil
}

// takeAll has all links take in packets to all groups as long as the socket is open.
func takeAll(fd int) error {
	links, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, l := range links {
		m := unix.PacketMreq{Ifindex: int32(l.Index), Type: unix.PACKET_MR_ALLMULTI}
		err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m)
		if err != nil && !errors.Is(err, unix.ENODEV) { // gone since
			return fmt.Errorf("on %s: %w", l.Name, err)
		}
	}
	return nil
}
