package linux

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
)

const (
	// setBatch is how many entries are set or deleted with one message, at most. With
	// all outputs that is 156 KiB; a socket sends 208 KiB at once (wmem_default).
	setBatch = 512

	// askBatch is how many entries are asked for with one message, at most. The
	// answers are all waiting when it is sent.
	askBatch = 256

	// answerSize has room for one entry with 32 outputs.
	answerSize = 512

	// dumpSize is more than the kernel puts into one part of a dump, 32 KiB.
	dumpSize = 64 << 10

	// receiveBuffer holds the answers to a batch several times over.
	receiveBuffer = 4 << 20
)

// netlinkSocket talks to rtnetlink. The kernel handles requests and queues the
// answers before the call that sends them returns, so that nothing here ever
// waits: no answer means that it was lost.
type netlinkSocket struct {
	fd   int
	seq  uint32
	rx   *mmsg  // for answers
	dump []byte // for dumps
}

func openNetlink() (*netlinkSocket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("rtnetlink socket: %w", err)
	}
	growReceiveBuffer(fd, receiveBuffer)
	// Errors without a copy of the request.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	// Dumps of one table; without it (before Linux 4.20) of all, which are
	// sorted out when they arrive.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
	// Connected to the kernel, the socket takes messages from nobody else.
	if err := unix.Connect(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("rtnetlink socket: %w", err)
	}
	return &netlinkSocket{fd: fd}, nil
}

// growReceiveBuffer goes beyond net.core.rmem_max if it may.
func growReceiveBuffer(fd, size int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size)
	}
}

func (s *netlinkSocket) close() {
	if s.fd >= 0 {
		_ = unix.Close(s.fd)
		s.fd = -1
	}
}

// reserve takes n sequence numbers and returns the first.
func (s *netlinkSocket) reserve(n int) uint32 {
	first := s.seq + 1
	s.seq += uint32(n)
	return first
}

func (s *netlinkSocket) send(b []byte) error {
	for {
		_, err := unix.Write(s.fd, b)
		if err != unix.EINTR {
			return err
		}
	}
}

// transact sends requests numbered first to first+n-1 and calls each for every
// answer. It reports whether answers were lost for lack of room.
func (s *netlinkSocket) transact(requests []byte, first uint32, n int, each func(i int, m uapi.Message) error) (lost bool, err error) {
	if s.rx == nil {
		s.rx = newMmsg(64, answerSize)
	}
	if err := s.send(requests); err != nil {
		return false, err
	}
	var errs error
	for {
		count, errno := s.rx.recv(s.fd)
		switch errno {
		case 0:
		case unix.EAGAIN:
			return lost, errs
		case unix.ENOBUFS:
			lost = true
			continue
		default:
			return lost, errno
		}
		for i := range count {
			b, truncated := s.rx.msg(i)
			if truncated {
				lost = true
				continue
			}
			m, _, err := uapi.NextMessage(b)
			if err == nil {
				if index := m.Seq - first; index < uint32(n) {
					err = each(int(index), m)
				}
			}
			if errs == nil {
				errs = err // the rest must be taken off the socket all the same
			}
		}
	}
}

// errDumpInterrupted says that what a dump lists has changed meanwhile.
var errDumpInterrupted = errors.New("the dump was interrupted by changes")

// list sends the request for a dump, and calls each for every message of the
// answer.
func (s *netlinkSocket) list(request []byte, seq uint32, each func(m uapi.Message) error) error {
	if s.dump == nil {
		s.dump = make([]byte, dumpSize)
	}
	if err := s.send(request); err != nil {
		return err
	}
	var errs error
	note := func(err error) {
		if errs == nil {
			errs = err
		}
	}
	for {
		n, _, flags, _, err := unix.Recvmsg(s.fd, s.dump, nil, unix.MSG_DONTWAIT)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			note(errors.New("the dump ended early"))
			return errs
		case err == unix.ENOBUFS:
			note(err)
			continue
		case err != nil:
			return err
		case flags&unix.MSG_TRUNC != 0:
			note(fmt.Errorf("a part of the dump is longer than %d bytes", dumpSize))
			continue
		}
		for b := s.dump[:n]; len(b) > 0; {
			var m uapi.Message
			if m, b, err = uapi.NextMessage(b); err != nil {
				note(err)
				break
			}
			if m.Seq != seq {
				continue
			}
			if m.Flags&unix.NLM_F_DUMP_INTR != 0 {
				note(errDumpInterrupted)
			}
			if m.Type == uapi.NLMsgDone || m.Type == uapi.NLMsgError {
				errno, err := m.Errno()
				note(err)
				if errno != 0 {
					note(syscall.Errno(errno))
				}
				return errs
			}
			if errs == nil {
				note(each(m))
			}
		}
	}
}
