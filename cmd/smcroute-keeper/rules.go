package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
)

// unlead removes the rules with which a router leads packets to a table beside its
// own. Nobody would forward these packets once the table is empty, not even a router
// that comes later and has another one. It takes the capability NET_ADMIN, and does
// nothing about a table of another network namespace than this process's. The names
// of owners of tables are PLACE/TABLE/FAMILY/owner.
func unlead(name string, fd int) error {
	parts := strings.Split(name, "/")
	if len(parts) != 4 {
		return nil
	}
	table, err := strconv.ParseUint(parts[1], 10, 32)
	if err != nil || table == 0 { // no rule need lead to table 0
		return nil
	}
	family, err := ruleFamily(fd)
	if err != nil {
		return err
	}
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(s)
	if same, err := sameNamespace(s, fd); err != nil || !same {
		return err
	}
	for seq := uint32(1); ; seq++ {
		switch err := request(s, uapi.AppendDelRule(nil, seq, family, uint32(table))); {
		case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EOPNOTSUPP):
			return nil
		case err != nil:
			return fmt.Errorf("RTM_DELRULE of table %d: %w", table, err)
		}
	}
}

// ruleFamily is that of rules for tables of an owner's family.
func ruleFamily(fd int) (uint8, error) {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if domain == unix.AF_INET6 {
		return uapi.FamilyIP6MR, err
	}
	return uapi.FamilyIPMR, err
}

func sameNamespace(a, b int) (bool, error) {
	x, err := unix.GetsockoptUint64(a, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		return false, os.NewSyscallError("SO_NETNS_COOKIE", err)
	}
	y, err := unix.GetsockoptUint64(b, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	return x == y, os.NewSyscallError("SO_NETNS_COOKIE", err)
}

// request sends a request that asks for an acknowledgement, and returns what that
// says. The kernel has answered when sendto returns.
func request(s int, message []byte) error {
	if err := unix.Sendto(s, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return os.NewSyscallError("sendto", err)
	}
	b := make([]byte, 4096)
	n, _, err := unix.Recvfrom(s, b, unix.MSG_DONTWAIT)
	if err != nil {
		return os.NewSyscallError("recvfrom", err)
	}
	m, _, err := uapi.NextMessage(b[:n])
	if err != nil {
		return err
	}
	errno, err := m.Errno()
	if err == nil && errno != 0 {
		err = unix.Errno(errno)
	}
	return err
}
