package main

import (
	"encoding/binary"
	"errors"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// probe sends single packets into a router and sees when they arrive behind it.
type probe struct {
	out, in int // sockets of packet(7), on a link of the hosts and on hosts:b
	group   [4]byte
	frame   []byte // the last that arrived
	control []byte
}

// newProbe makes one that sends on a link of the hosts.
func (r *router) newProbe(tb netlab.TB, link string) *probe {
	tb.Helper()
	p := &probe{out: -1, in: -1, group: firstGroup, frame: make([]byte, 128), control: make([]byte, 128)}
	tb.Cleanup(func() { _, _ = unix.Close(p.out), unix.Close(p.in) })
	a, b := r.hosts.Index(link), r.hosts.Index("b")
	err := r.hosts.Do(func() (err error) {
		if p.out, err = packetSocket(a, 0); err != nil {
			return err
		}
		if p.in, err = packetSocket(b, unix.ETH_P_IP); err != nil {
			return err
		}
		// The kernel's time of arrival leaves out how long this program takes to
		// wake up.
		return errors.Join(
			unix.SetsockoptInt(p.in, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
			unix.SetsockoptInt(p.in, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1))
	})
	if err != nil {
		tb.Fatalf("packet socket: %v", err)
	}
	return p
}

// packetSocket is a socket on a link of the thread's namespace, which receives
// what has a protocol, or nothing.
func packetSocket(index int, protocol uint16) (fd int, err error) {
	if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, err
	}
	network := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, protocol))
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: network, Ifindex: index}); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// send sends a packet from source to the group and waits until it arrives.
func (p *probe) send(tb netlab.TB, source [4]byte, within time.Duration) (took time.Duration, ok bool) {
	tb.Helper()
	f := frame(source, p.group)
	start := time.Now()
	if _, err := unix.Write(p.out, f); err != nil {
		tb.Fatalf("sending a packet: %v", err)
	}
	for {
		left := within - time.Since(start)
		if left <= 0 {
			return 0, false
		}
		timeout := unix.NsecToTimeval(max(left, time.Millisecond).Nanoseconds())
		if err := unix.SetsockoptTimeval(p.in, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
			tb.Fatalf("SO_RCVTIMEO: %v", err)
		}
		n, controls, _, _, err := unix.Recvmsg(p.in, p.frame, p.control, 0)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			continue
		case err != nil:
			tb.Fatalf("receiving: %v", err)
		}
		const header, at = 14, 12 // of Ethernet; of the source in IPv4's
		if n >= len(f) && [4]byte(p.frame[header+at:]) == source && p.frame[0]&1 == 1 && p.frame[header+9] == unix.IPPROTO_UDP {
			return arrived(tb, p.control[:controls]).Sub(start), true
		}
	}
}

// arrived is the time in a message's SCM_TIMESTAMPNS.
func arrived(tb netlab.TB, control []byte) time.Time {
	tb.Helper()
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		tb.Fatalf("control message: %v", err)
	}
	for _, m := range messages {
		if m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= int(unsafe.Sizeof(unix.Timespec{})) {
			ts := (*unix.Timespec)(unsafe.Pointer(unsafe.SliceData(m.Data)))
			return time.Unix(ts.Unix())
		}
	}
	tb.Fatalf("a packet without a time of arrival")
	return time.Time{}
}
