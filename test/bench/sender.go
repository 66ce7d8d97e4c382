package main

import (
	"encoding/binary"
	"fmt"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// burst is how many packets leave with one system call at most, also when the
// sender is late: more at once would overrun the kernel's list of unresolved
// flows, whoever answers them.
const burst = 32

// sender sends one packet of each of n flows.
type sender struct {
	fd   int
	hdrs []mmsghdr
}

// mmsghdr is struct mmsghdr of sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// newSender makes the packets of n flows, from that with number first, in advance.
func (r *router) newSender(tb netlab.TB, first, n int) *sender {
	tb.Helper()
	frames := make([][]byte, n)
	for i := range frames {
		frames[i] = frame(flow(first + i))
	}
	return r.sender(tb, "a", frames)
}

// repeated makes one that sends the same packet many times with a call.
func (r *router) repeated(tb netlab.TB, link string, source, group [4]byte) *sender {
	tb.Helper()
	return r.sender(tb, link, slices.Repeat([][]byte{frame(source, group)}, burst))
}

// sender makes one for these frames, on a link of the hosts.
func (r *router) sender(tb netlab.TB, link string, frames [][]byte) *sender {
	tb.Helper()
	n := len(frames)
	s := &sender{hdrs: make([]mmsghdr, n)}
	index := r.hosts.Index(link)
	err := r.hosts.Do(func() (err error) {
		if s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return unix.Bind(s.fd, &unix.SockaddrLinklayer{Ifindex: index})
	})
	if err != nil {
		tb.Fatalf("AF_PACKET: %v", err)
	}
	tb.Cleanup(func() { _ = unix.Close(s.fd) })
	iovs := make([]unix.Iovec, n)
	for i, f := range frames {
		iovs[i].Base = &f[0]
		iovs[i].SetLen(len(f))
		s.hdrs[i].hdr.Iov = &iovs[i]
		s.hdrs[i].hdr.SetIovlen(1)
	}
	return s
}

// frame is an Ethernet frame with a UDP packet to a group, without payload and
// UDP checksum.
func frame(source, group [4]byte) []byte {
	f := []byte{0x01, 0x00, 0x5e, group[1] & 0x7f, group[2], group[3], 2, 0, 0, 0, 0, 1, 8, 0}
	ip := []byte{0x45, 0, 0, 28, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0}
	ip = append(append(ip, source[:]...), group[:]...)
	var sum uint32
	for i := 0; i < len(ip); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum>>16+sum&0xffff))
	return append(append(f, ip...), 0x13, 0x89, 0x13, 0x89, 0, 8, 0, 0)
}

// run sends all packets at a steady rate a second.
func (s *sender) run(tb netlab.TB, rate int) {
	tb.Helper()
	start, sent := time.Now(), 0
	for sent < len(s.hdrs) {
		due := min(len(s.hdrs), int(time.Since(start).Seconds()*float64(rate))+1)
		if due <= sent {
			pause := unix.NsecToTimespec(int64(200 * time.Microsecond))
			_ = unix.Nanosleep(&pause, nil)
			continue
		}
		n, err := s.send(sent, min(due-sent, burst))
		if err != nil {
			tb.Fatalf("%v", err)
		}
		sent += n
	}
}

// send sends n packets from the i-th, and returns how many were sent.
func (s *sender) send(i, n int) (sent int, err error) {
	r, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.hdrs[i])), uintptr(n), 0, 0, 0)
	switch errno {
	case 0:
		return int(r), nil
	case unix.EINTR:
		return 0, nil
	}
	return 0, fmt.Errorf("sendmmsg: %w", errno)
}

// ioctl passes value, which the kernel may write to.
func ioctl(fd int, request uintptr, value []byte) syscall.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(unsafe.SliceData(value))))
	return errno
}
