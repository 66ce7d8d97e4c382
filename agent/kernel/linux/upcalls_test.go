package linux

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Until whoever has some upcalls is done with them, more are read only for who
// asks; none is lost, and each comes once.
func TestMoreUpcalls(t *testing.T) {
	eachFamily(t, func(t *testing.T, f mroute.Family) {
		r := newRouter(t)
		ctx, cancel := context.WithCancel(context.Background())
		events, ended := make(chan kernel.Event), make(chan error, 1)
		go func() { ended <- r.Watch(ctx, events) }()
		defer func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
		send := func(n int) mroute.Upcall {
			sg := flow(f, n)
			r.host.Send("A", netlab.Packet{Src: sg.Source, Group: sg.Group})
			return mroute.Upcall{Kind: mroute.NoCache, SG: sg}
		}
		next := func() kernel.Upcalls {
			for {
				select {
				case e := <-events:
					if ups, ok := e.(kernel.Upcalls); ok && ups.List[0].SG.Family() == f {
						return ups
					}
				case <-time.After(awaitTime):
					t.Fatal("no upcall")
				}
			}
		}
		want := send(0)
		first := next()
		if !slices.Equal(first.List, []mroute.Upcall{want}) {
			t.Fatalf("sent %v, want %v", first.List, want)
		}
		for n := range 3 {
			want := send(n + 1)
			var more []mroute.Upcall
			netlab.Await(t, awaitTime, func() bool {
				select {
				case e := <-events:
					if _, ok := e.(kernel.Upcalls); ok {
						t.Fatalf("%v was sent before Done", e)
					}
				default:
				}
				list, _ := first.From.More()
				more = append(more, list...)
				return len(more) > 0
			}, "More to find a question")
			if !slices.Equal(more, []mroute.Upcall{want}) {
				t.Errorf("More is %v, want %v", more, want)
			}
		}
		want = send(9)
		first.From.Done()
		if got := next(); !slices.Equal(got.List, []mroute.Upcall{want}) {
			t.Errorf("sent %v after Done, want %v", got.List, want)
		} else {
			got.From.Done()
		}
	})
}
