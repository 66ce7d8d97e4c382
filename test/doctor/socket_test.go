package doctor

import (
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// socket opens a UDP socket in a namespace, for the time of the test.
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
	file := os.NewFile(uintptr(fd), "UDP socket")
	l.Cleanup(func() { _ = file.Close() })
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
	ctx := l.Context()
	go func() {
		for ctx.Err() == nil {
			_ = unix.Sendto(fd, make([]byte, 100), 0, &unix.SockaddrInet4{Port: netlab.Port, Addr: l.to.Group.As4()})
			time.Sleep(time.Second / rate)
		}
	}()
}
