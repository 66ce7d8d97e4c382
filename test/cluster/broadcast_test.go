package cluster

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/test/clusterlab"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// rate is that of each flow of a broadcast, in packets a second.
const rate = 2000

// hops is more links than there are on the way from the studio to a pod, bridges among them.
const hops = 6

// broadcast is three flows at once from the studio's LAN to a pod on each node,
// of a known source, of one that was learned, and of IPv6. What arrives is counted
// at the pods' links: a socket in a pod has no room for what comes while it waits
// for a processor.
type broadcast struct {
	s       *system
	name    string
	flows   []mroute.SG
	pods    []*netlab.Capture // as the nodes
	streams []*netlab.Stream
	leaves  []*netlab.Leaves // of the nodes on the studio's LAN
}

// routes are those of the flows.
var routes = []string{"known", "learned", "known6"}

// startBroadcast starts one. The number is part of its addresses.
func (s *system) startBroadcast(name string, number int) *broadcast {
	s.t.Helper()
	b := &broadcast{s: s, name: name}
	group, prefix, group6 := fmt.Sprintf("232.9.%d.1", number), fmt.Sprintf("239.9.%d.0/31", number), fmt.Sprintf("ff3e::9:%d", number)
	v4, v6 := s.studio.source(group), s.studio.source(group6)
	b.flows = []mroute.SG{
		{Source: addr(v4), Group: addr(group)},
		{Source: addr(v4), Group: addr(fmt.Sprintf("239.9.%d.1", number))},
		{Source: addr(v6), Group: addr(group6)},
	}
	to := `from: {interface: eth1}, to: [{pods: {matchLabels: {app: ` + name + `}}}, {interface: eth2}], join: true, `
	s.apply(route(name+"-known", to+`sources: [`+v4+`], groups: [`+group+`]`) +
		route(name+"-learned", to+`groups: [`+prefix+`]`) +
		route(name+"-known6", to+`sources: ["`+v6+`"], groups: ["`+group6+`"]`))
	for _, p := range s.players(name, s.Nodes, "239.9.255.1") {
		b.pods = append(b.pods, netlab.At(s.t, fmt.Sprintf("/proc/%d/ns/net", p.node.ContainerPID(place, p.name, "mcast"))).Capture("eth0"))
	}
	for _, r := range routes {
		s.programmed(name+"-"+r, int32(len(s.Nodes)))
	}
	for _, sg := range b.flows { // which have to be learned, by the LAN's switch as well
		s.await(sg.String()+" arrives on all nodes", func() bool {
			s.studio.Send("eth0", netlab.Packet{Src: sg.Source, Group: sg.Group})
			return !slices.ContainsFunc(b.pods, func(c *netlab.Capture) bool { return c.Count(sg) == 0 })
		})
	}
	for _, n := range s.Nodes {
		b.leaves = append(b.leaves, n.NS.Leaves("eth1"))
	}
	b.begin()
	return b
}

// begin has streams begin, for the first time or after end.
func (b *broadcast) begin() {
	b.s.t.Helper()
	// What was sent before is not counted when it is late.
	last := netlab.Packet{Payload: []byte("none of the stream")}
	for i, sg := range b.flows {
		last.Src, last.Group = sg.Source, sg.Group
		before := make([]int, len(b.pods))
		for j, c := range b.pods {
			before[j] = c.Count(sg)
		}
		b.s.studio.Send("eth0", last)
		b.s.await(fmt.Sprintf("flow %d arrives", i), func() bool {
			for j, c := range b.pods {
				if c.Count(sg) == before[j] {
					return false
				}
			}
			return true
		})
	}
	netlab.Flush(b.s.t, hops, patience)
	b.streams = nil
	for _, c := range b.pods {
		c.Reset()
	}
	for _, sg := range b.flows {
		b.streams = append(b.streams, b.s.studio.Stream(b.s.t.Context(), "eth0", netlab.Packet{Src: sg.Source, Group: sg.Group}, rate))
	}
	b.goesOn(b.s.Nodes...)
}

// goesOn waits until nodes forward packets that are sent from now on.
func (b *broadcast) goesOn(nodes ...*clusterlab.Node) {
	b.s.t.Helper()
	for i, sg := range b.flows {
		n := b.streams[i].Sent() + 1
		for j, node := range b.s.Nodes {
			if slices.Contains(nodes, node) {
				b.s.await(fmt.Sprintf("packet %d of %v arrives on %s", n, sg, node.Name), func() bool { return b.pods[j].Has(sg, n) })
			}
		}
	}
}

// end ends the streams. All nodes but those who suffered have lost nothing; the
// result is what these have lost.
func (b *broadcast) end(suffered ...*clusterlab.Node) map[mroute.SG][]netlab.Gap {
	t := b.s.t
	t.Helper()
	lost := map[mroute.SG][]netlab.Gap{}
	for i, sg := range b.flows {
		sent, err := b.streams[i].Stop()
		if err != nil {
			t.Fatal(err)
		}
		for j, node := range b.s.Nodes {
			b.s.await(fmt.Sprintf("the last packet of %v arrives on %s", sg, node.Name), func() bool { return b.pods[j].Has(sg, sent-1) })
			netlab.Flush(t, hops, patience) // one may have overtaken another
			f := b.pods[j].Flow(netlab.In, sg)
			gaps := f.Gaps(sent)
			if slices.Contains(suffered, node) {
				lost[sg] = append(lost[sg], gaps...)
			} else if len(gaps) > 0 || f.Duplicates > 0 {
				t.Errorf("%s: of %d packets of %v %d came twice, missing are %v", node.Name, sent, sg, f.Duplicates, gaps)
			}
		}
		t.Logf("%d packets of %v were sent", sent, sg)
	}
	for j, node := range b.s.Nodes {
		if n := b.pods[j].Dropped(); n > 0 {
			t.Errorf("the capture on %s lost %d packets", node.Name, n)
		}
		// All routers of the LAN hear of it if one leaves a group.
		if seen := b.leaves[j].Seen(); len(seen) > 0 && len(suffered) == 0 {
			t.Errorf("on the studio's LAN, %s hears that groups are left: %s", node.Name, seen)
		}
	}
	return lost
}

// auditor sees to it that no node's report counts back.
type auditor struct {
	t    *testing.T
	stop func() []string // returns complaints
}

// audit begins to watch the nodes' reports.
func (s *system) audit() *auditor {
	s.t.Helper()
	w, err := s.Client.Watch(s.t.Context(), &v1alpha1.MulticastNodeStateList{})
	if err != nil {
		s.t.Fatal(err)
	}
	var complaints []string
	var wg sync.WaitGroup
	wg.Go(func() {
		seen := map[string]int64{}
		for e := range w.ResultChan() {
			state, ok := e.Object.(*v1alpha1.MulticastNodeState)
			if !ok {
				continue
			}
			for _, r := range state.Status.Routes {
				key := state.Name + ": " + r.UID
				if r.Counters != nil && r.Counters.Packets < seen[key] {
					complaints = append(complaints, fmt.Sprintf("%s: %s: %d packets after %d", state.Name, r.Name, r.Counters.Packets, seen[key]))
				}
				if r.Counters != nil {
					seen[key] = r.Counters.Packets
				}
			}
		}
	})
	a := &auditor{s.t, sync.OnceValue(func() []string {
		w.Stop()
		wg.Wait()
		return complaints
	})}
	s.t.Cleanup(func() { _ = a.stop() })
	return a
}

// countsForward ends the watch.
func (a *auditor) countsForward() {
	a.t.Helper()
	for _, c := range a.stop() {
		a.t.Errorf("counts back: %s", c)
	}
}
