package main

import (
	"fmt"
	"runtime"

	"github.com/prometheus/procfs"
)

// What a run takes, in bytes: the API server, etcd and the controller without any agent,
// and for each agent, in this process and in theirs.
const (
	without  = 1.2e9
	forAgent = 3e6
)

// enough returns an error that says so if there is not enough memory for the run, as far
// as that can be known.
func enough(o options) error {
	have, err := available()
	if err != nil || have == 0 {
		return err
	}
	need := without + forAgent*float64(o.agents)
	if need > have {
		return fmt.Errorf("%d agents take some %.0f GB, in all processes, and %.0f GB are available (MemAvailable in /proc/meminfo): expected fewer -agents, or -anyway", o.agents, need/1e9, have/1e9)
	}
	return nil
}

// available is how much memory can be had, in bytes; 0: the kernel, which is before 3.14,
// does not tell.
func available() (float64, error) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return 0, err
	}
	m, err := fs.Meminfo()
	if err != nil || m.MemAvailableBytes == nil {
		return 0, err
	}
	return float64(*m.MemAvailableBytes), nil
}

// memory tells what is taken, of this process in more detail.
func (s sample) memory() string {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	free, _ := available() // 0 is as good as an answer
	return fmt.Sprintf("agents %.0f MB (heap %.0f, stacks %.0f, of %d goroutines), API server %.0f MB, controller %.0f MB, available %.0f MB",
		s.self.rss/1e6, float64(m.HeapInuse)/1e6, float64(m.StackInuse)/1e6, runtime.NumGoroutine(), s.server.rss/1e6, s.control.rss/1e6, free/1e6)
}
