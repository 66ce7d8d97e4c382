package engine_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/engine"
	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// soon is far more than anything takes here.
const soon = 30 * time.Second

// A flood of made-up sources, of groups that a rule covers and of others, fills the
// kernel's table up to the limits and no further. Of a stream that was there before
// no packet is lost.
func TestFlood(t *testing.T) {
	const limit, ofRule, forged = 512, 256, 6_000
	ns, hosts := netlab.New(t), netlab.New(t)
	ns.Veth("a0", hosts, "A0")
	ns.Veth("b0", hosts, "B0")
	notices := ns.Notices()
	k, err := linux.Open(linux.Options{NetNS: ns.Path()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	e := start(t, engine.Options{Kernel: k, MaxFlows: limit})
	if err := e.SetLayer(t.Context(), mroute.Layer{Name: "file", Routes: []mroute.Route{{
		From: "a0", Match: mroute.Match{Group: netip.MustParsePrefix("239.0.0.0/8")},
		To: []mroute.Output{{If: "b0"}}, Origin: mroute.Origin{Seq: 1}, MaxFlows: ofRule,
	}}}, false); err != nil {
		t.Fatal(err)
	}

	sg := mroute.SG{Source: netip.MustParseAddr("10.0.0.1"), Group: netip.MustParseAddr("239.1.1.1")}
	capture := hosts.Capture("B0")
	// Of a flow that is learned four packets wait, and no more.
	hosts.Send("A0", netlab.Packet{Src: sg.Source, Group: sg.Group})
	capture.Await(sg, 1, soon)
	capture.Reset()
	stream := hosts.Stream(t.Context(), "A0", netlab.Packet{Src: sg.Source, Group: sg.Group}, 500)
	capture.Await(sg, 1, soon)

	for i := range forged {
		group := netip.AddrFrom4([4]byte{239, 2, byte(i >> 8), byte(i)})
		if i%2 == 1 {
			group = netip.AddrFrom4([4]byte{225, 2, byte(i >> 8), byte(i)})
		}
		hosts.Send("A0", netlab.Packet{Src: netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)}), Group: group})
		// The kernel's queue for what comes in has room for a thousand.
		if i%250 == 249 {
			netlab.Flush(t, 1, soon)
		}
	}
	netlab.Await(t, soon, func() bool {
		f := e.snapshot().Flows
		return f.Learned == ofRule && f.Learned+f.Stopped == limit && f.Evicted > 0 && f.Refused > 0
	}, "the table to be full")
	if most := notices.Most(); most != limit {
		t.Errorf("the kernel held %d entries at most, want %d", most, limit)
	}
	sent, err := stream.Stop()
	if err != nil {
		t.Fatal(err)
	}
	capture.Await(sg, int(sent), soon)
	snap := e.snapshot()
	if len(snap.Limits) != 1 || !snap.Limits[0].Full || !snap.Flows.Full {
		t.Errorf("limits %+v, flows %+v: want both to be full", snap.Limits, snap.Flows)
	}
	if len(snap.Pending) != 1 || snap.Pending[0].Cause != mroute.CauseFlowLimit {
		t.Errorf("pending %+v, want the rule's limit", snap.Pending)
	}
}
