// Package heap is how this process collects garbage. Several parts of it want that
// otherwise for a while, at the same time and in any order, and what the runtime goes by
// is one for all: so it is set here alone, and goes back to what it was when the last of
// them is done.
package heap

import (
	"runtime/debug"
	"sync"
)

// frugalPercent is the percentage of $GOGC for who is frugal.
const frugalPercent = 20

// wishes are those of all who want it otherwise.
type wishes struct {
	mu            sync.Mutex
	frugal, roomy int   // how many
	percent       int   // that of $GOGC, while nobody does
	limit         int64 // that of $GOMEMLIMIT in bytes, while nobody is roomy
}

var all wishes

// Frugal has garbage collected early until normal is called: for work that needs little
// at a time, and whose garbage is not to wait until there is as much of it as of all that
// stays.
func Frugal() (normal func()) {
	w := &all
	w.change(func() { w.frugal++ })
	return sync.OnceFunc(func() { w.change(func() { w.frugal-- }) })
}

// Roomy has no garbage collected while the process takes no more than limit bytes, until
// normal is called, whoever is frugal. Of several the lowest limit holds, for all of them.
func Roomy(limit int64) (normal func()) {
	w := &all
	w.change(func() {
		now := debug.SetMemoryLimit(-1) // which does not change it
		if w.roomy++; w.roomy == 1 {
			w.limit = now
		}
		debug.SetMemoryLimit(min(now, limit))
	})
	return sync.OnceFunc(func() {
		w.change(func() {
			if w.roomy--; w.roomy == 0 {
				debug.SetMemoryLimit(w.limit)
			}
		})
	})
}

// change changes how many there are, and does what they wish.
func (w *wishes) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.frugal+w.roomy == 0 {
		w.percent = debug.SetGCPercent(-1)
	}
	f()
	percent := w.percent
	switch {
	case w.roomy > 0:
		percent = -1
	case w.frugal > 0:
		percent = min(percent, frugalPercent) // $GOGC may be off, or less
	}
	debug.SetGCPercent(percent)
}
