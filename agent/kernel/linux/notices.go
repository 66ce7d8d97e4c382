package linux

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
)

const (
	// noticeBuffer holds thousands of changes. What does not fit is noticed
	// as a change, but which links left is lost.
	noticeBuffer = 8 << 20

	// settle is the least time between two LinksChanged: the first change is
	// told at once, the rest of a burst together.
	settle = 20 * time.Millisecond

	noticeSize = 64 // the beginning of a notice is enough
)

// notices is a socket to which rtnetlink tells of changed links and addresses.
// Addresses matter because a join can fail for lack of one.
type notices struct {
	file *os.File
	raw  syscall.RawConn
}

func openNotices() (*notices, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("rtnetlink socket: %w", err)
	}
	n := &notices{file: os.NewFile(uintptr(fd), "rtnetlink notices")}
	growReceiveBuffer(fd, noticeBuffer)
	err = unix.Bind(fd, &unix.SockaddrNetlink{
		Family: unix.AF_NETLINK,
		Groups: unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR,
	})
	if err == nil {
		n.raw, err = n.file.SyscallConn()
	}
	if err != nil {
		n.close()
		return nil, fmt.Errorf("rtnetlink notices: %w", err)
	}
	return n, nil
}

func (n *notices) close() { _ = n.file.Close() }

// watch sends a LinksChanged for every burst of changes.
func (n *notices) watch(ctx context.Context, events chan<- kernel.Event) error {
	rx := newMmsg(64, noticeSize)
	for {
		var gone []int
		if err := n.wait(rx, &gone); err != nil {
			return err
		}
		if !send(ctx, events, kernel.LinksChanged{Gone: gone}) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(settle):
		}
	}
}

// wait reads all that is there, and waits if nothing is.
func (n *notices) wait(rx *mmsg, gone *[]int) error {
	var failed error
	err := n.raw.Read(func(fd uintptr) bool {
		some := false
		for {
			count, errno := rx.recv(int(fd))
			switch errno {
			case 0:
				some = true
				for i := range count {
					b, _ := rx.msg(i)
					if ifindex, ok := uapi.DecodeGone(b); ok {
						*gone = append(*gone, int(ifindex))
					}
				}
			case unix.EAGAIN:
				return some
			case unix.ENOBUFS:
				some = true
			default:
				failed = errno
				return true
			}
		}
	})
	if err == nil && failed != nil {
		err = fmt.Errorf("rtnetlink notices: %w", failed)
	}
	return err
}
