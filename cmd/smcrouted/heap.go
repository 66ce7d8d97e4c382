package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sizes of a configuration file, in bytes, between which roomyHeap does
// something: below it is not worth it, above it would take too much.
const (
	minRoomy = 64 << 10
	maxRoomy = 16 << 20
)

// roomyHeap prepares for reading the file. Most of the time from start to ready
// goes into memory that is touched for the first time, a page fault for each 4
// KiB, and into collecting the garbage of parsing. So the heap gets huge pages,
// where the system leaves that to programs, and grows more before it is
// collected. The function returned goes back to normal.
func roomyHeap(file string) (normal func()) {
	info, err := os.Stat(file)
	if err != nil || info.Size() < minRoomy || info.Size() > maxRoomy {
		return func() {}
	}
	percent := debug.SetGCPercent(-1)
	const hugePage = 2 << 20 // elsewhere it may be larger; then this does nothing
	const perByte = 16       // what is allocated until the file is in the kernel
	room := make([]byte, int(info.Size())*perByte+2*hugePage)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(room))) % hugePage)
	_ = unix.Madvise(room[skip:skip+(len(room)-skip)/hugePage*hugePage], unix.MADV_HUGEPAGE)
	runtime.KeepAlive(room)
	runtime.GC()      // so that room is free, for what comes next
	if percent >= 0 { // else $GOGC says so
		debug.SetGCPercent(max(percent, 400))
	}
	return func() { debug.SetGCPercent(percent) }
}
