package systemd

import (
	"net/netip"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// conf is the configuration of the machine: of each family a route and a rule for
// any source, and groups that are joined.
const conf = `phyint in enable
phyint out enable
mroute from in source 192.0.2.1 group 225.1.1.1 to out
mroute from in group 225.1.1.2 to out
mroute from in source 2001:db8::1 group ff15::1 to out
mroute from in group ff15::2 to out
mgroup from in group 225.1.1.1
mgroup from in source 192.0.2.1 group 232.1.1.1
mgroup from in group ff15::1
`

// rate is that of each stream, in packets a second.
const rate = 2000

// network is what is around the machine:
//
//	sender:eth0 ---- in:machine:out ---- receiver:eth0
//
// with a stream for each route.
type network struct {
	t       *testing.T
	sender  *netlab.NS
	out     *netlab.Capture
	leaves  *netlab.Leaves
	streams map[mroute.SG]*netlab.Stream
}

func connect(m *machine) *network {
	m.t.Helper()
	sender, receiver := netlab.New(m.t), netlab.New(m.t)
	sender.Veth("eth0", m.ns, "in")
	m.ns.Veth("out", receiver, "eth0")
	return &network{
		t: m.t, sender: sender,
		out:     receiver.Capture("eth0"),
		leaves:  sender.Leaves("eth0"),
		streams: map[mroute.SG]*netlab.Stream{},
	}
}

// stream begins to send, when the machine has learned all flows.
func (n *network) stream() {
	n.t.Helper()
	for _, g := range []string{"225.1.1.1", "225.1.1.2", "ff15::1", "ff15::2"} {
		sg := mroute.SG{Source: netip.MustParseAddr("192.0.2.1"), Group: netip.MustParseAddr(g)}
		if sg.Group.Is6() {
			sg.Source = netip.MustParseAddr("2001:db8::1")
		}
		p := netlab.Packet{Src: sg.Source, Group: sg.Group, TTL: 16}
		n.sender.Send("eth0", p)
		n.out.Await(sg, 1, deadline)
		defer func() { n.streams[sg] = n.sender.Stream(n.t.Context(), "eth0", p, rate) }()
	}
	n.out.Reset()
}

// lossless fails the test unless all packets sent until now have arrived, or
// arrive, and nothing was left meanwhile.
func (n *network) lossless(during string) {
	n.t.Helper()
	for sg, s := range n.streams {
		sent := s.Sent()
		if sent == 0 {
			n.t.Fatalf("%s: nothing is sent of %v", during, sg)
		}
		arrived := netlab.Poll(deadline, func() bool { return n.out.Has(sg, sent-1) })
		netlab.Flush(n.t, 2, deadline) // one may have overtaken another
		f := n.out.Flow(netlab.In, sg)
		if gaps := f.Gaps(sent); !arrived || len(gaps) > 0 || f.Duplicates > 0 {
			n.t.Errorf("%s: of %d packets of %v these are missing: %v; %d came twice", during, sent, sg, gaps, f.Duplicates)
		}
	}
	if seen := n.leaves.Seen(); len(seen) > 0 {
		n.t.Errorf("%s: memberships were given up: %v", during, seen)
	}
	if n.t.Failed() {
		n.t.FailNow() // it would be the same from now on
	}
}

// end stops all streams.
func (n *network) end() {
	n.t.Helper()
	for sg, s := range n.streams {
		if sent, err := s.Stop(); err != nil {
			n.t.Errorf("stream of %v: after %d packets: %v", sg, sent, err)
		}
	}
	if n.out.Dropped() > 0 {
		n.t.Error("the receiver could not keep up: what is missing says nothing about the router")
	}
}

// sg is the stream to a group.
func (n *network) sg(group string) mroute.SG {
	n.t.Helper()
	for sg := range n.streams {
		if sg.Group.String() == group {
			return sg
		}
	}
	n.t.Fatalf("no stream to %s", group)
	return mroute.SG{}
}

// silence ends a stream, of which nothing is expected any more.
func (n *network) silence(sg mroute.SG) {
	n.t.Helper()
	if _, err := n.streams[sg].Stop(); err != nil {
		n.t.Errorf("stream of %v: %v", sg, err)
	}
	delete(n.streams, sg)
}
