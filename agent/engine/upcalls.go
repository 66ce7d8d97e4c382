package engine

import (
	"time"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// inARow is how many lists of questions are answered before others have their turn.
const inARow = 8

// upcalls answers the kernel's questions, and those that come meanwhile.
func (e *Engine) upcalls(ups kernel.Upcalls) {
	if ups.From != nil {
		defer ups.From.Done()
	}
	list, read := ups.List, ups.Read
	for n := 1; len(list) > 0; n++ {
		e.answer(list, read)
		if ups.From == nil || n == inARow {
			return
		}
		list, read = ups.From.More()
	}
}

// answer answers questions. Flows that wait for others to make room are answered
// later, without being timed.
func (e *Engine) answer(list []mroute.Upcall, read time.Time) {
	e.o.Meter.Upcalls(list)
	if e.asked = read; e.asked.IsZero() {
		e.asked = time.Now()
	}
	e.step(core.Upcalls(list))
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
