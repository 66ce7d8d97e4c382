//go:build profile

package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"syscall"
)

// Built with the tag "profile", the daemon writes profiles for pprof into the directory
// $PROFILE_DIR: at each SIGUSR2 of the time and memory used since its start, or since
// the signal before. test/bench does that.
func init() {
	dir := os.Getenv("PROFILE_DIR")
	if dir == "" {
		return
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGUSR2)
	begin, end := profileTime(dir)
	go func() {
		begin()
		for range signals {
			end()
			begin()
		}
	}()
}

// profileTime returns what begins to profile, and what ends it and writes both
// profiles: cpu.pprof, and heap.pprof, which is there last.
func profileTime(dir string) (begin, end func()) {
	var cpu *os.File
	file := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		checkProfile(err)
		return f
	}
	begin = func() {
		cpu = file("cpu.tmp")
		// More than the usual rate, for what takes a fraction of a second, and as often as most
		// kernels look. StartCPUProfile complains that there is one already, and goes on with it.
		runtime.SetCPUProfileRate(250)
		checkProfile(pprof.StartCPUProfile(cpu))
	}
	end = func() {
		pprof.StopCPUProfile()
		checkProfile(cpu.Close())
		heap := file("heap.tmp")
		runtime.GC()
		checkProfile(pprof.WriteHeapProfile(heap))
		checkProfile(heap.Close())
		for _, name := range []string{"cpu", "heap"} {
			checkProfile(os.Rename(filepath.Join(dir, name+".tmp"), filepath.Join(dir, name+".pprof")))
		}
	}
	return begin, end
}

func checkProfile(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "smcrouted: profile:", err)
		os.Exit(1)
	}
}
