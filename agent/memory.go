package agent

import (
	"runtime/debug"
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
