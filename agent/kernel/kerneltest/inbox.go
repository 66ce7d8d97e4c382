package kerneltest

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// inbox collects what a Watch sends, until the end of the test.
type inbox struct {
	mu      sync.Mutex
	upcalls []mroute.Upcall
	changes int   // how many LinksChanged
	gone    []int // ifindexes they told of
}

// watch starts a Watch. It must end without an error when the test does.
func (in *inbox) watch(t testing.TB, k kernel.Kernel) {
	ctx, cancel := context.WithCancel(context.Background())
	events := make(chan kernel.Event)
	ended := make(chan error, 1)
	go func() {
		ended <- k.Watch(ctx, events)
		close(events)
	}()
	collected := make(chan struct{})
	go func() {
		for e := range events {
			in.add(e)
		}
		close(collected)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Watch ended with %v, want nil when its context is done", err)
		}
		<-collected
	})
}

func (in *inbox) add(e kernel.Event) {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch e := e.(type) {
	case kernel.LinksChanged:
		in.changes++
		in.gone = append(in.gone, e.Gone...)
	case kernel.Upcalls:
		in.upcalls = append(in.upcalls, e.List...)
		if e.From != nil {
			e.From.Done()
		}
	}
}

// asked counts the upcalls that are u.
func (in *inbox) asked(u mroute.Upcall) (n int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, got := range in.upcalls {
		if got == u {
			n++
		}
	}
	return n
}

// about lists the upcalls about a flow.
func (in *inbox) about(sg mroute.SG) (us []mroute.Upcall) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, u := range in.upcalls {
		if u.SG == sg {
			us = append(us, u)
		}
	}
	return us
}

// linkChanges counts the LinksChanged.
func (in *inbox) linkChanges() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.changes
}

// saidGone reports whether a LinksChanged named the ifindex.
func (in *inbox) saidGone(index int) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Contains(in.gone, index)
}
