package netlab

import (
	"fmt"
	"iter"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// mark is the flow of Flush.
var mark = mroute.SG{Source: netip.MustParseAddr("192.0.2.255"), Group: netip.MustParseAddr("224.0.0.254")}

// flusher has a veth pair of its own, as long as the process lives.
var flusher struct {
	sync.Mutex
	out  *sender
	seen *Capture
}

// Flush returns when all packets that this program has sent, on whatever veth pairs, have
// been handled where they arrived; with 2 hops also what was forwarded then, and so on. It
// ends the test if that takes longer than within.
//
// A packet that is sent on a veth pair is put into a queue of the processor, and stays there
// for a while if the machine is busy. Each processor has one, for all links, and keeps its
// order. So a mark is sent by each, after whatever went before, and awaited. A test that
// expects a packet to arrive nowhere flushes the queues before it looks, and before it
// changes what should become of the packet.
func Flush(tb TB, hops int, within time.Duration) {
	tb.Helper()
	flusher.Lock()
	defer flusher.Unlock()
	if flusher.out == nil {
		if err := openFlusher(tb); err != nil {
			tb.Fatalf("netlab: a link to flush others with: %v", err)
		}
	}
	for range hops {
		want := flusher.seen.Count(mark)
		err := eachProcessor(func(int) error {
			frame, err := Packet{Src: mark.Source, Group: mark.Group}.frame(flusher.out.mac)
			if err != nil {
				return err
			}
			want++
			return flusher.out.write(frame)
		})
		if err != nil {
			tb.Fatalf("netlab: flushing: %v", err)
		}
		Await(tb, within, func() bool { return flusher.seen.Count(mark) >= want }, "the marks of all processors")
	}
}

func openFlusher(tb TB) error {
	ns, err := open()
	if err != nil {
		return err
	}
	ns.tb = tb // for the calls below alone
	ns.Veth("in", ns, "out")
	if flusher.seen, err = ns.capture("in"); err != nil {
		return err
	}
	flusher.out, err = ns.newSender(ns.link("out"))
	return err
}

// InOrder calls f on a thread that stays on one processor, so that packets which it sends
// arrive in that order: see [Flush].
func InOrder(f func()) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return fmt.Errorf("sched_getaffinity: %w", err)
	}
	defer func() { _ = unix.SchedSetaffinity(0, &all) }() // as it was
	for cpu := range processors(&all) {
		if err := runOn(cpu); err != nil {
			return err
		}
		break // any will do
	}
	f()
	return nil
}

// eachProcessor calls f on each processor that this program may use.
func eachProcessor(f func(cpu int) error) error {
	return onThread(func() error {
		var all unix.CPUSet
		if err := unix.SchedGetaffinity(0, &all); err != nil {
			return fmt.Errorf("sched_getaffinity: %w", err)
		}
		for cpu := range processors(&all) {
			if err := runOn(cpu); err != nil {
				return err
			}
			if err := f(cpu); err != nil {
				return err
			}
		}
		return nil
	})
}

// processors are the numbers in a set.
func processors(set *unix.CPUSet) iter.Seq[int] {
	return func(yield func(int) bool) {
		for cpu, left := 0, set.Count(); left > 0; cpu++ {
			if !set.IsSet(cpu) {
				continue
			}
			left--
			if !yield(cpu) {
				return
			}
		}
	}
}

// runOn has the calling thread run on one processor.
func runOn(cpu int) error {
	var one unix.CPUSet
	one.Set(cpu)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return fmt.Errorf("sched_setaffinity to processor %d: %w", cpu, err)
	}
	return nil
}
