package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/engine"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// obliging is a kernel that costs nothing: it agrees to everything, and asks what
// it is told to.
type obliging struct {
	kernel.Kernel // nothing else is called
	asks          chan kernel.Event
	set           int // entries
}

func (*obliging) FamilyErr(mroute.Family) error             { return nil }
func (*obliging) Held(mroute.Family) mroute.Held            { return mroute.Held{} }
func (*obliging) Settle(mroute.Family, []mroute.SG) error   { return nil }
func (k *obliging) Links() (links []mroute.Link, err error) { return benchLinks, nil }

func (k *obliging) Apply(ops []mroute.Op) []error {
	for i := range ops {
		if ops[i].Kind == mroute.SetMFC {
			k.set++
		}
	}
	return nil
}

func (k *obliging) Watch(ctx context.Context, events chan<- kernel.Event) error {
	for {
		select {
		case ev := <-k.asks:
			select {
			case events <- ev:
			case <-ctx.Done():
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

var benchLinks = []mroute.Link{
	{Index: 2, Name: "a0", Up: true, Multicast: true},
	{Index: 3, Name: "b0", Up: true, Multicast: true},
}

// learner is an engine that learns flows of 239.0.0.0/8 from a0, of a kernel that costs
// nothing. stop ends it.
func learner(t testing.TB) (k *obliging, e *engine.Engine, stop func()) {
	t.Helper()
	k = &obliging{asks: make(chan kernel.Event)}
	e = engine.New(engine.Options{Kernel: k, Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- e.Run(ctx) }()
	err := e.SetLayer(ctx, mroute.Layer{Name: "file", Routes: []mroute.Route{{
		From: "a0", Match: mroute.Match{Group: netip.MustParsePrefix("239.0.0.0/8")}, To: []mroute.Output{{If: "b0"}},
	}}}, false)
	if err != nil {
		t.Fatal(err)
	}
	return k, e, func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkUpcalls is what questions cost from a kernel's watch to its answers, as many
// at once as there can be at most, and one at a time.
func BenchmarkUpcalls(b *testing.B) {
	for _, batch := range []int{1, 256} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			k, e, stop := learner(b)
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				ups := make([]mroute.Upcall, batch)
				for i := range ups {
					n++
					x, y, z := byte(n>>16), byte(n>>8), byte(n)
					ups[i] = mroute.Upcall{Kind: mroute.NoCache, SG: mroute.SG{
						Source: netip.AddrFrom4([4]byte{10, x, y, z}), Group: netip.AddrFrom4([4]byte{239, x, y, z}),
					}}
				}
				k.asks <- kernel.Upcalls{List: ups}
			}
			if err := e.Started(b.Context()); err != nil { // all is answered
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/upcall")
			stop()
			if k.set < min(n, 1<<15) {
				b.Fatalf("%d entries set for %d questions", k.set, n)
			}
		})
	}
}
