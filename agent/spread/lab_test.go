package spread_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/smcroute/kube-smcroute/agent/engine"
	"github.com/smcroute/kube-smcroute/agent/keep"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/spread"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

func TestMain(m *testing.M) { netlab.Main(m) }

// soon is far more than anything takes here.
const soon = 30 * time.Second

// lab is a router with any number of links, whose other ends, with an x before their
// names, are in one host:
//
//	host xn0 ==== n0 router n1 ==== xn1 host, and so on
type lab struct {
	t            testing.TB
	router, host *netlab.NS
	store        *keep.Memory // nil: nothing is kept
	table        uint32
	log          io.Writer                         // of the router
	wrap         func(*linux.Kernel) kernel.Kernel // nil: the kernel as it is

	*spread.Router
	changes chan struct{} // has room for one
	stop    func(give func(*spread.Router) error)
}

func newLab(t testing.TB) *lab {
	return &lab{t: t, router: netlab.New(t), host: netlab.New(t), log: t.Output(), changes: make(chan struct{}, 1)}
}

func (l *lab) link(name string) { l.router.Veth(name, l.host, "x"+name) }

// links adds links PREFIX0 to PREFIXn-1.
func (l *lab) links(prefix string, n int) {
	for i := range n {
		l.link(fmt.Sprint(prefix, i))
	}
}

// start runs a router until the end of the test, or stop.
func (l *lab) start() {
	l.t.Helper()
	o := linux.Options{NetNS: l.router.Path(), Table: l.table}
	if l.store != nil {
		o.Keep = &keep.Keeping{Store: l.store}
	}
	k, err := linux.Open(o)
	if err != nil {
		l.t.Fatal(err)
	}
	var in kernel.Kernel = k
	if l.wrap != nil {
		in = l.wrap(k)
	}
	r := spread.New(engine.Options{Kernel: in, Logger: slog.New(slog.NewTextHandler(l.log, nil)), OnChange: func() {
		select {
		case l.changes <- struct{}{}:
		default:
		}
	}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	l.Router = r
	stopped := false
	l.stop = func(give func(*spread.Router) error) {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			l.t.Error(err)
		}
		if err := give(r); err != nil {
			l.t.Error(err)
		}
	}
	l.t.Cleanup(func() { l.stop((*spread.Router).Close) })
}

// set has the router want a layer and nothing else.
func (l *lab) set(routes ...mroute.Route) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	for i := range routes {
		routes[i].Origin.Seq = i + 1
	}
	if err := l.SetLayer(ctx, mroute.Layer{Name: "test", Routes: routes}, false); err != nil {
		l.t.Fatal(err)
	}
	if err := l.Complete(ctx); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) snapshot() *mroute.Snapshot {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	snap, err := l.Snapshot(ctx, true)
	if err != nil {
		l.t.Fatal(err)
	}
	return snap
}

// surveyed is the same, by a survey; if it is not whole, in no order.
func (l *lab) surveyed(whole bool) *mroute.Snapshot {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	var rules []mroute.RuleView
	var entries []mroute.EntryView
	snap, err := l.Survey(ctx, mroute.Survey{
		Rules: func(_ time.Time, some []mroute.RuleView) { rules = append(rules, some...) },
		Entries: func(_ time.Time, some []mroute.EntryView) {
			for _, e := range some {
				e.Origins = slices.Clone(e.Origins)
				entries = append(entries, e)
			}
		},
		Whole: whole,
	})
	if err != nil {
		l.t.Fatal(err)
	}
	snap.Rules, snap.Entries = rules, entries
	return snap
}

// rowsOf is what stays as it is from one snapshot to the next, as text.
func rowsOf(snap *mroute.Snapshot) string {
	var b strings.Builder
	for _, r := range snap.Rules {
		fmt.Fprintln(&b, r.Row, r.Match, r.IIF, r.OIFs, r.Counters.Packets, r.Origin)
	}
	for _, e := range snap.Entries {
		fmt.Fprintln(&b, e.SG, e.Kind, e.IIF, e.OIFs, e.Counters.Packets, e.Table, e.Origins)
	}
	for _, x := range snap.Links {
		fmt.Fprintln(&b, x)
	}
	fmt.Fprintln(&b, snap.Tables, snap.Sizes)
	return b.String()
}

