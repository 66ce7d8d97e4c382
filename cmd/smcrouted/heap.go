package main

import (
	"os"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/heap"
)

// Sizes of a configuration file, in bytes, between which roomyHeap does
// something: below it is not worth it, above it would take too much.
const (
	minRoomy = 64 << 10
	maxRoomy = 16 << 20
)

// What a file of some size takes until it is in the kernel, in bytes: what is
// surely used, what is usual, and what is never exceeded without collecting garbage.
const (
	leastPerByte = 5
	usualPerByte = 8
	mostPerByte  = 32
	mostAtLeast  = 64 << 20
)

// roomyHeap prepares for reading the file. Most of the time from start to ready
// goes into memory that is touched for the first time, a page fault for each 4
// KiB, and into looking for garbage where there is hardly any. So the heap gets
// huge pages, where the system leaves that to programs, another processor fills
// them in meanwhile, and it is not collected while it has room. The function
// returned goes back to normal.
func roomyHeap(file string) (normal func()) {
	info, err := os.Stat(file)
	if err != nil || info.Size() < minRoomy || info.Size() > maxRoomy {
		return func() {}
	}
	size := info.Size()
	collecting := heap.Roomy(size*mostPerByte + mostAtLeast)
	const hugePage = 2 << 20 // elsewhere it may be larger; then this does nothing
	room := make([]byte, size*usualPerByte+2*hugePage)
	addr := uintptr(unsafe.Pointer(unsafe.SliceData(room)))
	skip := -addr % hugePage
	length := (uintptr(len(room)) - skip) / hugePage * hugePage
	addr += skip
	advise(addr, length, unix.MADV_HUGEPAGE)
	runtime.KeepAlive(room)
	runtime.GC() // so that room is free, for what comes next
	var enough atomic.Bool
	filled := make(chan struct{})
	go func() {
		defer close(filled)
		for end := addr + min(length, uintptr(size*leastPerByte)); addr < end && !enough.Load(); addr += hugePage {
			advise(addr, hugePage, unix.MADV_POPULATE_WRITE)
		}
	}()
	return func() {
		enough.Store(true)
		<-filled // before any of it goes back to the system
		collecting()
	}
}

// advise is madvise(2) of addresses that nothing in Go may be behind any more. It is
// for speed alone, so that it does not matter if it fails.
func advise(addr, length uintptr, advice int) {
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, addr, length, uintptr(advice))
}
