package main

import (
	"errors"
	"syscall"

	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/agent/kernel"
)

// Exit codes, those from 64 on as in sysexits.h.
const (
	exitOK          = 0
	exitFailure     = 1  // bad -m or -p
	exitUsage       = 64 // EX_USAGE: bad command line
	exitUnavailable = 69 // EX_UNAVAILABLE: another program has the routing table, or the socket
	exitSoftware    = 70 // EX_SOFTWARE: internal error
	exitOSErr       = 71 // EX_OSERR: the system refused something
	exitProtocol    = 76 // EX_PROTOCOL: the kernel has no multicast routing
	exitNoPerm      = 77 // EX_NOPERM: privileges are missing
	exitConfig      = 78 // EX_CONFIG: -F found an error
)

// exitError is an error with its own exit code.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// causes maps errors to exit codes. The first that an error is wins: missing
// privileges hide all the rest, and a table in use can be cured sooner than a
// kernel.
var causes = []struct {
	err  error
	code int
}{
	{kernel.ErrPermission, exitNoPerm},
	{kernel.ErrTableBusy, exitUnavailable},
	{kernel.ErrNotSupported, exitProtocol},
	{ipc.ErrInUse, exitUnavailable},
}

// exitCode is the code with which the daemon ends after err.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	var own *exitError
	if errors.As(err, &own) {
		return own.code
	}
	var usage *usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	for _, c := range causes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return exitOSErr
	}
	return exitSoftware
}
