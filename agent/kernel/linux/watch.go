package linux

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

const (
	upcallBatch = 256
	upcallSize  = 128 // an upcall without the packet that some carry
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

// upcallReader reads the upcalls of one family, as many at a time as there are.
// The receive buffer stays as it is: its size limits how many flows may wait
// for an answer, and the kernel searches them for every packet of another.
func upcallReader(o *owner) func(context.Context, chan<- kernel.Event) error {
	family, raw, decode, early := o.family, o.raw, o.decode(), o.early
	o.early = nil
	return func(ctx context.Context, events chan<- kernel.Event) error {
		if len(early) > 0 {
			if !send(ctx, events, kernel.Upcalls{List: early, Read: time.Now()}) {
				return nil
			}
			early = nil
		}
		rx := newMmsg(upcallBatch, upcallSize)
		for {
			var n int
			var errno syscall.Errno
			err := raw.Read(func(fd uintptr) bool {
				n, errno = rx.recv(int(fd))
				return errno != unix.EAGAIN
			})
			switch {
			case err != nil:
				return err
			case errno == unix.ENOBUFS: // some were dropped; they come again
				continue
			case errno != 0:
				return fmt.Errorf("%v upcalls: %w", family, errno)
			}
			read := time.Now()
			if ups := decodeUpcalls(rx, n, decode); len(ups) > 0 && !send(ctx, events, kernel.Upcalls{List: ups, Read: read}) {
				return nil
			}
		}
	}
}

// UpcallsLost implements [kernel.Loser]: what the receive buffer had no room for.
func (k *Kernel) UpcallsLost(f mroute.Family) uint32 {
	o := k.owner(f)
	if o.file == nil {
		return 0
	}
	return drops(o.fd)
}

func decodeUpcalls(rx *mmsg, n int, decode func([]byte) (uapi.Upcall, bool)) []mroute.Upcall {
	ups := make([]mroute.Upcall, 0, n)
	for i := range n {
		b, _ := rx.msg(i)
		if u, ok := decode(b); ok {
			ups = append(ups, mroute.Upcall{
				Kind: mroute.UpcallKind(u.Type),
				SG:   mroute.SG{Source: u.Src, Group: u.Dst},
				VIF:  mroute.VIF(u.VIF),
			})
		}
	}
	return ups
}
