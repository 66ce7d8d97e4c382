package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// firstGroup is the group that all flows go to, whose sources are in the network
// of the router's input, as some routers want it.
var (
	firstGroup  = [4]byte{239, 1, 1, 1}
	inNetwork   = netip.MustParsePrefix("10.77.0.1/16")
	outNetwork  = netip.MustParsePrefix("10.78.0.1/16")
	hostAddress = netip.MustParsePrefix("10.78.0.2/16") // where outNetwork ends
)

// firstSource is the i-th source.
func firstSource(i int) [4]byte { return [4]byte{10, 77, byte(1 + i>>8), byte(i)} }

// firstPause lets a program go to sleep again before the next packet of a new flow.
const firstPause = time.Millisecond

// forwarder is a router that forwards firstGroup from any source.
type forwarder struct {
	*router
	*probe
	side
	before int // sources for seeing that it works
	lost   int // packets
}

// first measures how long the first packet of a new flow takes through a router, by
// who runs it.
func (b *bench) first(tb netlab.TB) []row {
	const line = "mroute from in group 239.1.1.1 to out"
	const nativeLine = "mroute from in group 239.1.1.1 native to out"

	var all []*forwarder
	start := func(f *forwarder) *side {
		all = append(all, f)
		return &f.side
	}
	missing := func(name, why string) *side { return &side{name: name, note: why} }
	smcroute := func(name, line string) *forwarder {
		r := b.addressed(tb, conf(mroute.IPv4, 0, line+"\n"))
		r.daemon(tb, b.ours)
		return r.forwarder(tb, name)
	}

	ours := start(smcroute("", line))
	known := start(smcroute("known flow", line+"\n"+b.firstRoutes()))
	bare := start(b.bareForwarder(tb))
	debian := &side{}
	if r := b.addressed(tb, conf(mroute.IPv4, 0, line+"\n")); r.original(tb, b, debian) != nil {
		debian = start(r.forwarder(tb, cDaemon))
	}
	anySource := smcroute("", nativeLine)
	native := start(anySource)
	igmpproxy, pimd := b.igmpproxy(tb, start, missing), b.pimd(tb, start, missing)

	for _, f := range all {
		f.await(tb)
	}
	for i := range b.firstRounds {
		for _, f := range all {
			f.measure(tb, firstSource(i))
			time.Sleep(firstPause)
		}
	}
	anySource.checkNative(tb)
	for _, s := range []*side{ours, bare, debian, native, igmpproxy, pimd, known} {
		if len(s.figures) > 0 {
			s.note = strings.TrimSuffix("p99 "+seconds(quantile(s.figures, 0.99))+", "+s.note, ", ")
		}
	}
	const what = "first packet of a new flow"
	slower := atMost(1.2).as("no slower")
	return []row{
		compare(what+", learned", seconds, ours, bare, goal{}),
		compare("the same", seconds, ours, debian, slower),
		compare("the same", seconds, ours, igmpproxy, slower),
		compare("the same", seconds, ours, pimd, slower),
		compare(what+", native (*,G)", seconds, native, known, slower.as("no delay")),
	}
}

// firstRoutes are lines for all flows of the measurement, which are known then.
func (b *bench) firstRoutes() string {
	var lines strings.Builder
	for i := range b.firstRounds {
		fmt.Fprintf(&lines, "mroute from in source %v group 239.1.1.1 to out\n", netip.AddrFrom4(firstSource(i)))
	}
	return lines.String()
}

// addressed is a router whose links have addresses, with a member of firstGroup
// behind it.
func (b *bench) addressed(tb netlab.TB, conf string) *router {
	tb.Helper()
	r := b.router(tb, conf)
	r.AddAddr("in", inNetwork)
	r.AddAddr("out", outNetwork)
	r.hosts.AddAddr("b", hostAddress)
	r.hosts.AddRoute(inNetwork.Masked(), "b", outNetwork.Addr())
	return r
}

// bareForwarder is the bare loop, which answers any question.
func (b *bench) bareForwarder(tb netlab.TB) *forwarder {
	r := b.addressed(tb, "")
	r.bare(tb, b, mroute.IPv4, 0)
	return r.forwarder(tb, bareLoop)
}

func (r *router) forwarder(tb netlab.TB, name string) *forwarder {
	return &forwarder{router: r, probe: r.newProbe(tb, "a"), side: side{name: name}}
}

// checkNative fails if a flow has an entry of its own.
func (f *forwarder) checkNative(tb netlab.TB) {
	tb.Helper()
	err := f.router.counters(func(get func(source, group [4]byte) (uint64, error)) error {
		_, err := get(firstSource(0), firstGroup)
		return err
	})
	if !errors.Is(err, unix.EADDRNOTAVAIL) {
		tb.Fatalf("a (*,G) entry has learned flows beside it: %v", err)
	}
}

// await sends packets of new flows until one arrives.
func (f *forwarder) await(tb netlab.TB) {
	tb.Helper()
	for start := time.Now(); time.Since(start) < patience; f.before++ {
		source := [4]byte{10, 77, 200 + byte(f.before>>8), byte(f.before)}
		if _, ok := f.send(tb, source, 100*time.Millisecond); ok {
			return
		}
	}
	f.lost = tooMany
	f.note = "forwards nothing within " + patience.String()
}

// A packet that has not arrived within firstPatience is lost. Who loses too many is not
// measured any longer.
const (
	firstPatience = 10 * time.Second
	tooMany       = 3
)

// measure sends one packet and notes how many seconds later it arrived behind the router.
func (f *forwarder) measure(tb netlab.TB, source [4]byte) {
	tb.Helper()
	if f.lost >= tooMany {
		return
	}
	took, ok := f.send(tb, source, firstPatience)
	if !ok {
		f.lost++
		f.note = fmt.Sprintf("%d lost", f.lost)
		return
	}
	f.add(took.Seconds())
}
