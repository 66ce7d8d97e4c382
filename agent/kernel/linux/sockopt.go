package linux

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// setsockopt takes the option's value as bytes, without the copy that
// unix.SetsockoptString makes.
func setsockopt(fd, level, opt int, value []byte) syscall.Errno {
	for {
		_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(opt),
			uintptr(unsafe.Pointer(unsafe.SliceData(value))), uintptr(len(value)), 0)
		if errno != unix.EINTR {
			return errno
		}
	}
}

// drops is how many messages the kernel has dropped for lack of room in the
// socket's receive buffer, since it is there: SK_MEMINFO_DROPS of SO_MEMINFO, Linux
// 4.12 (sock_diag.h). 0 if it cannot tell.
func drops(fd int) uint32 {
	const dropsIndex, n = 8, 9
	var info [n]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 || size < uint32(unsafe.Sizeof(info)) {
		return 0
	}
	return info[dropsIndex]
}

// ioctl passes value, which the kernel may write to.
func ioctl(fd int, request uintptr, value []byte) syscall.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request,
		uintptr(unsafe.Pointer(unsafe.SliceData(value))))
	return errno
}
