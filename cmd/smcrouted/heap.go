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

// What a file of some size takes until it is in the kernel, in bytes: what is
// usual, and what is never exceeded without collecting garbage.
const (
	usualPerByte = 8
	mostPerByte  = 32
	mostAtLeast  = 64 << 20
)

// roomyHeap prepares for reading the file. Most of the time from start to ready
// goes into memory that is touched for the first time, a page fault for each 4
// KiB, and into looking for garbage where there is hardly any. So the heap gets
// huge pages, where the system leaves that to programs, and is not collected
// while it has room. The function returned goes back to normal.
func roomyHeap(file string) (normal func()) {
	info, err := os.Stat(file)
	if err != nil || info.Size() < minRoomy || info.Size() > maxRoomy {
		return func() {}
	}
	size := info.Size()
	percent := debug.SetGCPercent(-1)
	const hugePage = 2 << 20 // elsewhere it may be larger; then this does nothing
	room := make([]byte, size*usualPerByte+2*hugePage)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(room))) % hugePage)
	_ = unix.Madvise(room[skip:skip+(len(room)-skip)/hugePage*hugePage], unix.MADV_HUGEPAGE)
	runtime.KeepAlive(room)
	runtime.GC()                      // so that room is free, for what comes next
	limit := debug.SetMemoryLimit(-1) // which does not change it
	debug.SetMemoryLimit(min(limit, size*mostPerByte+mostAtLeast))
	return func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}
}
