package main

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/interop/program"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// template is the rule by which flows are learned.
const template = "mroute from in group 239.0.0.0/8 to out\n"

// learners are flows learned a second, by round.
type learners struct {
	*router
	routes             int
	debian, bare, ours side
}

// learn measures how many new flows are learned: as many as the C daemon is good
// for, and far more, with an empty table and with a large one.
func (b *bench) learn(tb netlab.TB) []row {
	learners := func(routes int) *learners {
		return &learners{
			router: b.router(tb, conf(mroute.IPv4, routes, template)), routes: routes,
			bare: side{name: bareLoop},
		}
	}
	slow, empty, full := learners(0), learners(0), learners(b.large)
	for range b.learnRounds {
		slow.round(tb, b, b.slow, true)
		empty.round(tb, b, b.fast, false)
		full.round(tb, b, b.fast, false)
	}
	what := func(rate int) string {
		return fmt.Sprintf("new flows learned of %s offered", perSecond(float64(rate)))
	}
	large := fmt.Sprintf("the same, %s routes present", count(float64(b.large)))
	unladen := side{name: "none present", figures: empty.ours.figures}
	half := atLeast(float64(b.fast) / 2)
	return []row{
		compare(what(b.slow), perSecond, &slow.ours, &slow.debian, goal{}),
		compare("the same", perSecond, &slow.ours, &slow.bare, atLeast(0.95)),
		alone(what(b.fast), perSecond, &empty.ours, half),
		compare("the same", perSecond, &empty.ours, &empty.bare, atLeast(0.95)),
		alone(large, perSecond, &full.ours, half),
		compare("the same", perSecond, &full.ours, &full.bare, atLeast(0.95)),
		compare("the same", perSecond, &full.ours, &unladen, atLeast(0.9).as("whatever the size")),
	}
}

// round offers flows to each side once.
func (l *learners) round(tb netlab.TB, b *bench, rate int, debian bool) {
	tb.Helper()
	measure := func(d *program.Daemon, s *side) {
		if d != nil {
			defer d.Kill()
			quiet()
			s.add(l.offer(tb, rate, b.learnTime))
		}
	}
	measure(l.router.bare(tb, b, mroute.IPv4, l.routes), &l.bare)
	measure(l.daemon(tb, b.ours, "--max-flows", "0"), &l.ours) // to which the bare loop has none either
	if debian {
		measure(l.original(tb, b, &l.debian), &l.debian)
	}
}

// flow is the i-th new flow.
func flow(i int) (source, group [4]byte) {
	a, b, c := byte(i>>16), byte(i>>8), byte(i)
	return [4]byte{10, 99, b, c}, [4]byte{239, a, b, c}
}

// offer sends one packet of each new flow, and returns how many a second have an
// entry in the end.
func (r *router) offer(tb netlab.TB, rate int, d time.Duration) float64 {
	tb.Helper()
	n := int(float64(rate) * d.Seconds())
	sender := r.newSender(tb, 0, n)
	start := time.Now()
	sender.run(tb, rate)
	took := since(start)

	// The kernel keeps unanswered questions for 10 s; a daemon that is behind
	// has at most 256 of them, so wait until it has caught up.
	learned, still := 0, time.Now()
	for time.Since(still) < 200*time.Millisecond {
		if now := r.entries(tb, n); now != learned {
			learned, still = now, time.Now()
		}
	}
	return float64(learned) / took
}

// entries counts the flows that have an entry.
func (r *router) entries(tb netlab.TB, n int) (entries int) {
	tb.Helper()
	err := r.counters(func(get func(source, group [4]byte) (packets uint64, err error)) error {
		for i := range n {
			switch _, err := get(flow(i)); err {
			case nil:
				entries++
			case unix.EADDRNOTAVAIL:
			default:
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatalf("SIOCGETSGCNT: %v", err)
	}
	return entries
}

// counters calls f with what reads the packet counter of an entry.
func (r *router) counters(f func(get func(source, group [4]byte) (packets uint64, err error)) error) error {
	return r.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_IGMP)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		var req []byte
		return f(func(source, group [4]byte) (uint64, error) {
			req = uapi.AppendSGReq(req[:0], netip.AddrFrom4(source), netip.AddrFrom4(group), uapi.NativeWord)
			if errno := ioctl(fd, uapi.SIOCGetSGCnt, req); errno != 0 {
				return 0, errno
			}
			c, err := uapi.DecodeSGReq(req, uapi.NativeWord)
			return c.Packets, err
		})
	})
}
