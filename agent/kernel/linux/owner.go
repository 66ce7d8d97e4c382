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
	family  mroute.Family
	err     *kernel.Error // why the family could not be claimed
	fd      int           // part of file
	file    *os.File      // nil if not claimed
	raw     syscall.RawConn
	adopted bool // the process before this one made it the owner

	// guest is a socket that does not own the table: what is set through it is
	// static, and outlives all owners. 0: none, the owner's own is used.
	guest int

	// vifs are the ifindexes of the VIFs that were added or found, 0 for none.
	// The kernel may have dropped some with their links.
	vifs [mroute.MaxVIFs]int

	// early are upcalls that were read when the table was adopted, for Watch.
	early []mroute.Upcall

	noGetRoute bool // the kernel has no RTM_GETROUTE for this family
}

// setter is the socket through which VIFs and entries are set.
func (o *owner) setter() int {
	if o.guest != 0 {
		return o.guest
	}
	return o.fd
}

// decode returns how upcalls are read.
func (o *owner) decode() func([]byte) (uapi.Upcall, bool) {
	if o.family == mroute.IPv6 {
		return uapi.DecodeUpcall6
	}
	return uapi.DecodeUpcall4
}

// claim opens the socket and makes it the owner of the table, unless p holds one
// that is.
func (o *owner) claim(table uint32, p *kept, log *slog.Logger) *kernel.Error {
	object := fmt.Sprintf("%v table %d", o.family, table)
	fail := func(op string, err error) *kernel.Error {
		return newError(op, object, err, claimCause)
	}
	if o.family == mroute.IPv6 && table > uapi.MaxTable6 {
		return &kernel.Error{Op: "MRT_TABLE", Object: object,
			Cause: fmt.Errorf("IPv6 has tables 0 to %d: %w", uapi.MaxTable6, kernel.ErrNotSupported)}
	}
	fd := o.adopt(table, p, log)
	o.adopted = fd >= 0
	if !o.adopted {
		var err error
		if fd, err = rawSocket(o.family); err != nil {
			return fail("raw socket", err)
		}
		if op, err := o.setup(fd, table); err != nil {
			_ = unix.Close(fd)
			return fail(op, err)
		}
	}
	// Wrong-interface upcalls come only in PIM mode. Without them flows that
	// move are repaired when their entry goes idle.
	if err := unix.SetsockoptInt(fd, level(o.family), uapi.MRTPIM, 1); err != nil {
		log.Warn("no upcalls for packets on a wrong interface", "family", o.family, "err", fail("MRT_PIM", err))
	}
	o.fd = fd
	o.file = os.NewFile(uintptr(fd), object)
	var err error
	if o.raw, err = o.file.SyscallConn(); err != nil {
		return fail("raw socket", err)
	}
	if p != nil && p.Static {
		if o.guest, err = guestSocket(o.family, table); err != nil {
			return fail("second raw socket", err)
		}
	}
	return nil
}

// options sets those that have nothing to do with the table.
func (o *owner) options(fd int) error {
	if err := onlyUpcalls(o.family, fd); err != nil {
		return fmt.Errorf("SO_ATTACH_FILTER: %w", err)
	}
	if err := quiet(o.family, fd); err != nil {
		return fmt.Errorf("IP_MULTICAST_LOOP: %w", err)
	}
	return nil
}

func rawSocket(f mroute.Family) (int, error) {
	return unix.Socket(domain(f), unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, rawProtocol(f))
}

// guestSocket opens a socket that sets VIFs and entries of a table which it does
// not own. It receives nothing.
func guestSocket(f mroute.Family, table uint32) (int, error) {
	fd, err := rawSocket(f)
	if err != nil {
		return 0, err
	}
	if err = attachFilter(fd, nothing); err == nil && table != 0 {
		err = unix.SetsockoptInt(fd, level(f), uapi.MRTTable, int(table))
	}
	if err != nil {
		_ = unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

// setup returns the name of the step that failed.
func (o *owner) setup(fd int, table uint32) (op string, err error) {
	if err := o.options(fd); err != nil {
		return "socket options", err
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
	return o.detach()
}

// detach closes the descriptors. The table ends with the last one of its owner,
// which somebody else may have.
func (o *owner) detach() error {
	if o.file == nil {
		return nil
	}
	err := o.file.Close()
	if o.guest != 0 {
		_ = unix.Close(o.guest)
	}
	o.file, o.fd, o.guest = nil, -1, 0
	if o.err == nil {
		o.err = &kernel.Error{Op: "use", Object: fmt.Sprintf("%v table", o.family), Errno: unix.EBADF}
	}
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

// nothing is a packet filter that lets nothing pass.
var nothing = []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}

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
