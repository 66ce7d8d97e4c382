package main

import (
	"errors"
	"syscall"

	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/cmd/internal/settings"
)

// Exit codes as in sysexits.h, the same as those of smcrouted.
const (
	exitOK          = 0
	exitUsage       = 64 // EX_USAGE: bad command line, configuration file or environment
	exitUnavailable = 69 // EX_UNAVAILABLE: another program has the routing table, or the socket
	exitSoftware    = 70 // EX_SOFTWARE: internal error
	exitOSErr       = 71 // EX_OSERR: the system refused something
	exitProtocol    = 76 // EX_PROTOCOL: the kernel has no multicast routing
	exitNoPerm      = 77 // EX_NOPERM: privileges are missing
	exitConfig      = 78 // EX_CONFIG: no way to Kubernetes is configured, or a wrong one
)

// configError is an environment in which the agent cannot work as configured.
type configError struct{ err error }

func (e *configError) Error() string { return e.err.Error() }
func (e *configError) Unwrap() error { return e.err }

// causes maps errors to exit codes. The first that an error is wins.
var causes = []struct {
	err  error
	code int
}{
	{kernel.ErrPermission, exitNoPerm},
	{kernel.ErrTableBusy, exitUnavailable},
	{kernel.ErrNotSupported, exitProtocol},
	{ipc.ErrInUse, exitUnavailable},
}

// exitCode is the code with which the agent ends after err.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	var usage *settings.Error
	if errors.As(err, &usage) {
		return exitUsage
	}
	var config *configError
	if errors.As(err, &config) {
		return exitConfig
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
