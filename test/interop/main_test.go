package interop

import (
	"fmt"
	"os"
	"testing"

	"github.com/smcroute/kube-smcroute/test/interop/program"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// envOurs is the directory with the binaries of this project.
const envOurs = "INTEROP_OURS"

func TestMain(m *testing.M) {
	// Before netlab starts this program again, since the new network namespace
	// has no way to a module proxy.
	if os.Getenv(envOurs) == "" {
		dir, err := os.MkdirTemp("", "interop-")
		if err == nil {
			err = program.Build("../..", dir, "./cmd/smcrouted", "./cmd/smcroutectl")
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		_ = os.Setenv(envOurs, dir)
	}
	netlab.Main(cleaner{m})
}

// cleaner removes the binaries after the tests.
type cleaner struct{ m *testing.M }

func (c cleaner) Run() int {
	defer os.RemoveAll(os.Getenv(envOurs))
	return c.m.Run()
}

// both returns this project's programs and the original ones.
func both(t *testing.T) (ours, debian program.Programs) {
	t.Helper()
	debian, err := program.Debian()
	if err != nil {
		t.Skip(err)
	}
	return program.In(os.Getenv(envOurs)), debian
}
