package sim_test

import (
	"testing"

	"github.com/smcroute/kube-smcroute/agent/kernel/kerneltest"
)

// TestContract shows that the simulator behaves as the real kernel, which
// passes the same suite.
func TestContract(t *testing.T) { kerneltest.Run(t, kerneltest.NewModel) }
