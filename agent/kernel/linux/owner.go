package linux

import (
	"fmt"
	"log/slog"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// owner is the raw socket that owns one family's table. Upcalls come to it, and
// when it is closed the kernel drops the VIFs and entries.
type owner struct {
	family mroute.Family
	err    *kernel.Error // why the family could not be claimed
	fd     int           // part of file
	file   *os.File      // nil if not claimed
	raw    syscall.RawConn

	// vifs are the ifindexes of the VIFs that were added, 0 for none. The
	// kernel may have dropped some with their links.
	vifs [mroute.MaxVIFs]int

	noGetRoute bool // the kernel has no RTM_GETROUTE for this family
}

// claim opens the socket and makes it the owner of the table.
func (o *owner) claim(table uint32, log *slog.Logger) *kernel.Error {
	object := fmt.Sprintf("%v table %d", o.family, table)
	fail := func(op string, err error) *kernel.Error {
		return newError(op, object, err, claimCause)
	}
	if o.family == mroute.IPv6 && table > uapi.MaxTable6 {
		return &kernel.Error{Op: "MRT_TABLE", Object: object,
			Cause: fmt.Errorf("IPv6 has tables 0 to %d: %w", uapi.MaxTable6, kernel.ErrNotSupported)}
	}
	fd, err := unix.Socket(domain(o.family), unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, rawProtocol(o.family))
	if err != nil {
		return fail("raw socket", err)
	}
	if op, err := o.setup(fd, table); err != nil {
		_ = unix.Close(fd)
		return fail(op, err)
	}
	// Wrong-interface upcalls come only in PIM mode. Without them flows that
	// move are repaired when their entry goes idle.
	if err := unix.SetsockoptInt(fd, level(o.family), uapi.MRTPIM, 1); err != nil {
		log.Warn("no upcalls for packets on a wrong interface", "family", o.family, "err", fail("MRT_PIM", err))
	}
	o.fd = fd
	o.file = os.NewFile(uintptr(fd), object)
	if o.raw, err = o.file.SyscallConn(); err != nil {
		_ = o.close()
		return fail("raw socket", err)
	}
	return nil
}

// setup returns the name of the step that failed.
func (o *owner) setup(fd int, table uint32) (op string, err error) {
	if err := onlyUpcalls(o.family, fd); err != nil {
		return "SO_ATTACH_FILTER", err
	}
	if err := quiet(o.family, fd); err != nil {
		return "IP_MULTICAST_LOOP", err
	}
	if table != 0 {
		if err := unix.SetsockoptInt(fd, level(o.family), uapi.MRTTable, int(table)); err != nil {
			return "MRT_TABLE", err
		}
	}
	if err := unix.SetsockoptInt(fd, level(o.family), uapi.MRTInit, 1); err != nil {
		return "MRT_INIT", err
	}
	return "", nil
}

// close gives the table up before the descriptor, which may live for a moment
// longer under a reader.
func (o *owner) close() error {
	if o.file == nil {
		return nil
	}
	_ = unix.SetsockoptInt(o.fd, level(o.family), uapi.MRTDone, 1)
	err := o.file.Close()
	o.file, o.fd = nil, -1
	o.err = &kernel.Error{Op: "use", Object: fmt.Sprintf("%v table", o.family), Errno: unix.EBADF}
	return err
}

func rawProtocol(f mroute.Family) int {
	if f == mroute.IPv6 {
		return unix.IPPROTO_ICMPV6
	}
	return unix.IPPROTO_IGMP
}

// onlyUpcalls keeps real IGMP and ICMPv6 packets off the socket: they would
// wake the reader, and take the room of upcalls.
func onlyUpcalls(f mroute.Family, fd int) error {
	if f == mroute.IPv6 {
		// Upcalls don't pass this filter, they are queued behind it.
		var block unix.ICMPv6Filter
		for i := range block.Data {
			block.Data[i] = ^uint32(0)
		}
		return unix.SetsockoptICMPv6Filter(fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, &block)
	}
	const protocol = 9 // offset in the IP header, and of im_mbz, which is 0
	return attachFilter(fd, []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: protocol},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 0, Jf: 1, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: ^uint32(0)},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	})
}

func attachFilter(fd int, prog []unix.SockFilter) error {
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]})
}

// quiet switches IP_MULTICAST_LOOP and IP_MULTICAST_ALL off.
func quiet(f mroute.Family, fd int) error {
	loop, all := unix.IP_MULTICAST_LOOP, unix.IP_MULTICAST_ALL
	if f == mroute.IPv6 {
		loop, all = unix.IPV6_MULTICAST_LOOP, unix.IPV6_MULTICAST_ALL
	}
	if err := unix.SetsockoptInt(fd, level(f), loop, 0); err != nil {
		return err
	}
	err := unix.SetsockoptInt(fd, level(f), all, 0)
	if err == unix.ENOPROTOOPT && f == mroute.IPv6 {
		return nil // since Linux 4.20 only
	}
	return err
}
