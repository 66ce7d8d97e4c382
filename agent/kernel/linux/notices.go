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

// Groups of rtnetlink, as bits, that tell of rules, those of multicast routing among
// them, and of programs that take tables.
const rulesMask = 1<<(unix.RTNLGRP_IPV4_RULE-1) | 1<<(unix.RTNLGRP_IPV6_RULE-1) |
	1<<(unix.RTNLGRP_IPV4_NETCONF-1) | 1<<(unix.RTNLGRP_IPV6_NETCONF-1)

// notices is a socket to which rtnetlink tells of changed links, addresses and rules.
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
		Groups: unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | rulesMask,
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

// burst is what a number of notices comes to.
type burst struct {
	links bool  // may be others now
	gone  []int // ifindexes of those that left
	rules bool  // may be others now
}

// events are those that a burst is told with.
func (b *burst) events() []kernel.Event {
	var evs []kernel.Event
	if b.links {
		evs = append(evs, kernel.LinksChanged{Gone: b.gone})
	}
	if b.rules {
		evs = append(evs, kernel.RulesChanged{})
	}
	return evs
}

// add adds a notice, of which b is the beginning.
func (b *burst) add(notice []byte) {
	switch uapi.NoticeOf(notice) {
	case uapi.NoticeRules, uapi.NoticeRouter: // where nobody had a table rules for it said nothing
		b.rules = true
	case uapi.NoticeOther:
		b.links = true
		if ifindex, ok := uapi.DecodeGone(notice); ok {
			b.gone = append(b.gone, int(ifindex))
		}
	}
}

// watch sends events for every burst of changes.
func (n *notices) watch(ctx context.Context, events chan<- kernel.Event) error {
	rx := newMmsg(64, noticeSize)
	for {
		var all burst
		if err := n.wait(rx, &all); err != nil {
			return err
		}
		for _, e := range all.events() {
			if !send(ctx, events, e) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(settle):
		}
	}
}

// wait reads all that is there, and waits if nothing is.
func (n *notices) wait(rx *mmsg, all *burst) error {
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
					all.add(b)
				}
			case unix.EAGAIN:
				return some
			case unix.ENOBUFS:
				some, all.links, all.rules = true, true, true
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
