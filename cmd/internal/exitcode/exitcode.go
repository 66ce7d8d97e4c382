// Package exitcode has the codes with which the programs that route end.
package exitcode

import (
	"errors"
	"syscall"

	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/agent/kernel"
)

// Exit codes, those from 64 on as in sysexits.h.
const (
	OK          = 0
	Failure     = 1  // of smcrouted: bad -m or -p
	Usage       = 64 // EX_USAGE: bad command line, or what stands for it
	Unavailable = 69 // EX_UNAVAILABLE: another program has the routing table, or the socket
	Software    = 70 // EX_SOFTWARE: internal error
	OSErr       = 71 // EX_OSERR: the system refused something
	Protocol    = 76 // EX_PROTOCOL: the kernel has no multicast routing
	NoPerm      = 77 // EX_NOPERM: privileges are missing
	Config      = 78 // EX_CONFIG: a configuration that cannot work
)

// causes maps errors to exit codes. The first that an error is wins: missing
// privileges hide all the rest, and a table in use can be cured sooner than a
// kernel.
var causes = []struct {
	err  error
	code int
}{
	{kernel.ErrPermission, NoPerm},
	{kernel.ErrTableBusy, Unavailable},
	{kernel.ErrNotSupported, Protocol},
	{ipc.ErrInUse, Unavailable},
}

// Of is the code with which a router ends after err.
func Of(err error) int {
	if err == nil {
		return OK
	}
	for _, c := range causes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return OSErr
	}
	return Software
}