// rules are the kernel's, but for that of the default table, as text.
func (l *lab) rules() []string {
	l.t.Helper()
	var all []string
	err := l.router.Do(func() error {
		for _, family := range []int{uapi.FamilyIPMR, uapi.FamilyIP6MR} {
			rules, err := netlink.RuleList(family)
			if err != nil {
				return err
			}
			for _, r := range rules {
				if r.Priority != 32767 {
					all = append(all, fmt.Sprintf("%d: %d iif %q oif %q table %d protocol %d", family, r.Priority, r.IifName, r.OifName, r.Table, r.Protocol))
				}
			}
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// foreign adds a rule that is somebody else's, in both families. The function removes it.
func (l *lab) foreign(priority int, iif string, table int) (remove func()) {
	l.t.Helper()
	do := func(f func(*netlink.Rule) error) {
		l.t.Helper()
		err := l.router.Do(func() error {
			for _, family := range []int{uapi.FamilyIPMR, uapi.FamilyIP6MR} {
				r := netlink.NewRule()
				r.Family, r.IifName, r.Table, r.Priority = family, iif, table, priority
				if err := f(r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			l.t.Fatal(err)
		}
	}
	do(netlink.RuleAdd)
	return func() { do(netlink.RuleDel) }
}

// awaitPending waits until that is what is pending, as "LINK CAUSE REASON", told by
// a change.
func (l *lab) awaitPending(want ...string) {
	l.t.Helper()
	l.await("pending", want, func(p *mroute.PendingView) string { return fmt.Sprintf("%v %v %s", p.From, p.Cause, p.Reason) })
}

// await waits until what is pending is, in words, as wanted.
func (l *lab) await(what string, want []string, words func(*mroute.PendingView) string) {
	l.t.Helper()
	deadline := time.After(soon)
	for {
		var got []string
		for _, p := range l.snapshot().Pending {
			got = append(got, words(&p))
		}
		if slices.Equal(got, want) {
			return
		}
		select {
		case <-l.changes:
		case <-deadline:
			l.t.Fatalf("%s: %q\nwanted: %q", what, got, want)
		}
	}
}

// unrule removes all rules that have a link's name.
func (l *lab) unrule() {
	l.t.Helper()
	err := l.router.Do(func() error {
		for _, family := range []int{uapi.FamilyIPMR, uapi.FamilyIP6MR} {
			rules, err := netlink.RuleList(family)
			if err != nil {
				return err
			}
			for _, r := range rules {
				if r.IifName+r.OifName == "" {
					continue
				}
				r.Family = family
				if err := netlink.RuleDel(&r); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// tables are those to which packets of links go, as the snapshot has it: links by
// table, those that have no VIF aside.
func (l *lab) tables() map[uint32][]string {
	at := map[uint32][]string{}
	for _, v := range l.snapshot().Links {
		if v.VIF != mroute.NoVIF {
			at[v.Table] = append(at[v.Table], v.Name)
		}
	}
	return at
}

// flow is the i-th of a family.
func flow(f mroute.Family, i int) mroute.SG {
	b := byte(i)
	if f == mroute.IPv4 {
		return mroute.SG{Source: netip.AddrFrom4([4]byte{10, 0, 0, b}), Group: netip.AddrFrom4([4]byte{225, 1, 2, b})}
	}
	return mroute.SG{
		Source: netip.AddrFrom16([16]byte{0: 0xfd, 15: b}),
		Group:  netip.AddrFrom16([16]byte{0: 0xff, 1: 0x3e, 15: b}),
	}
}

// flush waits until all packets that were sent have gone through the router, and what it
// forwards has arrived.
func (l *lab) flush() { l.t.Helper(); netlab.Flush(l.t, 2, soon) }

func packet(sg mroute.SG) netlab.Packet { return netlab.Packet{Src: sg.Source, Group: sg.Group} }

// exact is a rule for one flow, any one for all sources of its group.
func exact(sg mroute.SG, from mroute.IfPattern, to ...mroute.IfPattern) mroute.Route {
	r := mroute.Route{From: from, Match: mroute.MatchSG(sg)}
	for _, o := range to {
		r.To = append(r.To, mroute.Output{If: o})
	}
	return r
}

func anySource(sg mroute.SG, from mroute.IfPattern, to ...mroute.IfPattern) mroute.Route {
	return exact(mroute.SG{Group: sg.Group}, from, to...)
}

// stream sends a flow that loses nothing until it is stopped.
type stream struct {
	t  testing.TB
	l  *lab
	sg mroute.SG
	s  *netlab.Stream
	at *netlab.Capture

	// rewritten says that outputs of its entry come and go: a packet that comes at the
	// very moment at which the kernel writes an entry may be lost (kernel-notes 4).
	rewritten bool
}

// stream starts one on a link, which must come out of another, and returns when it
// does.
func (l *lab) stream(sg mroute.SG, from, to string) *stream {
	l.t.Helper()
	s := &stream{t: l.t, l: l, sg: sg, at: l.host.Capture("x" + to)}
	l.host.Send("x"+from, packet(sg)) // to be learned; of more at a time four would wait
	s.at.Await(sg, 1, soon)
	s.at.Reset()
	s.s = l.host.Stream(context.Background(), "x"+from, packet(sg), 4000)
	s.at.Await(sg, 100, soon)
	return s
}

// goesOn awaits packets that are sent from now on.
func (s *stream) goesOn() {
	s.t.Helper()
	next := s.s.Sent() + 200
	netlab.Await(s.t, soon, func() bool { return s.at.Has(s.sg, next) }, "packets of "+s.sg.String())
}

// lost ends the stream and counts what has not arrived of it, after the first packet.
func (s *stream) lost() {
	s.t.Helper()
	sent, err := s.s.Stop()
	if err != nil {
		s.t.Fatal(err)
	}
	s.l.flush()
	f := s.at.Flow(netlab.In, s.sg)
	gaps := f.Gaps(sent)
	if s.rewritten && len(gaps) == 1 && gaps[0].First == gaps[0].Last {
		s.t.Logf("of %v packet %d is lost, as its entry was written", s.sg, gaps[0].First)
		gaps = nil
	}
	if len(gaps) > 0 || f.Duplicates > 0 {
		s.t.Errorf("of %d packets of %v are lost %v (the capture: %d), twice came %d", sent, s.sg, gaps, s.at.Dropped(), f.Duplicates)
	}
	s.t.Logf("%d packets of %v", sent, s.sg)
}
