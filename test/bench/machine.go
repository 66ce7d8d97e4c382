package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"

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
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
				m.cpu = strings.Join(strings.Fields(value), " ")
				break
			}
		}
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.load, _, _ = strings.Cut(string(b), " ")
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
