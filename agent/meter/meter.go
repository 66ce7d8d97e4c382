// Package meter counts what a router does as it happens, for those who look at it
// later: what no snapshot of its state could tell.
//
// Counting allocates nothing and waits for nobody, but for errors, which are rare.
// Everything may be called from any goroutine. Counts never fall.
package meter

import (
	"errors"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// kinds is one more than the highest kind of upcall.
const kinds = int(mroute.WrVIFWhole) + 1

// Router are the counts of one router, of all its tables. The zero value has
// counted nothing.
type Router struct {
	// Learn is the time from a question of the kernel being read until its answer is
	// in the kernel, of each flow. Install is what each batch of changes took there.
	Learn, Install Histogram

	upcalls [len(mroute.Families)][kinds]atomic.Uint64
	lost    [len(mroute.Families)]atomic.Uint64

	mu     sync.Mutex
	errors map[Refusal]uint64
}

// Refusal is a kind of call that the kernel refused.
type Refusal struct {
	Op    string        // "SetMFC", "MRT_INIT"
	Errno syscall.Errno // 0: it was refused before the kernel was asked
}

// maxRefusals bounds how many kinds are told apart. There are fewer.
const maxRefusals = 256

// Upcalls counts questions of the kernel.
func (r *Router) Upcalls(ups []mroute.Upcall) {
	var n [len(mroute.Families)][kinds]uint64
	for i := range ups {
		if k := int(ups[i].Kind); k < kinds {
			n[index(ups[i].SG.Family())][k]++
		}
	}
	for f := range n {
		for k, n := range n[f] {
			if n > 0 {
				r.upcalls[f][k].Add(n)
			}
		}
	}
}

// Asked is how many questions of a kind there were.
func (r *Router) Asked(f mroute.Family, k mroute.UpcallKind) uint64 {
	if int(k) >= kinds {
		return 0
	}
	return r.upcalls[index(f)][k].Load()
}

// Lose counts questions that the kernel has dropped.
func (r *Router) Lose(f mroute.Family, n uint64) { r.lost[index(f)].Add(n) }

// Lost is how many were dropped.
func (r *Router) Lost(f mroute.Family) uint64 { return r.lost[index(f)].Load() }

// Refuse counts a call that failed. op names it, unless err does.
func (r *Router) Refuse(op string, err error) {
	if err == nil {
		return
	}
	x := Refusal{Op: op}
	_ = errors.As(err, &x.Errno)
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.errors[x]; !ok && len(r.errors) >= maxRefusals {
		return
	}
	if r.errors == nil {
		r.errors = map[Refusal]uint64{}
	}
	r.errors[x]++
}

// Refused calls f with each kind of call that has failed, and how often.
func (r *Router) Refused(f func(Refusal, uint64)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for x, n := range r.errors {
		f(x, n)
	}
}

func index(f mroute.Family) int {
	if f == mroute.IPv6 {
		return 1
	}
	return 0
}
