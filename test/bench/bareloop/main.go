// Command bareloop is what the benchmarks measure the daemon against: the least
// that a process can do to own a multicast routing table and fill it. It knows
// no configuration, keeps no state and checks nothing but errors.
//
//	bareloop IIF OIF N     IIF and OIF are indexes of interfaces
//
// It makes the two VIFs, adds N entries with a setsockopt each, tells that it is
// ready as sd_notify(3) describes, and from then on answers every upcall with a
// setsockopt.
package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// Of linux/mroute.h.
const (
	mrtInit   = 200
	mrtAddVIF = 202
	mrtAddMFC = 204
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: bareloop IIF OIF N")
		os.Exit(64)
	}
	var args [3]int
	for i := range args {
		n, err := strconv.Atoi(os.Args[i+1])
		check(os.Args[i+1], err)
		args[i] = n
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.IPPROTO_IGMP)
	check("raw socket", err)
	check("MRT_INIT", setsockopt(fd, mrtInit, []byte{1, 0, 0, 0}))
	for vif, ifindex := range args[:2] {
		// struct vifctl: vif, flags (VIFF_USE_IFINDEX), threshold, rate, ifindex, remote
		v := binary.NativeEndian.AppendUint16(nil, uint16(vif))
		v = append(v, 8, 1, 0, 0, 0, 0)
		v = binary.NativeEndian.AppendUint32(v, uint32(ifindex))
		check("MRT_ADD_VIF", setsockopt(fd, mrtAddVIF, append(v, 0, 0, 0, 0)))
	}

	// struct mfcctl: origin, group, parent, ttls, counters
	var mfc [60]byte
	mfc[10+1] = 1 // leaves through VIF 1
	start := time.Now()
	for i := range args[2] {
		a, b, c := byte(i>>16), byte(i>>8), byte(i)
		copy(mfc[:], []byte{10, a, b, c, 232, a, b, c})
		check("MRT_ADD_MFC", setsockopt(fd, mrtAddMFC, mfc[:]))
	}
	fmt.Println(time.Since(start).Nanoseconds())
	check("sd_notify", ready())
	check("upcalls", answer(fd, &mfc))
}

func check(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "bareloop: %s: %v\n", what, err)
		os.Exit(1)
	}
}

func setsockopt(fd, opt int, value []byte) error {
	_, _, errno := syscall.Syscall6(syscall.SYS_SETSOCKOPT, uintptr(fd), syscall.IPPROTO_IP, uintptr(opt),
		uintptr(unsafe.Pointer(&value[0])), uintptr(len(value)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func ready() error {
	conn, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte("READY=1"))
	return err
}

// answer answers upcalls, as many at a time as there are.
func answer(fd int, mfc *[60]byte) error {
	const batch, size = 256, 64
	type mmsghdr struct {
		hdr syscall.Msghdr
		len uint32
	}
	var data [batch][size]byte
	var iovs [batch]syscall.Iovec
	var hdrs [batch]mmsghdr
	for i := range hdrs {
		iovs[i].Base = &data[i][0]
		iovs[i].SetLen(size)
		hdrs[i].hdr.Iov = &iovs[i]
		hdrs[i].hdr.Iovlen = 1
	}
	for {
		n, _, errno := syscall.Syscall6(syscall.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&hdrs[0])), batch, msgWaitForOne, 0, 0)
		switch errno {
		case 0:
		case syscall.EINTR, syscall.ENOBUFS:
			continue
		default:
			return errno
		}
		for i := range int(n) {
			// struct igmpmsg: type at 8 (IGMPMSG_NOCACHE), mbz at 9, source at 12, group at 16
			if m := &data[i]; m[8] == 1 && m[9] == 0 {
				copy(mfc[:8], m[12:20])
				if err := setsockopt(fd, mrtAddMFC, mfc[:]); err != nil {
					return err
				}
			}
		}
	}
}

const msgWaitForOne = 0x10000 // MSG_WAITFORONE of recvmmsg(2)
