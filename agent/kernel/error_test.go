package kernel_test

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// TestCauseOf: each sentinel has its cause, however deep, and all else is the
// kernel's.
func TestCauseOf(t *testing.T) {
	for err, want := range map[error]mroute.Cause{
		nil:                    0,
		kernel.ErrTableBusy:    mroute.CauseTableInUse,
		kernel.ErrNotSupported: mroute.CauseNotSupported,
		kernel.ErrPermission:   mroute.CausePermission,
		kernel.ErrVIFTableFull: mroute.CauseVIFTableFull,
		kernel.ErrNoLink:       mroute.CauseNoInterface,
		kernel.ErrLimit:        mroute.CauseKernel,
		syscall.EINVAL:         mroute.CauseKernel,
	} {
		if got := kernel.CauseOf(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
		if err == nil {
			continue
		}
		deep := fmt.Errorf("start: %w", errors.Join(&kernel.Error{Op: "AddVIF", Object: "eth0", Cause: fmt.Errorf("really: %w", err)}))
		if got := kernel.CauseOf(deep); got != want {
			t.Errorf("%v: %d, want %d", deep, got, want)
		}
	}
}

// What failed, on what and why is in the text; code asks with errors.Is.
func TestError(t *testing.T) {
	for _, tt := range []struct {
		err  *kernel.Error
		text string
		is   []error
		not  []error
	}{
		{
			&kernel.Error{Op: "MRT_INIT", Object: "IPv4 table 0", Errno: syscall.EADDRINUSE, Cause: kernel.ErrTableBusy},
			"MRT_INIT IPv4 table 0: the multicast routing table is in use by another process (address already in use)",
			[]error{kernel.ErrTableBusy, syscall.EADDRINUSE}, []error{kernel.ErrPermission},
		},
		{
			&kernel.Error{Op: "SetMFC", Object: "(10.0.0.1, 225.1.1.1)", Errno: syscall.ENOMEM},
			"SetMFC (10.0.0.1, 225.1.1.1): cannot allocate memory",
			[]error{syscall.ENOMEM}, []error{kernel.ErrLimit},
		},
		{
			&kernel.Error{Op: "AddVIF", Object: "eth9", Cause: kernel.ErrNoLink},
			"AddVIF eth9: there is no such interface",
			[]error{kernel.ErrNoLink}, []error{syscall.Errno(0)},
		},
	} {
		err := fmt.Errorf("start: %w", tt.err)
		if got := tt.err.Error(); got != tt.text {
			t.Errorf("%q, want %q", got, tt.text)
		}
		for _, target := range tt.is {
			if !errors.Is(err, target) {
				t.Errorf("%v is not %v", err, target)
			}
		}
		for _, target := range tt.not {
			if errors.Is(err, target) {
				t.Errorf("%v is %v", err, target)
			}
		}
	}
}
