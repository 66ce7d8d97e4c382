// Command bareloop is what the benchmarks measure the daemon against: the least
// that a process can do to own a multicast routing table and fill it. It knows
// no configuration, keeps no state and checks nothing but errors.
//
//	bareloop FAMILY IIF OIF N     IPv4 or IPv6; IIF and OIF are indexes of interfaces
//
// It makes the two VIFs, adds N entries with a setsockopt each, tells that it is
// ready as sd_notify(3) describes, and from then on answers every upcall with a
// setsockopt, of IPv4.
package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// Of linux/mroute.h, and the same numbers in linux/mroute6.h.
const (
	mrtInit   = 200
	mrtAddVIF = 202
	mrtAddMFC = 204
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: bareloop FAMILY IIF OIF N")
		os.Exit(64)
	}
	var args [3]int
	for i := range args {
		n, err := strconv.Atoi(os.Args[i+2])
		check(os.Args[i+2], err)
		args[i] = n
	}
	var t table = &table4{}
	if os.Args[1] == "IPv6" {
		t = &table6{}
	}
	o, err := open(t)
	check("raw socket", err)
	check("MRT_INIT", o.setsockopt(mrtInit, []byte{1, 0, 0, 0}))
	for vif, ifindex := range args[:2] {
		check("MRT_ADD_VIF", o.setsockopt(mrtAddVIF, t.vif(vif, ifindex)))
	}
	start := time.Now()
	for i := range args[2] {
		check("MRT_ADD_MFC", o.setsockopt(mrtAddMFC, t.mfc(byte(i>>16), byte(i>>8), byte(i))))
	}
	fmt.Println(time.Since(start).Nanoseconds())
	check("sd_notify", ready())
	if t4, ok := t.(*table4); ok {
		check("upcalls", o.answer(t4))
	}
	check("waiting to be killed", syscall.Pause())
}

func check(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "bareloop: %s: %v\n", what, err)
		os.Exit(1)
	}
}

// owner is the socket that owns the table.
type owner struct {
	fd    int
	level int
}

func open(t table) (owner, error) {
	domain, protocol, level := t.socket()
	fd, err := syscall.Socket(domain, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, protocol)
	return owner{fd, level}, err
}

func (o owner) setsockopt(opt int, value []byte) error {
	_, _, errno := syscall.Syscall6(syscall.SYS_SETSOCKOPT, uintptr(o.fd), uintptr(o.level), uintptr(opt),
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
func (o owner) answer(t *table4) error {
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
		n, _, errno := syscall.Syscall6(syscall.SYS_RECVMMSG, uintptr(o.fd), uintptr(unsafe.Pointer(&hdrs[0])), batch, msgWaitForOne, 0, 0)
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
				if err := o.setsockopt(mrtAddMFC, t.flow(m[12:16], m[16:20])); err != nil {
					return err
				}
			}
		}
	}
}

const msgWaitForOne = 0x10000 // MSG_WAITFORONE of recvmmsg(2)
