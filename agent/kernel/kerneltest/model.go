package kerneltest

import (
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/sim"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// NewModel is the world of the simulator. Its time stands still, except that it
// moves on while a test waits.
func NewModel(t testing.TB) World { return &model{Host: sim.New(), t: t} }

type model struct {
	*sim.Host
	t testing.TB
}

func (m *model) Open(table uint32) (kernel.Kernel, error) {
	k, err := m.Host.Open(table)
	if err != nil {
		return nil, err
	}
	m.t.Cleanup(func() { _ = k.Close() })
	return k, nil
}

func (m *model) OpenKept(table uint32, static bool) (kernel.Kernel, error) {
	k, err := m.Host.OpenKept(table, static)
	if err != nil {
		return nil, err
	}
	m.t.Cleanup(func() { _ = k.Close() })
	return k, nil
}

func (m *model) Guest(table uint32, ops ...mroute.Op) {
	m.t.Helper()
	guest, err := m.OpenGuest(table)
	if err != nil {
		m.t.Fatal(err)
	}
	for i, err := range guest.Apply(ops) {
		if err != nil {
			m.t.Fatalf("op %d of a guest: %v", i, err)
		}
	}
	_ = guest.Close()
}

func (m *model) AddLink(name string) { m.Host.AddLink(name) }

func (m *model) Send(link string, sg mroute.SG, ttl uint8) { m.Host.Send(link, sg, ttl, m.Now()) }

func (m *model) Left(link string, sg mroute.SG) int { return m.Departed(link, sg) }

// Await gives goroutines that take events some real time at each step.
func (m *model) Await(what string, cond func() bool) {
	m.t.Helper()
	const step = 10 * time.Millisecond
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for range 3000 {
		if cond() {
			return
		}
		<-poll.C
		m.Advance(step)
	}
	m.t.Fatalf("timed out waiting for %s; the host is\n%v", what, m.Host)
}
