package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/keep/shelf"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
)

// flush empties the tables that are held, for which their owner needs no
// capability, and removes the rules that lead packets there. It reports whether none
// is left that has something of others.
func flush(s *shelf.Shelf, log *slog.Logger) (all bool) {
	all = true
	s.Each(func(name string, fd int, flush bool) {
		switch {
		case !flush && ownsTable(fd):
			all = false
			log.Warn("a table is left as it is, since another program's routes are in it", "name", name)
		case !flush: // memberships
		default:
			if err := flushTable(fd); err != nil {
				log.Warn("a table was not emptied", "name", name, "err", err)
			}
			if err := unlead(name, fd); err != nil {
				log.Warn("rules that lead packets to a table may be left (ip mrule)", "name", name, "err", err)
			}
		}
	})
	return all
}

// ownsTable tells sockets that own a table from those with memberships.
func ownsTable(fd int) bool {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	return err == nil && kind == unix.SOCK_RAW
}

func flushTable(fd int) error {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return err
	}
	switch domain {
	case unix.AF_INET:
		return os.NewSyscallError("MRT_FLUSH", unix.SetsockoptInt(fd, unix.IPPROTO_IP, uapi.MRTFlush, uapi.MRTFlushAll))
	case unix.AF_INET6:
		return os.NewSyscallError("MRT6_FLUSH", unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, uapi.MRTFlush, uapi.MRTFlushAll))
	}
	return fmt.Errorf("not a socket of IPv4 or IPv6, but of family %d", domain)
}

// remove removes a file, if there is one.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
