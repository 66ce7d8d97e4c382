package agent_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/keep"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/netns"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

func TestMain(m *testing.M) { netlab.Main(m) }

// park is the routers of a node with two pods, on real kernels: each of the
// three namespaces has links a0 and b0, and the node c0 and d0 besides, whose
// packets go by table 2. The other ends, in capitals, are in one namespace each:
//
//	host A0 ==== a0 node b0 ==== B0    host A0 ==== a0 pod b0 ==== B0
//	     C0 ==== c0      d0 ==== D0
type park struct {
	*agent.Routers
	t      *testing.T
	node   *site
	pods   [2]*site
	second mroute.Place

	store *keep.Memory // nil: nothing is kept
	leave bool         // what is there when it stops
	stop  func()       // the routers, until start
}

// site is a namespace with a router, and the hosts around it.
type site struct {
	ns, hosts *netlab.NS
	place     mroute.Place
}

func newSite(t *testing.T, links ...string) *site {
	s := &site{ns: netlab.New(t), hosts: netlab.New(t)}
	for _, l := range links {
		s.ns.Veth(l, s.hosts, strings.ToUpper(l))
	}
	return s
}

// named gives the site a place of its own.
func (s *site) named(t *testing.T) *site {
	ns, err := netns.Open(s.ns.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	s.place.NetNS = s.ns.Path()
	if s.place.ID, err = ns.ID(); err != nil {
		t.Fatal(err)
	}
	return s
}

func newPark(t *testing.T) *park {
	p := &park{t: t, node: newSite(t, "a0", "b0", "c0", "d0"), second: mroute.Place{Table: 2}}
	for i := range p.pods {
		p.pods[i] = newSite(t, "a0", "b0").named(t)
	}
	err := p.node.ns.Do(func() error {
		for _, family := range []int{uapi.FamilyIPMR, uapi.FamilyIP6MR} {
			r := netlink.NewRule()
			r.Family, r.IifName, r.Table, r.Priority = family, "c0", int(p.second.Table), 100
			if err := netlink.RuleAdd(r); err != nil {
				return fmt.Errorf("ip mrule: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	p.start()
	t.Cleanup(func() { p.stop() })
	return p
}

// start has routers work until stop.
func (p *park) start() {
	p.t.Helper()
	k, err := p.open(p.node.place)
	if err != nil {
		p.t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	leave := func() bool { return p.leave }
	main := agent.New(agent.Options{Kernel: k, Logger: logger, Await: []string{"kubernetes"}, Leave: leave})
	p.Routers = agent.NewRouters(agent.RoutersOptions{Main: main, Open: p.open, Logger: logger, Leave: leave})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	for _, run := range []func(context.Context) error{main.Run, p.Run} {
		go func() { ended <- run(ctx) }()
	}
	p.stop = sync.OnceFunc(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				p.t.Error(err)
			}
		}
	})
}

// open is what a program does for a place: the node may be in another namespace
// than the process, and a pod in neither.
func (p *park) open(at mroute.Place) (kernel.Kernel, error) {
	o := linux.Options{NetNS: p.node.ns.Path(), Table: at.Table}
	if p.store != nil {
		o.Keep = &keep.Keeping{Store: p.store}
	}
	if at.NetNS != "" {
		o.NetNS, o.NetNSID, o.NotNetNS = at.NetNS, at.ID, []string{"", p.node.ns.Path()}
	}
	k, err := linux.Open(o)
	if err != nil {
		return nil, err // not a *linux.Kernel that is nil
	}
	return k, nil
}

func (p *park) set(want layers) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p.SetLayers(ctx, want)
	if ctx.Err() != nil {
		p.t.Fatal("SetLayers took a minute")
	}
}

func (p *park) state(at mroute.Place) mroute.RouterState {
	return p.States(context.Background(), true)[at]
}

// across is a layer of one route, from one link to another.
func across(from, to mroute.IfPattern, group string) mroute.Layer {
	l := layer(group)
	l.Routes[0].From, l.Routes[0].To = from, []mroute.Output{{If: to}}
	return l
}

// Four routers forward side by side. When one is closed, or opened, the others
// lose nothing.
func TestRoutersOnKernel(t *testing.T) {
	p := newPark(t)
	want := layers{
		p.node.place:    across("a0", "b0", "225.1.1.1"),
		p.second:        across("c0", "d0", "225.1.1.2"),
		p.pods[0].place: across("a0", "b0", "225.1.1.3"),
		p.pods[1].place: across("a0", "b0", "225.1.1.4"),
	}
	type way struct {
		at       mroute.Place
		hosts    *netlab.NS
		from, to string
		group    string
	}
	ways := []way{
		{p.node.place, p.node.hosts, "A0", "B0", "225.1.1.1"},
		{p.second, p.node.hosts, "C0", "D0", "225.1.1.2"},
		{p.pods[0].place, p.pods[0].hosts, "A0", "B0", "225.1.1.3"},
		{p.pods[1].place, p.pods[1].hosts, "A0", "B0", "225.1.1.4"},
	}
	p.set(want)
	var streams []*netlab.Stream
	var captures []*netlab.Capture
	for _, w := range ways {
		sg := flow("10.0.0.1", w.group)
		captures = append(captures, w.hosts.Capture(w.to))
		streams = append(streams, w.hosts.Stream(t.Context(), w.from, netlab.Packet{Src: sg.Source, Group: sg.Group}, 2000))
		captures[len(captures)-1].Await(sg, 10, time.Minute)
	}
	for _, w := range ways {
		s := p.state(w.at)
		if s.Err != nil || len(s.Snapshot.Entries) != 1 || s.Snapshot.Entries[0].Counters.Packets < 10 {
			t.Errorf("state of %v: %+v", w.at, s)
		}
	}
	const gone = 2 // of ways
	delete(want, ways[gone].at)
	p.set(want)
	others := func() { // forward
		for i, w := range ways {
			if i != gone {
				sg := flow("10.0.0.1", w.group)
				captures[i].Await(sg, captures[i].Count(sg)+100, time.Minute)
			}
		}
	}
	others() // until captures have what left before
	sg := flow("10.0.0.1", ways[gone].group)
	before := captures[gone].Count(sg)
	others()
	if after := captures[gone].Count(sg); after != before {
		t.Errorf("%d packets left a router that is closed", after-before)
	}
	want[ways[gone].at] = across("a0", "b0", ways[gone].group)
	p.set(want)
	captures[gone].Await(sg, captures[gone].Count(sg)+100, time.Minute)
	for i, w := range ways {
		sent, err := streams[i].Stop()
		if err != nil {
			t.Fatal(err)
		}
		if i == gone {
			continue
		}
		sg := flow("10.0.0.1", w.group)
		captures[i].Await(sg, int(sent), time.Minute)
		if f := captures[i].Flow(netlab.In, sg); len(f.Gaps(sent)) > 0 || f.Duplicates > 0 {
			t.Errorf("%v lost %v of %d packets, and doubled %d", w.at, f.Gaps(sent), sent, f.Duplicates)
		}
	}
}

// A pod's table that another program has is taken when it is free; the pod's
// path with another namespace, and the node's own, are refused.
func TestRoutersOnKernelRefused(t *testing.T) {
	p := newPark(t)
	other, err := linux.Open(linux.Options{NetNS: p.pods[0].ns.Path()})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	old := p.pods[1].place
	old.ID = p.pods[0].place.ID
	own := (&site{ns: p.node.ns}).named(t).place
	want := layers{
		p.node.place:    across("a0", "b0", "225.1.1.1"),
		p.pods[0].place: across("a0", "b0", "225.1.1.3"),
		old:             across("a0", "b0", "225.1.1.4"),
		own:             across("a0", "b0", "225.1.1.5"),
	}
	p.set(want)
	for at, says := range map[mroute.Place]string{
		old: "another one is there by now",
		own: "is the node's own: expected one of a pod",
	} {
		if s := p.state(at); s.Err == nil || !strings.Contains(s.Err.Error(), says) {
			t.Errorf("state of %v: %+v, want an error that says %q", at, s, says)
		}
	}
	if s := p.state(p.node.place); s.Err != nil || len(s.Snapshot.Entries) != 1 {
		t.Errorf("state of the node: %+v", s)
	}
	busy := p.state(p.pods[0].place)
	if !errors.Is(busy.Err, kernel.ErrTableBusy) || busy.Cause != mroute.CauseTableInUse {
		t.Errorf("state of a table in use: %+v", busy)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	netlab.Await(t, time.Minute, func() bool { return p.state(p.pods[0].place).Err == nil }, "the table to be taken")
	sg := flow("10.0.0.1", "225.1.1.3")
	c := p.pods[0].hosts.Capture("B0")
	p.pods[0].hosts.Send("A0", netlab.Packet{Src: sg.Source, Group: sg.Group})
	c.Await(sg, 1, time.Minute)
}

// Many routers open and close at a time, and leave no descriptors.
func TestRoutersOnKernelMany(t *testing.T) {
	p := newPark(t)
	want := layers{}
	for i := range uint32(60) {
		at := p.pods[0].place
		at.Table = 1000 + i // 253 and 254 would be table 0 in one family
		want[at] = across("a0", "b0", "225.1.1.3")
	}
	p.set(nil)
	before := descriptors(t)
	p.set(want) // which waits 5 s at most
	var states map[mroute.Place]mroute.RouterState
	netlab.Poll(time.Minute, func() bool {
		states = p.States(t.Context(), true)
		for _, s := range states {
			if s.Err != nil {
				return false
			}
		}
		return true
	})
	for at, s := range states {
		if s.Err != nil {
			t.Errorf("%v: %v", at, s.Err)
		}
	}
	p.set(nil)
	if !netlab.Poll(time.Minute, func() bool { return descriptors(t) <= before }) {
		t.Errorf("%d descriptors are open, %d were before", descriptors(t), before)
	}
}

// descriptors counts those that are open.
func descriptors(t *testing.T) int {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}
