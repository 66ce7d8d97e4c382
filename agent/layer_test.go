package agent_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/engine"
	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// layer is a layer "kubernetes" of exact routes from a0 to b0, for these groups.
func layer(groups ...string) mroute.Layer {
	l := mroute.Layer{Name: "kubernetes"}
	for i, g := range groups {
		l.Routes = append(l.Routes, mroute.Route{
			From:   "a0",
			Match:  mroute.MatchSG(flow("10.0.0.1", g)),
			To:     []mroute.Output{{If: "b0"}},
			Origin: mroute.Origin{Ref: "MulticastRoute x/" + g, Seq: i},
		})
	}
	return l
}

func (r *rig) setLayer(groups ...string) {
	r.t.Helper()
	if err := r.SetLayer(r.t.Context(), layer(groups...)); err != nil {
		r.t.Error(err)
	}
}

// A layer lives beside the file and under what clients change: setting it
// touches neither, and a reload does not touch it.
func TestLayerBesideFileAndClients(t *testing.T) {
	r := run(t, oneRoute)
	r.must(ipc.Add, "a1", "10.0.0.9", "225.9.9.9", "b1")
	r.setLayer("225.5.5.5", "225.6.6.6")
	r.setLayer("225.5.5.5")
	is(t, "of the layer", r.out("a0", "10.0.0.1", "225.5.5.5"), "b0")
	is(t, "no longer in the layer", r.out("a0", "10.0.0.1", "225.6.6.6"), "-")
	is(t, "of the file", r.out("a0", "10.0.0.1", "225.1.1.1"), "b0")
	is(t, "of the client", r.out("a1", "10.0.0.9", "225.9.9.9"), "b1")

	r.must(ipc.Remove, "a0", "10.0.0.1", "225.5.5.5")
	is(t, "taken away by the client", r.out("a0", "10.0.0.1", "225.5.5.5"), "-")
	r.setLayer("225.5.5.5", "225.7.7.7")
	is(t, "still taken away", r.out("a0", "10.0.0.1", "225.5.5.5"), "-")
	is(t, "new in the layer", r.out("a0", "10.0.0.1", "225.7.7.7"), "b0")

	r.write("conf", "mroute from a0 source 10.0.0.2 group 225.1.1.1 to b1\n")
	r.must(ipc.Reload)
	is(t, "of the old file", r.out("a0", "10.0.0.1", "225.1.1.1"), "-")
	is(t, "of the new file", r.out("a0", "10.0.0.2", "225.1.1.1"), "b1")
	is(t, "of the client, after a reload", r.out("a1", "10.0.0.9", "225.9.9.9"), "-")
	is(t, "of the layer, after a reload", r.out("a0", "10.0.0.1", "225.5.5.5"), "b0")
}

// Without a file there is nothing but layers and clients.
func TestLayerAlone(t *testing.T) {
	r := newRig(t, "-")
	o := r.options()
	o.ConfFile = ""
	r.start(o)
	r.setLayer("225.5.5.5")
	is(t, "of the layer", r.out("a0", "10.0.0.1", "225.5.5.5"), "b0")
	r.must(ipc.Reload)
	is(t, "after a reload of nothing", r.out("a0", "10.0.0.1", "225.5.5.5"), "b0")
}

func TestSnapshot(t *testing.T) {
	r := run(t, "-")
	r.setLayer("225.5.5.5")
	r.host.Send("a0", flow("10.0.0.1", "225.5.5.5"), 64, r.host.Now())
	for counters, want := range map[bool]uint64{false: 0, true: 1} {
		snap, err := r.Snapshot(t.Context(), counters)
		if err != nil || len(snap.Entries) != 1 {
			t.Fatalf("snapshot %+v, %v", snap, err)
		}
		e := snap.Entries[0]
		is(t, "source", e.SG.Source, netip.MustParseAddr("10.0.0.1"))
		is(t, "packets", e.Counters.Packets, want)
	}
}

// Calls wait for Run, as long as they are let, and fail after it.
func TestLayerBeforeAndAfterRun(t *testing.T) {
	r := newRig(t, "-")
	o := r.options()
	early := make(chan error)
	a := agent.New(o)
	go func() { early <- a.SetLayer(context.Background(), layer("225.5.5.5")) }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := a.SetLayer(ctx, layer()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("before Run: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	go func() { r.ended <- a.Run(ctx) }()
	if err := <-early; err != nil {
		t.Error(err)
	}
	is(t, "of the early layer", r.out("a0", "10.0.0.1", "225.5.5.5"), "b0")
	cancel()
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
	if err := a.SetLayer(t.Context(), layer()); !errors.Is(err, engine.ErrStopped) {
		t.Errorf("after Run: %v", err)
	}
	if _, err := a.Snapshot(t.Context(), false); !errors.Is(err, engine.ErrStopped) {
		t.Errorf("snapshot after Run: %v", err)
	}
}

// OnChange tells of changes of the layer, and of flows.
func TestOnChange(t *testing.T) {
	r := newRig(t, "mroute from a0 group 225.1.1.1 to b0\n")
	changes := make(chan struct{}, 100)
	o := r.options()
	o.OnChange = func() { changes <- struct{}{} }
	r.start(o)
	drain := func() {
		for len(changes) > 0 {
			<-changes
		}
	}
	drain()
	r.setLayer("225.5.5.5")
	r.await("a change of the layer to be told", func() bool { return len(changes) > 0 })
	drain()
	r.host.Send("a0", flow("10.0.0.7", "225.1.1.1"), 64, r.host.Now())
	r.await("a flow to be told", func() bool { return len(changes) > 0 })
}
