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

// ioctl passes value, which the kernel may write to.
func ioctl(fd int, request uintptr, value []byte) syscall.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request,
		uintptr(unsafe.Pointer(unsafe.SliceData(value))))
	return errno
}
