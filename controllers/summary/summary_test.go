package summary

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/status"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

func expect(t *testing.T, c *cluster, what, want string, writes int) {
	t.Helper()
	synctest.Wait()
	if got := c.status(); got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
	if got := c.counted(); got != writes {
		t.Errorf("%s: %d writes so far, want %d", what, got, writes)
	}
}

// TestLife follows a route's status.
func TestLife(t *testing.T) {
	simulate(t, func(t *testing.T, c *cluster) {
		site := map[string]string{"site": "studio"}
		c.setNode("n1", corev1.ConditionTrue, site)
		c.setNode("n2", corev1.ConditionTrue, nil)
		c.setRoute(newRoute("a", site))
		time.Sleep(2 * time.Second)
		expect(t, c, "no agent yet", "0/1 NodeNotReporting", 1)
		c.report("n1", v1alpha1.ReasonProgrammed, 1)
		time.Sleep(5 * time.Second)
		expect(t, c, "too soon after the last write", "0/1 NodeNotReporting", 1)
		time.Sleep(5 * time.Second)
		expect(t, c, "10 s after it", "1/1 Programmed", 2)
		time.Sleep(time.Minute)

		c.setNode("n2", corev1.ConditionTrue, site)
		time.Sleep(time.Second)
		expect(t, c, "a label", "1/2 NodeNotReporting", 3)
		time.Sleep(time.Minute)
		for range 10 {
			c.setNode("n2", corev1.ConditionTrue, site)
			time.Sleep(time.Second)
		}
		expect(t, c, "heartbeats of a kubelet", "1/2 NodeNotReporting", 3)
		c.report("n2", v1alpha1.ReasonProgrammed, 1)
		time.Sleep(time.Second)
		expect(t, c, "a report", "2/2 Programmed", 4)
		time.Sleep(time.Minute)

		c.setNode("n2", corev1.ConditionUnknown, site)
		time.Sleep(time.Second)
		expect(t, c, "a node that is silent", "1/2 NodeNotReporting", 5)
		time.Sleep(time.Minute)
		c.setNode("n2", corev1.ConditionFalse, site)
		time.Sleep(time.Second)
		expect(t, c, "and not ready, with an agent", "2/2 Programmed", 6)
		c.setNode("n2", corev1.ConditionTrue, site)

		c.report("n1", v1alpha1.ReasonProgrammed, 1)
		time.Sleep(11 * time.Minute)
		c.report("n1", v1alpha1.ReasonProgrammed, 1)
		expect(t, c, "n2 is late", "1/2 NodeNotReporting", 7)
		time.Sleep(11 * time.Minute)
		c.report("n2", v1alpha1.ReasonProgrammed, 1)
		c.report("n1", v1alpha1.ReasonProgrammed, 1)
		time.Sleep(time.Second)
		expect(t, c, "n2 is back", "2/2 Programmed", 8)
		time.Sleep(time.Minute)

		send := c.book.allNodes()
		send.gone(c.nodes["n2"], c.queue.AddAfter)
		time.Sleep(time.Second)
		expect(t, c, "a node is gone", "1/1 Programmed", 9)

		rounds := c.looked()
		time.Sleep(5 * time.Minute)
		if n := c.looked(); n > rounds+1 {
			t.Errorf("%d rounds while nothing happened", n-rounds)
		}
		// A new spec.
		time.Sleep(time.Minute)
		r := c.route()
		r.Generation = 2
		c.setRoute(r)
		time.Sleep(time.Second)
		expect(t, c, "too soon to say what nodes make of it", "1/1 Programmed", 9)
		time.Sleep(time.Second)
		expect(t, c, "a new generation", "0/1 Pending", 10)

		// One that nodes answer as fast as they do is written once.
		time.Sleep(time.Minute)
		r = c.route()
		r.Generation = 3
		c.setRoute(r)
		time.Sleep(700 * time.Millisecond)
		c.report("n1", v1alpha1.ReasonProgrammed, 1)
		time.Sleep(time.Minute)
		expect(t, c, "a generation that is programmed at once", "1/1 Programmed", 11)
	})
}

