package exitcode

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/agent/kernel"
)

func TestOf(t *testing.T) {
	busy := &kernel.Error{Op: "MRT_INIT", Errno: syscall.EADDRINUSE, Cause: kernel.ErrTableBusy}
	unsupported := &kernel.Error{Op: "MRT6_INIT", Errno: syscall.EAFNOSUPPORT, Cause: kernel.ErrNotSupported}
	denied := &kernel.Error{Op: "socket", Errno: syscall.EPERM, Cause: kernel.ErrPermission}
	for _, tt := range []struct {
		name string
		err  error
		want int
	}{
		{"none", nil, 0},
		{"both tables in use", errors.Join(busy, busy), 69},
		{"one in use, one unknown to the kernel", errors.Join(busy, unsupported), 69},
		{"no multicast routing", errors.Join(unsupported, unsupported), 76},
		{"not allowed", errors.Join(denied, busy), 77},
		{"wrapped", fmt.Errorf("start: %w", busy), 69},
		{"socket in use", fmt.Errorf("client socket: %w", ipc.ErrInUse), 69},
		{"another system error", &kernel.Error{Op: "socket", Errno: syscall.EMFILE}, 71},
		{"no system error", errors.New("impossible"), 70},
	} {
		if got := Of(tt.err); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}
