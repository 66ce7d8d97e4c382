package main

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// path measures what a packet of a known flow costs, and whether all of them arrive,
// while new flows are learned and when it is quiet.
func (b *bench) path(tb netlab.TB) []row {
	what := fmt.Sprintf("a known flow's packet while %s new flows come", perSecond(float64(b.fast)))
	notSlowed := atMost(1.2).as("not slowed")
	quiet, flooded := &side{name: "when it is quiet"}, &side{}
	if runtime.NumCPU() < 2 {
		flooded.note = "needs two processors"
		return []row{compare(what, seconds, flooded, quiet, notSlowed)}
	}
	r := b.router(tb, conf(mroute.IPv4, 0, template+"mroute from in source 10.1.1.1 group 232.1.1.1 to out\n"))
	r.daemon(tb, b.ours)
	source, group := [4]byte{10, 1, 1, 1}, [4]byte{232, 1, 1, 1}
	known := r.repeated(tb, "a", source, group)
	flows := int(float64(b.fast) * b.pathTime.Seconds())

	sent := 0
	measure := func(s *side) {
		sent += known.cost(tb, s, b.pathTime)
	}
	for i := range b.pathRounds {
		measure(quiet)
		flood := r.newSender(tb, i*flows, flows)
		done := make(chan error)
		go func() {
			defer close(done)
			done <- onProcessor(0, func() error {
				// Its end is none of this goroutine's business, so no tb.
				return netlab.Run(func(tb netlab.TB) { flood.run(tb, b.fast) })
			})
		}()
		measure(flooded)
		if err := <-done; err != nil {
			tb.Fatalf("flood: %v", err)
		}
	}
	arrived := uint64(0)
	err := r.counters(func(get func(source, group [4]byte) (uint64, error)) (err error) {
		arrived, err = get(source, group)
		return err
	})
	if err != nil {
		tb.Fatalf("SIOCGETSGCNT: %v", err)
	}
	lost := &side{figures: []float64{float64(sent) - float64(arrived)}, note: "of " + count(float64(sent))}
	return []row{
		compare(what+": CPU", seconds, flooded, quiet, notSlowed),
		alone("the same: packets lost", count, lost, atMost(0)),
	}
}

// cost sends packets for some time, adds what each cost to s, and returns how many were
// sent.
func (s *sender) cost(tb netlab.TB, to *side, d time.Duration) (packets int) {
	tb.Helper()
	packets, cost, err := s.hammer(d)
	if err != nil {
		tb.Fatalf("known flow: %v", err)
	}
	to.add(cost.Seconds() / float64(packets))
	return packets
}

// hammer sends its packets again and again, on a processor of its own, and returns
// how many, and the time of the processor that it took: the kernel forwards them
// within the call that sends them.
func (s *sender) hammer(d time.Duration) (packets int, cost time.Duration, err error) {
	err = onProcessor(1, func() error {
		before, err := threadTime()
		if err != nil {
			return err
		}
		for start := time.Now(); time.Since(start) < d; {
			n, err := s.send(0, len(s.hdrs))
			if err != nil {
				return err
			}
			packets += n
		}
		after, err := threadTime()
		cost = after - before
		return err
	})
	return packets, cost, err
}

// threadTime is the time of a processor that the thread has used.
func threadTime() (time.Duration, error) {
	var ts unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts)
	return time.Duration(ts.Nano()), err
}

// onProcessor calls f on a thread that stays on one of the processors that this
// program may use, the n-th of them if there are so many.
func onProcessor(n int, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this
		done <- func() error {
			var all, one unix.CPUSet
			if err := unix.SchedGetaffinity(0, &all); err != nil {
				return err
			}
			n %= all.Count()
			for cpu := range 64 * len(all) {
				if all.IsSet(cpu) {
					if n == 0 {
						one.Set(cpu)
					}
					n--
				}
			}
			return errors.Join(unix.SchedSetaffinity(0, &one), f())
		}()
	}()
	return <-done
}