// TestCounters: they are written once in 300 s, however often nodes report.
func TestCounters(t *testing.T) {
	simulate(t, func(t *testing.T, c *cluster) {
		for i := range 30 {
			c.setNode(fmt.Sprint("n", i), corev1.ConditionTrue, nil)
		}
		c.setRoute(newRoute("a", nil))
		packets := int64(0)
		report := func(d time.Duration) {
			for from := time.Now(); time.Since(from) < d; time.Sleep(10 * time.Second) {
				packets++
				// This wakes the route, but says nothing about it.
				c.setNode("n0", corev1.ConditionTrue, map[string]string{"packets": fmt.Sprint(packets)})
				for i := range 30 {
					c.report(fmt.Sprint("n", i), v1alpha1.ReasonProgrammed, packets)
				}
			}
		}
		report(10 * time.Minute)
		before := c.counted()
		report(time.Hour)
		if n := c.counted() - before; n < 10 || n > 12 {
			t.Errorf("%d writes in an hour, want 11 or 12: one in 300 s and up to 10 s", n)
		}
		time.Sleep(5 * time.Minute)
		if got := c.route().Status.Counters.Packets; got != 30*packets {
			t.Errorf("%d packets in the end, want %d", got, 30*packets)
		}
	})
}

// TestStates: changes of state are written once in 10 s.
func TestStates(t *testing.T) {
	simulate(t, func(t *testing.T, c *cluster) {
		for i := range 100 {
			c.setNode(fmt.Sprint("n", i), corev1.ConditionTrue, nil)
		}
		c.setRoute(newRoute("a", nil))
		time.Sleep(time.Minute)
		before := c.counted()
		for i := range 100 {
			c.report(fmt.Sprint("n", i), v1alpha1.ReasonProgrammed, 1)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		expect(t, c, "a change on all nodes", "100/100 Programmed", before+2)
		c.mu.Lock()
		defer c.mu.Unlock()
		gaps := c.writes
		for i := 1; i < len(gaps); i++ {
			if d := gaps[i].Sub(gaps[i-1]); d < 10*time.Second {
				t.Errorf("two writes in %v", d)
			}
		}
	})
}

// TestTroubleOfWrites: refusals are tried again, and nothing is lost.
func TestTroubleOfWrites(t *testing.T) {
	for name, err := range map[string]error{
		"conflict": apierrors.NewConflict(resource, "a", errors.New("changed")),
		"down":     errors.New("connection refused"),
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, func(t *testing.T, c *cluster) {
				c.refuse = err // there is nothing to do yet
				c.setNode("n1", corev1.ConditionTrue, nil)
				c.setRoute(newRoute("a", nil))
				c.report("n1", v1alpha1.ReasonProgrammed, 1)
				time.Sleep(10 * time.Minute)
				expect(t, c, "refused", " ", 0)
				if n := c.looked(); n > 650 {
					t.Errorf("%d rounds in ten minutes", n)
				}
				c.mu.Lock()
				c.refuse = nil
				c.mu.Unlock()
				time.Sleep(time.Minute)
				expect(t, c, "taken", "1/1 Programmed", 1)
			})
		})
	}
}

// TestEvents: one for each transition that a user must act on.
func TestEvents(t *testing.T) {
	simulate(t, func(t *testing.T, c *cluster) {
		heard := func(what string, want ...string) {
			t.Helper()
			time.Sleep(time.Minute)
			for _, w := range append(want, "") {
				select {
				case e := <-c.recorder.Events:
					if w == "" || !strings.HasPrefix(e, w) {
						t.Errorf("%s: event %q, want %q", what, e, w)
					}
				default:
					if w != "" {
						t.Errorf("%s: no event %q", what, w)
					}
				}
			}
		}
		c.setNode("n1", corev1.ConditionTrue, nil)
		c.setRoute(newRoute("a", nil))
		heard("not reporting")
		c.report("n1", v1alpha1.ReasonPending, 0)
		heard("pending")
		c.report("n1", v1alpha1.ReasonInterfaceNotFound, 0)
		heard("failed", "Warning InterfaceNotFound n1: because")
		c.report("n1", v1alpha1.ReasonInterfaceNotFound, 7)
		heard("still failed")
		c.report("n1", v1alpha1.ReasonVIFTableFull, 7)
		heard("failed for another reason", "Warning VIFTableFull")
		c.report("n1", v1alpha1.ReasonConflicted, 7)
		heard("not accepted, and so not programmed", "Warning Conflicted")
		c.report("n1", v1alpha1.ReasonVIFTableFull, 7)
		heard("accepted, but not programmed", "Warning VIFTableFull")
		c.report("n1", v1alpha1.ReasonProgrammed, 7)
		heard("well")
		c.setNode("n1", corev1.ConditionUnknown, nil)
		heard("silent")
	})
}

