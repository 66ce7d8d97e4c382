package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/capture"
	"github.com/smcroute/kube-smcroute/agent/doctor/diagnose"
	"github.com/smcroute/kube-smcroute/agent/netns"
	"github.com/smcroute/kube-smcroute/agent/view"
)

// maxEntries is up to how many entries the kernel's list of them is read.
const maxEntries = 20_000

// look is one examination at work. Its methods run on a thread inside the
// namespace.
type look struct {
	*diagnose.Facts
	options Options
	routes  *netlink.Handle
	names   map[int]string // of links
	nsids   map[int]int    // of links whose other end is elsewhere: the namespace's number here
	parents map[int]int    // index of the other end

	counters map[string]uint64 // before the window
	drops    map[int]linkStats
	rules    map[ruleKey]uint64
}

// unseen notes what could not be looked at.
func (l *look) unseen(what string, err error) {
	l.Unseen = append(l.Unseen, diagnose.Unseen{What: what, Why: err.Error()})
}

// gather collects the facts.
func gather(ctx context.Context, o Options) (*diagnose.Facts, error) {
	ns, err := netns.Open(o.NetNS)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	l := &look{options: o, Facts: &diagnose.Facts{
		Source: o.Source, Group: o.Group, Window: o.For, Daemon: diagnose.Daemon{Socket: o.Socket},
	}}
	packets, err := capture.Open(capture.Options{NetNS: o.NetNS, Group: single(o.Group), Source: netip.Prefix{}, Wide: true})
	if err != nil {
		l.unseen("packets", err)
	} else {
		defer packets.Close()
	}
	state := func(ctx context.Context) (*view.State, int, error) {
		s, err := o.State(ctx)
		return s, 0, err
	}
	var s *sampler
	if o.Visit != nil {
		s = newSampler(&o)
		state = s.state
	}
	if l.Before, _, err = state(ctx); err != nil {
		l.Daemon.Error, l.Daemon.Refused = err.Error(), errors.Is(err, fs.ErrPermission)
	}
	began := time.Now()
	if err := ns.Do(l.before); err != nil {
		return nil, err
	}
	l.watch(ctx, packets, began)
	if l.Daemon.Error == "" {
		if l.After, l.Left, err = state(ctx); err != nil {
			l.Daemon.Error = err.Error()
		}
		if s != nil && s.past > 0 {
			l.unseen("all learned flows", fmt.Errorf("%d were left out: name a group", s.past))
		}
	}
	l.Time = time.Now()
	if err := ns.Do(l.after); err != nil {
		return nil, err
	}
	return l.Facts, ctx.Err()
}

func single(a netip.Addr) netip.Prefix {
	if !a.IsValid() {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(a, a.BitLen())
}

// watch lets the window pass, and looks at packets if that is possible.
func (l *look) watch(ctx context.Context, packets *capture.Capture, began time.Time) {
	ctx, cancel := context.WithTimeout(ctx, l.options.For)
	defer cancel()
	if packets == nil {
		<-ctx.Done()
		return
	}
	s, err := packets.Survey(ctx)
	if err != nil {
		l.unseen("packets", err)
		return
	}
	l.Captured = true
	if s.Stats.Dropped > 0 || s.Beyond > 0 {
		l.unseen("some packets", fmt.Errorf("%d of %d could not be looked at in time, %d were of more flows than are told apart", s.Stats.Dropped, s.Stats.Packets, s.Beyond))
	}
	for i := range s.Seen {
		row := &s.Seen[i]
		if row.Last.Before(began) {
			continue // counted before the window
		}
		l.Seen = append(l.Seen, diagnose.Seen{
			Index: row.Link, Out: row.Direction == capture.Out, Source: row.Source, Group: row.Group,
			Packets: row.Packets, TTLMin: row.MinTTL, TTLMax: row.MaxTTL, LargestB: row.Largest,
		})
	}
}

// before reads what is compared.
func (l *look) before() error {
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("rtnetlink: %w", err)
	}
	l.routes = handle
	if l.counters, err = readCounters(); err != nil {
		l.unseen("counters of the kernel", err)
	}
	l.drops = map[int]linkStats{}
	if links, err := readLinks(); err == nil {
		for i := range links {
			l.drops[links[i].Index] = links[i].stats
		}
	}
	l.rules = map[ruleKey]uint64{}
	if chains, counts, err := readChains(); err == nil && chains != nil {
		l.rules = counts
	}
	return nil
}

// after reads the rest.
func (l *look) after() error {
	defer l.routes.Close()
	l.readLinks()
	l.readRisen()
	l.readFirewall()
	l.readSysctls()
	l.readMemberships()
	if l.After != nil {
		l.readRoutes()
		l.readTableRules()
		l.readPrograms()
		if _, flows := l.After.InAll(); l.After.Table == 0 && flows <= maxEntries {
			l.readThresholds()
		}
		l.readReceivers()
	}
	if l.After == nil || waitsForTable(l.After) {
		l.readOwners()
	}
	return nil
}

func waitsForTable(s *view.State) bool {
	for i := range s.Pending {
		if s.Pending[i].Cause == "table_in_use" {
			return true
		}
	}
	return false
}

// readRisen compares counters.
func (l *look) readRisen() {
	now, err := readCounters()
	if err != nil || l.counters == nil {
		return
	}
	l.Risen = map[string]uint64{}
	for name, n := range now {
		if before := l.counters[name]; n > before {
			l.Risen[name] = n - before
		}
	}
}
