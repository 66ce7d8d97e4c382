package linux

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/smcroute/kube-smcroute/agent/kernel"
)

// reader sends what a socket tells.
type reader struct {
	file *os.File
	read func(context.Context, chan<- kernel.Event) error
}

// Watch implements [kernel.Observer]. Only one may run at a time. It also
// returns nil when the kernel is closed.
func (k *Kernel) Watch(ctx context.Context, events chan<- kernel.Event) error {
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for _, r := range k.readers {
		if err := r.file.SetReadDeadline(time.Time{}); err != nil {
			cancel(err)
		}
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-inner.Done()
		for _, r := range k.readers {
			_ = r.file.SetReadDeadline(time.Unix(1, 0)) // ends the read
		}
	}()
	var wg sync.WaitGroup
	for _, r := range k.readers {
		wg.Go(func() {
			if err := r.read(inner, events); err != nil {
				cancel(err) // and end the others
			}
		})
	}
	wg.Wait()
	<-stopped // else the next Watch could be stopped
	if ctx.Err() != nil || k.closed.Load() {
		return nil
	}
	return context.Cause(inner)
}

// send is false if ctx ended first.
func send(ctx context.Context, events chan<- kernel.Event, e kernel.Event) bool {
	select {
	case events <- e:
		return true
	case <-ctx.Done():
		return false
	}
}