// TestChangedWhileRead: a spec that changes right after a round has read it is
// not forgotten, be there nothing to write of the one before.
func TestChangedWhileRead(t *testing.T) {
	simulate(t, func(t *testing.T, c *cluster) {
		c.setNode("n1", corev1.ConditionTrue, nil)
		c.setRoute(newRoute("a", nil))
		c.report("n1", v1alpha1.ReasonProgrammed, 1)
		time.Sleep(time.Minute)
		expect(t, c, "at first", "1/1 Programmed", 1)
		c.mu.Lock()
		c.read = func() {
			r := c.route()
			r.Generation = 2
			c.setRoute(r)
		}
		c.mu.Unlock()
		c.setNode("n1", corev1.ConditionTrue, map[string]string{"a": "label"}) // begins a round
		time.Sleep(time.Minute)
		expect(t, c, "of the new spec", "0/1 Pending", 2)
	})
}

func TestGone(t *testing.T) {
	simulate(t, func(t *testing.T, c *cluster) {
		c.setNode("n1", corev1.ConditionTrue, nil)
		c.setRoute(newRoute("a", nil))
		time.Sleep(time.Minute)
		r := c.route()
		c.mu.Lock()
		delete(c.routes, "a")
		c.mu.Unlock()
		c.book.routes().gone(r, c.queue.AddAfter)
		c.report("n1", v1alpha1.ReasonProgrammed, 1)
		time.Sleep(time.Hour)
		c.book.mu.Lock()
		defer c.book.mu.Unlock()
		if len(c.book.entries) != 0 || c.counted() != 1 {
			t.Errorf("%d entries, %d writes", len(c.book.entries), c.counted())
		}
	})
}

// BenchmarkReport is the work for one report of one of 1,000 nodes about 500
// routes whose counters changed, as 3.3 times a second in such a cluster.
func BenchmarkReport(b *testing.B) {
	book, now := full(b)
	reports := [2]*v1alpha1.MulticastNodeState{stateOf("n0500", 1), stateOf("n0500", 2)}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		book.report("n0500", reports[i%2], now, func(status.Object, time.Duration) {})
	}
}

// BenchmarkRound is the work for the status of one of 500 routes of 1,000 nodes.
func BenchmarkRound(b *testing.B) {
	book, now := full(b)
	route := newRoute("r0007", nil)
	o := status.Object{Kind: translate.RouteKind, Namespace: "ns", Name: "r0007"}
	b.ReportAllocs()
	for b.Loop() {
		book.look(o, now, func(nodes []status.Node, reports *status.Index) {
			if s, _ := status.SummariseRoute(route, nodes, reports, now); s.Nodes.Programmed != 1000 {
				b.Fatalf("%+v", s)
			}
		})
	}
}

func full(b *testing.B) (*book, time.Time) {
	book, now := newBook(10*time.Second, 300*time.Second, 20_000), time.Now()
	add := func(status.Object, time.Duration) {}
	for i := range 500 {
		book.seen(status.Object{Kind: translate.RouteKind, Namespace: "ns", Name: fmt.Sprintf("r%04d", i)}, nil, now, now, add)
	}
	for i := range 1000 {
		name := fmt.Sprintf("n%04d", i)
		book.node(name, &status.Node{Name: name, Labels: map[string]string{corev1.LabelHostname: name}}, now, add)
		book.report(name, stateOf(name, 1), now, add)
	}
	return book, now
}

func stateOf(node string, packets int64) *v1alpha1.MulticastNodeState {
	s := &v1alpha1.MulticastNodeState{ObjectMeta: metav1.ObjectMeta{Name: node}}
	for i := range 500 {
		s.Status.Routes = append(s.Status.Routes, v1alpha1.ObjectState{
			Namespace: "ns", Name: fmt.Sprintf("r%04d", i), UID: "uid", Generation: 1, Reason: v1alpha1.ReasonProgrammed,
			Counters: &v1alpha1.Counters{Packets: packets},
		})
	}
	out, err := slimReport(s)
	if err != nil {
		panic(err)
	}
	return out.(*v1alpha1.MulticastNodeState)
}
