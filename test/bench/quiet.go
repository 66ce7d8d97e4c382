package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Whoever fills a table and is killed leaves the kernel at work with taking it down, on
// one processor or the other: what is measured next waits until that is over.
const (
	quietFor  = 100 * time.Millisecond
	quietWait = 3 * time.Second // at most: others may be at work
)

// warmSize is more than any side takes for itself and in the kernel.
const warmSize = 256 << 20

// quiet waits until no processor has done anything for a while, and there is memory that
// a virtual machine has.
func quiet() {
	defer warm()
	for end := time.Now().Add(quietWait); time.Now().Before(end); {
		before := busy()
		time.Sleep(quietFor)
		if busy()-before <= 1 {
			return
		}
	}
}

// warm takes memory and gives it back. A host takes from a virtual machine what that
// has not used for a few seconds, and must find it again when it is touched: 30 MiB of
// huge pages then take 30 to 70 ms instead of 2, one time and not the other.
func warm() {
	b, err := unix.Mmap(-1, 0, warmSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return
	}
	if unix.Madvise(b, unix.MADV_HUGEPAGE) == nil {
		_ = unix.Madvise(b, unix.MADV_POPULATE_WRITE)
	}
	_ = unix.Munmap(b)
}

// busy is how long all processors together were not idle, in 1/100 s (proc_stat(5)).
func busy() (ticks int) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	var user, nice, system, idle, iowait, irq, softirq int
	_, _ = fmt.Sscanf(string(text), "cpu %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &iowait, &irq, &softirq)
	return user + nice + system + irq + softirq
}
