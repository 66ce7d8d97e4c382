package clusterlab

import (
	"os"
	"sync"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Shared starts the cluster that all tests of a program share, or returns it if
// it has been started before, with options that are ignored then. An error in a
// method of the cluster ends the test that called Shared last. Tests that use it
// cannot be parallel. If the test fails, complaints from the logs are shown.
func Shared(tb netlab.TB, o Options) *Cluster {
	tb.Helper()
	current.set(tb)
	if failed {
		tb.Fatalf("clusterlab: the cluster did not start for the test before")
	}
	if shared == nil {
		failed = os.Getenv(envMissing) == "" // unless it comes back
		shared = Start(&current, o)
		failed = false
	}
	if t, ok := tb.(interface{ Failed() bool }); ok {
		tb.Cleanup(func() {
			if t.Failed() {
				tb.Logf("%s", shared.troubles())
			}
		})
	}
	return shared
}

var (
	shared  *Cluster
	failed  bool // to start it
	current currentTB
)

// currentTB is the TB of the test that runs.
type currentTB struct {
	mu sync.Mutex
	tb netlab.TB
}

func (c *currentTB) set(tb netlab.TB) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tb = tb
}

func (c *currentTB) get() netlab.TB {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tb
}

func (c *currentTB) Helper()                           {}
func (c *currentTB) Cleanup(f func())                  { c.get().Cleanup(f) }
func (c *currentTB) Logf(format string, args ...any)   { c.get().Logf(format, args...) }
func (c *currentTB) Fatalf(format string, args ...any) { c.get().Fatalf(format, args...) }
func (c *currentTB) Skipf(format string, args ...any)  { c.get().Skipf(format, args...) }
