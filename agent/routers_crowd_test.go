package agent_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/smcroute/kube-smcroute/agent/keep"
	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// crowd is a park in whose first pod there are more links than a table has room
// for, and a flow of each family from each of them to b0:
//
//	host N0 ==== n0 pod b0 ==== B0
//	     N1 ==== n1
//	     ...
type crowd struct {
	*park
	pod  *site
	want layers
}

const crowded = 40

// beside is the first table that a router of table 0 has beside that.
const beside = 90_000_001

func newCrowd(t *testing.T) *crowd {
	c := &crowd{park: newPark(t)}
	c.pod = c.pods[0]
	l := mroute.Layer{Name: "kubernetes"}
	for i := range crowded {
		link := fmt.Sprint("n", i)
		c.pod.ns.Veth(link, c.pod.hosts, strings.ToUpper(link))
		for _, f := range mroute.Families {
			sg := crowdFlow(f, i)
			if i%2 == 1 {
				sg.Source = netip.Addr{} // of any source, which is learned
			}
			l.Routes = append(l.Routes, mroute.Route{
				From: mroute.IfPattern(link), Match: mroute.MatchSG(sg), To: []mroute.Output{{If: "b0"}},
				Origin: mroute.Origin{Ref: fmt.Sprint("MulticastRoute x/", i), Seq: len(l.Routes)},
			})
		}
	}
	c.want = layers{c.node.place: across("a0", "b0", "225.1.1.1"), c.pod.place: l}
	return c
}

func crowdFlow(f mroute.Family, i int) mroute.SG {
	if f == mroute.IPv4 {
		return flow("10.0.0.1", fmt.Sprint("225.1.2.", i))
	}
	return flow("fd00::1", fmt.Sprintf("ff3e::%x", i))
}

