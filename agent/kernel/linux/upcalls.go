package linux

import (
	"context"
	"fmt"
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

// upcalls reads those of one family, as many at a time as there are. The receive
// buffer stays as it is: its size limits how many flows may wait for an answer,
// and the kernel searches them for every packet of another.
type upcalls struct {
	fd     int
	decode func([]byte) (uapi.Upcall, bool)
	rx     *mmsg
	list   []mroute.Upcall
	done   chan struct{} // to go on
}

// upcallReader sends the upcalls of one family.
func upcallReader(o *owner) func(context.Context, chan<- kernel.Event) error {
	family, raw, early := o.family, o.raw, o.early
	o.early = nil
	u := &upcalls{fd: o.fd, decode: o.decode(), rx: newMmsg(upcallBatch, upcallSize)}
	return func(ctx context.Context, events chan<- kernel.Event) error {
		if len(early) > 0 {
			if !send(ctx, events, kernel.Upcalls{List: early, Read: time.Now()}) {
				return nil
			}
			early = nil
		}
		u.done = make(chan struct{}, 1)
		for {
			var n int
			var errno syscall.Errno
			err := raw.Read(func(uintptr) bool {
				n, errno = u.rx.recv(u.fd)
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
			if u.take(n); len(u.list) == 0 {
				continue
			}
			if !send(ctx, events, kernel.Upcalls{List: u.list, Read: read, From: u}) {
				return nil
			}
			select {
			case <-u.done:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// More implements [kernel.Asker]. What cannot be read is for the reader to say.
func (u *upcalls) More() ([]mroute.Upcall, time.Time) {
	n, errno := u.rx.recv(u.fd)
	if errno != 0 {
		n = 0
	}
	u.take(n)
	return u.list, time.Now()
}

// Done implements [kernel.Asker].
func (u *upcalls) Done() { u.done <- struct{}{} }

// take decodes what was received.
func (u *upcalls) take(n int) { u.list = appendUpcalls(u.list[:0], u.rx, n, u.decode) }

// UpcallsLost implements [kernel.Loser]: what the receive buffer had no room for.
func (k *Kernel) UpcallsLost(f mroute.Family) uint32 {
	o := k.owner(f)
	if o.file == nil {
		return 0
	}
	return drops(o.fd)
}

func appendUpcalls(ups []mroute.Upcall, rx *mmsg, n int, decode func([]byte) (uapi.Upcall, bool)) []mroute.Upcall {
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
