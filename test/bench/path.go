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
	if runtime.NumCPU() < 2 {
		return []row{alone(what, seconds, &side{note: "needs two processors"}, notSlowed)}
	}
	ours, bare := b.paths(tb), b.paths(tb)
	ours.daemon(tb, b.ours)
	bare.bare(tb, b, mroute.IPv4, knownRoutes)
	ours.quiet.name, bare.flooded.name = "when it is quiet", bareLoop
	for i := range b.pathRounds {
		ours.round(tb, b, i)
		bare.round(tb, b, i)
	}
	lost := ours.lost(tb)
	return []row{
		compare(what+": CPU", seconds, &ours.flooded, &ours.quiet, notSlowed),
		compare("the same", seconds, &ours.flooded, &bare.flooded, notSlowed),
		alone("the same: packets lost", count, lost, atMost(0)),
	}
}

// paths is a router through which packets of a known flow pass.
type paths struct {
	*router
	known          *sender
	quiet, flooded side
	sent           int
}

func (b *bench) paths(tb netlab.TB) *paths {
	tb.Helper()
	p := &paths{router: b.router(tb, conf(mroute.IPv4, knownRoutes, template))}
	source, group := knownFlow()
	p.known = p.repeated(tb, "a", source, group)
	return p
}

// knownRoutes is how many routes there are, of which the last is the known flow's.
const knownRoutes = 2

// knownFlow is the one of the last line that [conf] makes of so many.
func knownFlow() (source, group [4]byte) { return [4]byte{10, 0, 0, 1}, [4]byte{232, 0, 0, 1} }

// round measures both once.
func (p *paths) round(tb netlab.TB, b *bench, round int) {
	tb.Helper()
	p.sent += p.known.cost(tb, &p.quiet, b.pathTime)
	flows := int(float64(b.fast) * b.pathTime.Seconds())
	flood := p.newSender(tb, round*flows, flows)
	done := make(chan error)
	go func() {
		defer close(done)
		done <- onProcessor(0, func() error {
			// Its end is none of this goroutine's business, so no tb.
			return netlab.Run(func(tb netlab.TB) { flood.run(tb, b.fast) })
		})
	}()
	p.sent += p.known.cost(tb, &p.flooded, b.pathTime)
	if err := <-done; err != nil {
		tb.Fatalf("flood: %v", err)
	}
}

// lost is how many packets the known flow's entry has not counted.
func (p *paths) lost(tb netlab.TB) *side {
	tb.Helper()
	arrived := uint64(0)
	err := p.counters(func(get func(source, group [4]byte) (uint64, error)) (err error) {
		arrived, err = get(knownFlow())
		return err
	})
	if err != nil {
		tb.Fatalf("SIOCGETSGCNT: %v", err)
	}
	return &side{figures: []float64{float64(p.sent) - float64(arrived)}, note: "of " + count(float64(p.sent))}
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
