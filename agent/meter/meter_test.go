package meter

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

func TestHistogram(t *testing.T) {
	var h Histogram
	for _, d := range []time.Duration{-1, 0, Bounds[0], Bounds[0] + 1, time.Hour} {
		h.Observe(d, 2)
	}
	b := h.Read()
	if b.Count != 10 || b.UpTo[0] != 6 || b.UpTo[1] != 8 || b.UpTo[len(Bounds)-1] != 8 || b.Sum != 4*Bounds[0]+2+2*time.Hour {
		t.Errorf("%+v", b)
	}
}

// Counting is for the path of the kernel's questions.
func TestCountingDoesNotAllocate(t *testing.T) {
	var r Router
	ups := make([]mroute.Upcall, 256)
	for i := range ups {
		ups[i] = mroute.Upcall{Kind: mroute.NoCache, SG: mroute.SG{Group: netip.MustParseAddr("232.1.1.1")}}
	}
	if n := testing.AllocsPerRun(10, func() {
		r.Upcalls(ups)
		r.Learn.Observe(time.Millisecond, 3)
		r.Refuse("SetMFC", nil)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// However many kinds of errors somebody makes up, memory is bounded.
func TestRefused(t *testing.T) {
	var r Router
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := range 2 * maxRefusals {
				r.Refuse("SetMFC", fmt.Errorf("once more: %w", syscall.ENOBUFS))
				r.Refuse(fmt.Sprint("op ", i), errors.New("strange"))
			}
		})
	}
	wg.Wait()
	kinds, known := 0, uint64(0)
	r.Refused(func(x Refusal, n uint64) {
		kinds++
		if x == (Refusal{"SetMFC", syscall.ENOBUFS}) {
			known = n
		}
	})
	if kinds != maxRefusals || known != 4*maxRefusals {
		t.Errorf("%d kinds, %d of the one that is known", kinds, known)
	}
}
