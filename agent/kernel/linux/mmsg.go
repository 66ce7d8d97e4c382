package linux

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// mmsg receives many datagrams with one system call.
type mmsg struct {
	size int // bytes for each datagram
	data []byte
	hdrs []mmsghdr
}

func newMmsg(n, size int) *mmsg {
	m := &mmsg{size: size, data: make([]byte, n*size), hdrs: make([]mmsghdr, n)}
	iovs := make([]unix.Iovec, n)
	for i := range m.hdrs {
		iovs[i].Base = &m.data[i*size]
		iovs[i].SetLen(size)
		m.hdrs[i].hdr.Iov = &iovs[i]
		m.hdrs[i].hdr.SetIovlen(1)
	}
	return m
}

// recv reads what is there, without waiting: EAGAIN if nothing is.
func (m *mmsg) recv(fd int) (int, syscall.Errno) {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&m.hdrs[0])),
			uintptr(len(m.hdrs)), unix.MSG_DONTWAIT, 0, 0)
		runtime.KeepAlive(m)
		switch errno {
		case 0:
			return int(n), 0
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// msg is the i-th datagram received; truncated says that there was more.
func (m *mmsg) msg(i int) (b []byte, truncated bool) {
	n := min(int(m.hdrs[i].len), m.size)
	return m.data[i*m.size:][:n], m.hdrs[i].hdr.Flags&unix.MSG_TRUNC != 0
}
