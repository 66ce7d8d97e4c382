package engine_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/smcroute/kube-smcroute/agent/engine"
)

// Whoever follows the router is told when a round of changes has ended, before
// the call that began it returns, and not for packets.
func TestOnChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes atomic.Int32
		r := start(t, engine.Options{OnChange: func() { changes.Add(1) }}, "a0", "b0")
		told := func(what string, want int32) {
			t.Helper()
			synctest.Wait()
			if got := changes.Swap(0); got != want {
				t.Errorf("%s: told of %d changes, want %d", what, got, want)
			}
		}
		r.set(route("a0", "*", "225.1.1.1", "b0"))
		if changes.Load() == 0 {
			t.Error("the layer is set, and nobody was told")
		}
		told("a layer", 2) // and the links of the start
		r.send("a0", sg("10.0.0.1", "225.1.1.1"))
		told("a flow", 1)
		r.send("a0", sg("10.0.0.1", "225.1.1.1"))
		told("a packet", 0)
		r.snapshot()
		told("a snapshot", 0)
		r.host.DeleteLink("b0")
		told("a link that goes", 1)
	})
}
