package netlab

import (
	"fmt"
	"iter"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// mark is the flow of Flush, which captures don't show. No router forwards it, or asks what
// to do with it: its group is of the link alone (RFC 5771, section 4), and nobody's.
var mark = mroute.SG{Source: netip.MustParseAddr("192.0.2.255"), Group: netip.MustParseAddr("224.0.0.254")}

// Flush returns when all packets that were sent before, on whatever veth pairs, have been
// handled where they arrived; with 2 hops also what was forwarded then, and so on. It ends
// the test if that takes longer than within. The link's other end is peerLink of peer.
//
// A packet that is sent on a veth pair is put into a queue of the processor, and stays there
// for a while if the machine is busy. Each processor has one, for all links, and keeps its
// order. So marks are sent by each, after whatever went before, and awaited. A test that
// expects a packet to arrive nowhere flushes the queues before it looks, and before it
// changes what should become of the packet.
func (ns *NS) Flush(link string, peer *NS, peerLink string, hops int, within time.Duration) {
	ns.tb.Helper()
	seen := peer.Capture(peerLink)
	seen.marks.Store(true)
	defer seen.Stop()
	s := ns.sender(link)
	number := uint64(0)
	for range hops {
		first := number
		err := eachProcessor(func(int) error {
			frame, err := Packet{Src: mark.Source, Group: mark.Group, TTL: 1, Payload: sequencePayload(number)}.frame(s.mac)
			if err != nil {
				return err
			}
			number++
			return s.write(frame)
		})
		if err != nil {
			ns.tb.Fatalf("netlab: flushing %s: %v", link, err)
		}
		Await(ns.tb, within, func() bool {
			for n := first; n < number; n++ {
				if !seen.Has(mark, n) {
					return false
				}
			}
			return true
		}, "the marks of all processors on "+peerLink)
	}
}

// InOrder calls f on a thread that stays on one processor, so that packets which it sends
// arrive in that order: see [NS.Flush].
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
