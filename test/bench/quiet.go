package main

import (
	"fmt"
	"os"
	"time"
)

// Whoever fills a table and is killed leaves the kernel at work with taking it down, on
// one processor or the other: what is measured next waits until that is over.
const (
	quietFor  = 100 * time.Millisecond
	quietWait = 3 * time.Second // at most: others may be at work
)

// quiet waits until no processor has done anything for a while.
func quiet() {
	for end := time.Now().Add(quietWait); time.Now().Before(end); {
		before := busy()
		time.Sleep(quietFor)
		if busy()-before <= 1 {
			return
		}
	}
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
