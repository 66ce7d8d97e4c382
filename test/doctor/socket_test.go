package doctor

import (
	"encoding/binary"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// socket4 opens a UDP socket in a namespace.
func (l *lab) socket4(ns *netlab.NS) int {
	l.Helper()
	fd := -1
	err := ns.Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		l.Fatal(err)
	}
	return fd
}

// sendFromNode has a program on the node send the flow out of in, without
// IP_MULTICAST_LOOP.
func (l *lab) sendFromNode() {
	l.Helper()
	fd := l.socket4(l.node)
	for _, err := range []error{
		unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(l.node.Index("in"))}),
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 64),
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 0),
	} {
		if err != nil {
			l.Fatal(err)
		}
	}
	to := &unix.SockaddrInet4{Port: netlab.Port, Addr: l.to.Group.As4()}
	l.background(func() { _ = unix.Sendto(fd, make([]byte, 100), 0, to) }, os.NewFile(uintptr(fd), "UDP socket"))
}

// packet is one of the flow, of IPv4 and not to be fragmented, with a checksum of
// its header that is right or is not.
func (l *lab) packet(size int, right bool) []byte {
	p := make([]byte, size)
	copy(p, []byte{0x45, 0, byte(size >> 8), byte(size), 0, 0, 0x40, 0, 64, unix.IPPROTO_UDP})
	copy(p[12:], l.to.Source.AsSlice())
	copy(p[16:], l.to.Group.AsSlice())
	copy(p[20:], []byte{netlab.Port >> 8, netlab.Port & 0xff, netlab.Port >> 8, netlab.Port & 0xff, byte((size - 20) >> 8), byte(size - 20)})
	sum := uint32(0) // RFC 1071
	for i := 0; i < 20; i += 2 {
		sum += uint32(p[i])<<8 | uint32(p[i+1])
	}
	sum = sum>>16 + sum&0xffff
	sum = ^(sum>>16 + sum)
	if !right {
		sum++
	}
	p[10], p[11] = byte(sum>>8), byte(sum)
	return p
}

// streamRaw has the sender send a packet of IPv4 again and again.
func (l *lab) streamRaw(packet []byte) {
	l.Helper()
	fd := -1
	err := l.sender.Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		l.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "packet socket")
	protocol := binary.NativeEndian.Uint16([]byte{unix.ETH_P_IP >> 8, unix.ETH_P_IP & 0xff})
	group := l.to.Group.As4()
	to := &unix.SockaddrLinklayer{
		Protocol: protocol, Ifindex: l.sender.Index("eth0"),
		Halen: 6, Addr: [8]byte{0x01, 0x00, 0x5e, group[1] & 0x7f, group[2], group[3]}, // RFC 1112, section 6.4
	}
	l.background(func() { _ = unix.Sendto(fd, packet, 0, to) }, file)
}

// background does something again and again, at the pace of streams, until the
// test ends; then it closes the file.
func (l *lab) background(send func(), file *os.File) {
	l.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second / rate)
		defer tick.Stop()
		for {
			send()
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	l.Cleanup(func() { close(stop); <-done; _ = file.Close() })
}
