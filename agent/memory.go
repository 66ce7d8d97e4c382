package agent

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// muchWork is from how many rows on a listing's memory is worth giving back.
const muchWork = 10_000

var askedBack atomic.Int32 // calls of giveBack since the first that is not done

// giveBack returns memory that is free to the system, in the background: reading
// a large configuration, or listing it, takes several times what stays. All goes
// that is free when it is called, whatever else is under way.
func giveBack() {
	if askedBack.Add(1) > 1 {
		return
	}
	go func() {
		for {
			n := askedBack.Load()
			debug.FreeOSMemory()
			if askedBack.CompareAndSwap(n, 0) {
				return
			}
		}
	}()
}

// giveBack is that for an agent, unless others have a part in the memory.
func (a *Agent) giveBack() {
	if !a.o.Shared {
		giveBack()
	}
}

// GiveBackAfter returns memory that is free to the system, in the background, if
// work on that many rows of a router, now done, can have taken much.
func GiveBackAfter(rows int) {
	if rows >= muchWork {
		giveBack()
	}
}

// frugalGC is the percentage of $GOGC while a router is gone over. What is needed for
// that is little, and what becomes garbage meanwhile is not to wait until there is as
// much of it as of all that stays.
const frugalGC = 20

// frugality is who is frugal at the moment.
var frugality struct {
	sync.Mutex
	many   int
	before int // percentage to go back to
}

// frugal has garbage collected early until done is called.
func frugal() (done func()) {
	f := &frugality
	f.Lock()
	defer f.Unlock()
	if f.many++; f.many == 1 {
		f.before = debug.SetGCPercent(frugalGC)
		if f.before < frugalGC { // somebody wants none at all, for a while
			debug.SetGCPercent(f.before)
		}
	}
	return func() {
		f.Lock()
		defer f.Unlock()
		if f.many--; f.many == 0 && f.before > frugalGC {
			debug.SetGCPercent(f.before)
		}
	}
}
