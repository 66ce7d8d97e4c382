package engine_test

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/engine"
	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

func TestMain(m *testing.M) { netlab.Main(m) }

// TestManyJoinsBlockNobody joins a /16 on a real link. Meanwhile callers are
// answered, a flow is learned, and the snapshots show how far the joins have
// come.
func TestManyJoinsBlockNobody(t *testing.T) {
	ns, hosts := netlab.New(t), netlab.New(t)
	ns.Veth("a0", hosts, "A0")
	ns.Veth("b0", hosts, "B0")
	k, err := linux.Open(linux.Options{NetNS: ns.Path()})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	e := &rig{Engine: engine.New(engine.Options{Kernel: k, Logger: slog.New(slog.DiscardHandler)}), t: t}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()

	layer := mroute.Layer{
		Name: "file",
		Joins: []mroute.Join{{
			If: "a0", Match: mroute.Match{Group: netip.MustParsePrefix("225.1.0.0/16")}, Origin: mroute.Origin{Seq: 1},
		}},
		Routes: []mroute.Route{{
			From: "a0", Match: mroute.Match{Group: netip.MustParsePrefix("239.0.0.0/8")},
			To: []mroute.Output{{If: "b0"}}, Origin: mroute.Origin{Seq: 2},
		}},
	}
	set := make(chan error, 1)
	begin := time.Now()
	go func() { set <- e.SetLayer(ctx, layer, false) }()
	var took []time.Duration // that calls waited, which ask for next to nothing
	partly := 0
	for n := 0; n < 1<<16; {
		if time.Since(begin) > 2*time.Minute {
			t.Fatal("the joins take more than two minutes")
		}
		for range 20 {
			asked := time.Now()
			if err := e.Started(ctx); err != nil {
				t.Fatal(err)
			}
			took = append(took, time.Since(asked))
		}
		snap := e.snapshot()
		n = len(snap.Joined)
		if n == 0 || n == 1<<16 {
			continue // not there yet, or complete
		}
		if partly++; partly == 1 {
			hosts.Send("A0", netlab.Packet{Src: netip.MustParseAddr("10.0.0.1"), Group: netip.MustParseAddr("239.1.1.1")})
		}
		if len(snap.Pending) != 1 || snap.Pending[0].Cause != mroute.CauseInProgress {
			t.Fatalf("%d of 65536 are joined, but this is pending: %+v", n, snap.Pending)
		}
	}
	if err := <-set; err != nil {
		t.Fatal(err)
	}
	slices.Sort(took)
	t.Logf("65536 joins in %v; of %d calls meanwhile the slowest waited %v, half of them at most %v",
		time.Since(begin).Round(time.Millisecond), len(took), took[len(took)-1], took[len(took)/2])
	if partly < 3 {
		t.Errorf("%d snapshots in the midst of the joins, want several", partly)
	}
	var snap *mroute.Snapshot
	if !netlab.Poll(soon, func() bool { snap = e.snapshot(); return len(snap.Entries) == 1 && len(snap.Pending) == 0 }) {
		t.Errorf("entries %v, pending %v", snap.Entries, snap.Pending)
	}
}
