package sim_test

import (
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/kerneltest"
	"github.com/smcroute/kube-smcroute/agent/kernel/sim"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// TestContract shows that the simulator behaves as the real kernel, which
// passes the same suite.
func TestContract(t *testing.T) {
	kerneltest.Run(t, func(t testing.TB) kerneltest.World { return &world{Host: sim.New(), t: t} })
}

// world steps the simulator's time while a test waits.
type world struct {
	*sim.Host
	t testing.TB
}

func (w *world) Open(table uint32) (kernel.Kernel, error) {
	k, err := w.Host.Open(table)
	if err != nil {
		return nil, err
	}
	w.t.Cleanup(func() { k.Close() })
	return k, nil
}

func (w *world) AddLink(name string) { w.Host.AddLink(name) }

func (w *world) Send(link string, sg mroute.SG, ttl uint8) { w.Host.Send(link, sg, ttl, w.Now()) }

func (w *world) Left(link string, sg mroute.SG) int { return w.Departed(link, sg) }

// Await gives goroutines that take events some real time at each step.
func (w *world) Await(what string, cond func() bool) {
	w.t.Helper()
	const step = 10 * time.Millisecond
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for range 1000 {
		if cond() {
			return
		}
		<-poll.C
		w.Advance(step)
	}
	w.t.Fatalf("timed out waiting for %s; the host is\n%v", what, w.Host)
}
