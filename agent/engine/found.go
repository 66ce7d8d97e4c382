package engine

import (
	"fmt"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// found is what the kernel held when the engine was made.
type found struct {
	lines []string // for the log
	goes  bool     // some of it may go
}

// held is what the kernel holds of a family, noted for the log.
func (e *Engine) held(f mroute.Family) mroute.Held {
	h := e.o.Kernel.Held(f)
	if !h.Empty() {
		e.found.lines = append(e.found.lines, fmt.Sprintf("Found %d entries and %d interfaces in the %v table",
			len(h.Entries)+len(h.Foreign), len(h.VIFs), f))
	}
	e.found.goes = e.found.goes || len(h.Entries) > 0 || e.o.RemoveForeign && len(h.Foreign) > 0
	return h
}

func (e *Engine) tellFound() {
	for _, l := range e.found.lines {
		e.o.Logger.Info(l)
	}
}

// Holds reports whether the kernel held entries when the engine was made that
// go if nobody wants them, after [Engine.Complete].
func (e *Engine) Holds() bool { return e.found.goes }
