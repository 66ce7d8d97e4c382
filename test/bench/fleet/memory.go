package main

import (
	"fmt"

	"github.com/prometheus/procfs"
)

// What a run takes, in bytes: the API server, etcd and the controller without any agent,
// and for each agent, in this process and in theirs.
const (
	without  = 1.2e9
	forAgent = 3.5e6
)

// enough returns an error that says so if there is not enough memory for the run, as far
// as that can be known.
func enough(o options) error {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return err
	}
	m, err := fs.Meminfo()
	if err != nil {
		return err
	}
	if m.MemAvailableBytes == nil {
		return nil // a kernel before 3.14 does not tell
	}
	need, have := without+forAgent*float64(o.agents), float64(*m.MemAvailableBytes)
	if need > have {
		return fmt.Errorf("%d agents take some %.0f GB, in all processes, and %.0f GB are available (MemAvailable in /proc/meminfo): expected fewer -agents, or -anyway", o.agents, need/1e9, have/1e9)
	}
	return nil
}
