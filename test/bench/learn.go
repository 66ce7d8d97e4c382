package main

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/test/interop/program"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

const (
	learnRounds = 5
	offered     = 20_000 // new flows a second
	learnTime   = time.Second
)

// learners are flows learned a second, by round.
type learners struct {
	*router
	routes             int
	debian, bare, ours []float64
}

// learn measures how many new flows are learned, with an empty table and with
// a large one.
func (b *bench) learn(tb netlab.TB) []row {
	const template = "mroute from in group 239.0.0.0/8 to out\n"
	empty := &learners{router: b.router(tb, conf(0, template))}
	full := &learners{router: b.router(tb, conf(large, template)), routes: large}
	for range learnRounds {
		empty.round(tb, b, b.hasDebian)
		full.round(tb, b, false)
	}
	rate := func(f []float64) string {
		if len(f) == 0 {
			return none
		}
		return fmt.Sprintf("%.0f/s", middle(f))
	}
	ratio, size := middleRatio(empty.ours, empty.bare), middleRatio(full.ours, empty.ours)
	return []row{{
		what: "new flows learned of 20,000/s offered", debian: rate(empty.debian), bare: rate(empty.bare), ours: rate(empty.ours),
		ratio: fmt.Sprintf("%.2f of bare", ratio), goal: "as the bare loop (0.95)", met: ratio >= 0.95,
	}, {
		what: "the same, 100,000 routes present", debian: none, bare: rate(full.bare), ours: rate(full.ours),
		ratio: fmt.Sprintf("%.2f of empty", size), goal: "as with an empty table (0.95)", met: size >= 0.95,
	}}
}

// round offers flows to each side once.
func (l *learners) round(tb netlab.TB, b *bench, debian bool) {
	tb.Helper()
	measure := func(d *program.Daemon) float64 {
		defer d.Kill()
		return l.offer(tb)
	}
	l.bare = append(l.bare, measure(l.router.bare(tb, b, l.routes)))
	l.ours = append(l.ours, measure(l.daemon(tb, b.ours)))
	if debian {
		l.debian = append(l.debian, measure(l.daemon(tb, b.debian)))
	}
}

// middleRatio is the median of the ratios of each round: what else goes on in
// the machine is about the same for both sides of a round.
func middleRatio(a, b []float64) float64 {
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = a[i] / b[i]
	}
	return middle(ratios)
}

// flow is the i-th new flow.
func flow(i int) (source, group [4]byte) {
	a, b, c := byte(i>>16), byte(i>>8), byte(i)
	return [4]byte{10, 99, b, c}, [4]byte{239, a, b, c}
}

// offer sends one packet of each new flow, and returns how many a second have an
// entry in the end.
func (r *router) offer(tb netlab.TB) float64 {
	tb.Helper()
	n := int(offered * learnTime.Seconds())
	sender := r.newSender(tb, n)
	start := time.Now()
	sender.run(tb, offered)
	took := time.Since(start)

	// The kernel keeps unanswered questions for 10 s; a daemon that is behind
	// has at most 256 of them, so wait until it has caught up.
	learned, since := 0, time.Now()
	for time.Since(since) < 200*time.Millisecond {
		if now := r.entries(tb, n); now != learned {
			learned, since = now, time.Now()
		}
	}
	return float64(learned) / took.Seconds()
}

// entries counts the flows that have an entry.
func (r *router) entries(tb netlab.TB, n int) (count int) {
	tb.Helper()
	err := r.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_IGMP)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		var req []byte
		for i := range n {
			source, group := flow(i)
			req = uapi.AppendSGReq(req[:0], netip.AddrFrom4(source), netip.AddrFrom4(group), uapi.NativeWord)
			switch errno := ioctl(fd, uapi.SIOCGetSGCnt, req); errno {
			case 0:
				count++
			case unix.EADDRNOTAVAIL:
			default:
				return errno
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatalf("SIOCGETSGCNT: %v", err)
	}
	return count
}

func middle(f []float64) float64 { return slices.Sorted(slices.Values(f))[len(f)/2] }
