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
// capability.
func flush(s *shelf.Shelf, log *slog.Logger) {
	s.Each(func(name string, fd int, flush bool) {
		if !flush {
			return
		}
		if err := flushTable(fd); err != nil {
			log.Warn("a table was not emptied", "name", name, "err", err)
		}
	})
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
