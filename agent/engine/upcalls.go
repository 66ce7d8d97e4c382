package engine

import (
	"time"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// answer answers the kernel's questions. Flows that wait for others to make room
// are answered later, without being timed.
func (e *Engine) answer(ups kernel.Upcalls) {
	e.o.Meter.Upcalls(ups.List)
	if e.asked = ups.Read; e.asked.IsZero() {
		e.asked = time.Now()
	}
	e.step(core.Upcalls(ups.List))
	e.asked = time.Time{}
}

// countLost tells the meter of questions that the kernel has dropped since the last
// call.
func (e *Engine) countLost() {
	k, ok := e.o.Kernel.(kernel.Loser)
	if !ok {
		return
	}
	for _, f := range mroute.Families {
		now := k.UpcallsLost(f)
		e.o.Meter.Lose(f, uint64(now-e.lost[f]))
		e.lost[f] = now
	}
}
