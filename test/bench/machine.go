package main

import (
	"fmt"
	"runtime"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// machine is what the figures are from.
type machine struct {
	cpu, kernel string
	load        string // average over a minute: how busy it was with other things
}

// thisMachine looks at it. What the system does not tell is "unknown".
func thisMachine() machine {
	m := machine{cpu: "unknown CPU", kernel: "unknown kernel", load: "unknown"}
	if fs, err := procfs.NewDefaultFS(); err == nil {
		if cpus, err := fs.CPUInfo(); err == nil && len(cpus) > 0 {
			m.cpu = cpus[0].ModelName
		}
		if load, err := fs.LoadAvg(); err == nil {
			m.load = fmt.Sprintf("%.2f", load.Load1)
		}
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.kernel = fmt.Sprintf("%s %s, %s", unix.ByteSliceToString(u.Sysname[:]), unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:]))
	}
	return m
}

func (m machine) String() string {
	return fmt.Sprintf("%s; %d CPUs, %s; %s; load before %s", m.kernel, runtime.NumCPU(), m.cpu, runtime.Version(), m.load)
}
