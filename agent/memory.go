package agent

import (
	"runtime/debug"
	"sync/atomic"
)

// muchWork is from how many rows on a listing's memory is worth giving back.
const muchWork = 10_000

var givingBack atomic.Bool

// giveBack returns memory that is free to the system, in the background: reading
// a large configuration, or listing it, takes several times what stays.
func giveBack() {
	if givingBack.CompareAndSwap(false, true) {
		go func() {
			defer givingBack.Store(false)
			debug.FreeOSMemory()
		}()
	}
}
