// Package cputime measures the time of processors that a benchmark uses: unlike what
// a clock shows it depends little on what else the machine does.
package cputime

import (
	"time"

	"golang.org/x/sys/unix"
)

// Used is what this process has used so far, in its own code and in the kernel's, of all
// processors.
func Used() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		panic(err) // of wrong arguments alone
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// B is the part of [testing.B] that Report needs.
type B interface {
	ReportMetric(n float64, unit string)
}

// Report reports what was used since then, for each of n operations, as "cpu-ms/op".
func Report(b B, since time.Duration, n int) {
	b.ReportMetric(float64(Used()-since)/float64(time.Millisecond)/float64(n), "cpu-ms/op")
}