// rules are those of both families in a namespace, but for the kernel's own.
func (s *site) rules(t *testing.T) (rules []string) {
	t.Helper()
	err := s.ns.Do(func() error {
		for _, family := range []int{uapi.FamilyIPMR, uapi.FamilyIP6MR} {
			listed, err := netlink.RuleList(family)
			if err != nil {
				return err
			}
			for _, r := range listed {
				if r.Priority != 32767 {
					rules = append(rules, fmt.Sprintf("%d: %d %s %s %d", family, r.Priority, r.IifName, r.OifName, r.Table))
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(rules)
	return rules
}

// all sends a packet of each flow, and waits until each has come out once. No
// other comes.
func (c *crowd) all() {
	c.t.Helper()
	heard := c.pod.hosts.Capture("B0")
	defer heard.Stop()
	for i := range crowded {
		for _, f := range mroute.Families {
			sg := crowdFlow(f, i)
			c.pod.hosts.Send(fmt.Sprint("N", i), netlab.Packet{Src: sg.Source, Group: sg.Group})
		}
	}
	for i := range crowded {
		for _, f := range mroute.Families {
			heard.Await(crowdFlow(f, i), 1, time.Minute)
		}
	}
	for sg, f := range heard.Flows(netlab.In) {
		if f.Packets != 1 {
			c.t.Errorf("%d packets of %v came out", f.Packets, sg)
		}
	}
}

// same complains if rules differ from those of before.
func (c *crowd) same(what string, rules []string) {
	c.t.Helper()
	if got := c.pod.rules(c.t); !slices.Equal(got, rules) {
		c.t.Errorf("%s the rules in the pod are %v, expected %v", what, got, rules)
	}
}

// gone complains if anything is left in the pod.
func (c *crowd) gone() {
	c.t.Helper()
	c.same("in the end", nil)
	for _, table := range []uint32{0, beside} {
		k, err := linux.Open(linux.Options{NetNS: c.pod.ns.Path(), Table: table})
		if err != nil {
			c.t.Fatal(err)
		}
		for _, f := range mroute.Families {
			if d, err := k.Dump(f); err != nil || len(d.VIFs)+len(d.Entries) > 0 {
				c.t.Errorf("in %v table %d is left %+v, %v", f, table, d, err)
			}
		}
		if err := k.Close(); err != nil {
			c.t.Error(err)
		}
	}
	if c.store != nil {
		_, inode, _ := strings.Cut(c.pod.place.ID, ":")
		for _, name := range c.store.Names() {
			if strings.Contains(name, inode) {
				c.t.Errorf("%s is kept", name)
			}
		}
	}
}

// A pod with forty links inside has two tables, and rules in its namespace alone. What
// is counted is counted once, in the snapshot and in what reports are made from. When
// nothing is wanted there any more nothing is left.
func TestCrowdInPod(t *testing.T) {
	c := newCrowd(t)
	host := c.node.rules(t)
	c.set(c.want)
	c.all()
	if got := c.node.rules(t); !slices.Equal(got, host) {
		t.Errorf("the rules of the node are %v, they were %v", got, host)
	}
	if got := len(c.pod.rules(t)); got < 3*9 || got > 3*crowded {
		t.Errorf("%d rules in the pod: %v", got, c.pod.rules(t))
	}
	snap := c.state(c.pod.place).Snapshot
	if len(snap.Rules) != 2*crowded || len(snap.Entries) != 2*crowded || len(snap.Pending) > 0 || !slices.Equal(snap.Tables, []uint32{beside}) {
		t.Errorf("%d rules, %d entries, tables %v, pending: %+v", len(snap.Rules), len(snap.Entries), snap.Tables, snap.Pending)
	}
	if snap.VIFs != mroute.MaxVIFs {
		t.Errorf("%d VIFs in the table with most of them", snap.VIFs)
	}
	one := func(from string, e *mroute.EntryView) {
		if e.Counters.Packets != 1 {
			t.Errorf("the %s has %d packets of %v", from, e.Counters.Packets, e.SG)
		}
	}
	for i := range snap.Entries {
		one("snapshot", &snap.Entries[i])
	}
	var mu sync.Mutex
	entries, aside := 0, 0
	digests := c.Digests(t.Context(), func(at mroute.Place, _ time.Time, es []mroute.EntryView) {
		mu.Lock()
		defer mu.Unlock()
		for i := range es {
			if at != c.pod.place {
				continue
			}
			one("digest", &es[i])
			if entries++; es[i].Table == beside {
				aside++
			}
		}
	})
	if s := digests[c.pod.place]; s.Err != nil || len(s.Snapshot.Pending) > 0 || !slices.Equal(s.Snapshot.Tables, snap.Tables) || s.Snapshot.VIFs != snap.VIFs {
		t.Errorf("digest: %+v", s)
	}
	if entries != 2*crowded || aside < 2*9 || aside > 2*31 {
		t.Errorf("the digest has %d entries, %d of them in the second table", entries, aside)
	}
	if s := c.state(c.node.place).Snapshot; len(s.Entries) != 1 || len(s.Tables) > 0 {
		t.Errorf("the node has %d entries, and tables %v", len(s.Entries), s.Tables)
	}
	delete(c.want, c.pod.place)
	c.set(c.want)
	c.gone()
}

// What the agent leaves in the pod flows on, and the next one takes it over: if
// somebody kept the tables without a loss.
func TestCrowdInPodKept(t *testing.T) {
	c := newCrowd(t)
	c.stop()
	c.store, c.leave = keep.NewMemory(), true
	c.start()
	c.set(c.want)
	c.all()
	rules := c.pod.rules(t)
	var streams []*netlab.Stream
	heard := c.pod.hosts.Capture("B0")
	links := []int{0, crowded - 2, crowded - 1} // at home, and led elsewhere: exact and learned
	goesOn := func() {
		t.Helper()
		for n, i := range links {
			next := streams[n].Sent() + 200
			netlab.Await(t, time.Minute, func() bool { return heard.Has(crowdFlow(mroute.IPv4, i), next) }, fmt.Sprint("packets by n", i))
		}
	}
	for _, i := range links {
		sg := crowdFlow(mroute.IPv4, i)
		streams = append(streams, c.pod.hosts.Stream(t.Context(), fmt.Sprint("N", i), netlab.Packet{Src: sg.Source, Group: sg.Group}, 2000))
	}
	goesOn()
	c.stop()
	c.same("without an agent", rules)
	goesOn()
	c.start()
	c.set(c.want)
	c.same("with the next agent", rules)
	goesOn()
	for n, i := range links {
		sent, err := streams[n].Stop()
		if err != nil {
			t.Fatal(err)
		}
		sg := crowdFlow(mroute.IPv4, i)
		netlab.Await(t, time.Minute, func() bool { return heard.Has(sg, sent-1) }, "the last packet")
		if f := heard.Flow(netlab.In, sg); len(f.Gaps(sent)) > 0 || f.Duplicates > 0 {
			t.Errorf("of %d packets by n%d are lost %v, and twice came %d", sent, i, f.Gaps(sent), f.Duplicates)
		}
	}
	heard.Stop()
	c.all()
	delete(c.want, c.pod.place)
	c.set(c.want)
	c.gone()
}

// An agent that is killed, and whose tables nobody keeps, leaves rules: the next one
// uses them, or removes them with fewer links.
func TestCrowdInPodKilled(t *testing.T) {
	c := newCrowd(t)
	c.leave = true // what nobody keeps goes, and rules are nobody's
	c.set(c.want)
	c.all()
	rules := c.pod.rules(t)
	for range 2 {
		c.stop()
		c.same("after its end", rules)
		c.start()
		c.set(c.want)
		c.same("of the next", rules)
		c.all()
	}
	c.stop()
	few := c.want[c.pod.place]
	few.Routes = few.Routes[:6]
	c.want[c.pod.place] = few
	c.start()
	c.set(c.want)
	c.same("of three links", nil)
	c.leave = false
	delete(c.want, c.pod.place)
	c.set(c.want)
	c.gone()
}
