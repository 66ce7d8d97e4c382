package linux

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// newError wraps what a system call returned; cause finds the sentinel.
func newError(op, object string, err error, cause func(syscall.Errno) error) *kernel.Error {
	e := &kernel.Error{Op: op, Object: object}
	if errors.As(err, &e.Errno) {
		e.Cause = cause(e.Errno)
	} else {
		e.Cause = err
	}
	return e
}

// claimCause is the sentinel of a failure to open a table.
func claimCause(errno syscall.Errno) error {
	switch errno {
	case unix.EADDRINUSE:
		return kernel.ErrTableBusy
	case unix.EPERM, unix.EACCES:
		return kernel.ErrPermission
	case unix.ENOPROTOOPT, unix.EAFNOSUPPORT, unix.EPROTONOSUPPORT, unix.ESOCKTNOSUPPORT, unix.EOPNOTSUPP:
		return kernel.ErrNotSupported
	}
	return nil
}

// opCause is the sentinel of a failed op.
func opCause(op *mroute.Op, errno syscall.Errno) error {
	switch errno {
	case unix.EPERM, unix.EACCES:
		return kernel.ErrPermission
	case unix.ENODEV, unix.EADDRNOTAVAIL, unix.ENXIO:
		return kernel.ErrNoLink
	case unix.ENFILE:
		switch op.Kind {
		case mroute.AddVIF:
			return kernel.ErrVIFTableFull // a number beyond 31
		case mroute.SetMFC:
			return kernel.ErrNoLink // the input has lost its VIF
		case mroute.JoinGroup:
			return limit("open files of the system: sysctl fs.file-max")
		}
	case unix.EMFILE:
		if op.Kind == mroute.JoinGroup {
			return limit("open files of the process: RLIMIT_NOFILE")
		}
	case unix.ENOBUFS, unix.ENOMEM:
		if op.Kind == mroute.JoinGroup {
			return limit(joinLimit(op))
		}
	}
	return nil
}

// limit is ErrLimit with the one that must be raised.
func limit(which string) error { return fmt.Errorf("%w: %s", kernel.ErrLimit, which) }

// joinLimit names the limits of one socket, since a socket without other joins
// was refused this one: ip_mc_join_group and ip_mc_source of net/ipv4/igmp.c,
// ipv6_sock_mc_join and ip6_mc_source of net/ipv6/mcast.c.
func joinLimit(op *mroute.Op) string {
	switch {
	case op.Family == mroute.IPv6 && op.SG.Source.IsValid():
		return "sysctl net.ipv6.mld_max_msf or net.core.optmem_max"
	case op.Family == mroute.IPv6:
		return "sysctl net.core.optmem_max"
	case op.SG.Source.IsValid():
		return "sysctl net.ipv4.igmp_max_msf, net.ipv4.igmp_max_memberships or net.core.optmem_max"
	}
	return "sysctl net.ipv4.igmp_max_memberships or net.core.optmem_max"
}

// opError describes a failed op, or is nil if errno is 0.
func opError(op *mroute.Op, errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return &kernel.Error{Op: op.Kind.String(), Object: opObject(op), Errno: errno, Cause: opCause(op, errno)}
}

// opObject names what an op is about.
func opObject(op *mroute.Op) string {
	switch op.Kind {
	case mroute.AddVIF:
		return op.Link.Name + " as " + vifName(op)
	case mroute.DelVIF:
		return vifName(op)
	case mroute.JoinGroup, mroute.LeaveGroup:
		return op.SG.String() + " on " + op.Link.Name
	}
	return op.SG.String()
}

// errnoOf finds the error number in what a system call returned.
func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return unix.EIO
	}
	return errno
}
