package linux

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// readCounters reads those of the first n flows.
func readCounters(t *testing.T, r *router, f mroute.Family, n int) []mroute.Counters {
	t.Helper()
	sgs, out := make([]mroute.SG, n), make([]mroute.Counters, n)
	for i := range sgs {
		sgs[i] = flow(f, i)
	}
	if err := r.Counters(f, sgs, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// The ioctl, for kernels without RTM_GETROUTE in IPv6, tells the same but the
// idle time. Kernel note 14.
func TestCountersByIoctl(t *testing.T) {
	eachFamily(t, func(t *testing.T, f mroute.Family) {
		r := newRouter(t)
		const n = 12
		r.apply(flowOps(f, mroute.SetMFC, n-1)...) // the last is missing
		c := r.ns.Capture("b")
		sent := 0
		for i := range n - 1 {
			sg := flow(f, i)
			r.host.SendBurst("A", netlab.Packet{Src: sg.Source, Group: sg.Group}, 0, i%4)
			netlab.Await(t, awaitTime, func() bool { return c.Flow(netlab.Out, sg).Packets == i%4 }, "packets to leave")
			sent += i % 4
		}
		answered := readCounters(t, r, f, n)
		if r.owner(f).noGetRoute {
			t.Log("this kernel has no RTM_GETROUTE for the family")
		}
		r.owner(f).noGetRoute = true
		counted := 0
		for i, got := range readCounters(t, r, f, n) {
			counted += int(got.Packets)
			want := answered[i]
			if want.Idle < 0 && i < n-1 {
				t.Errorf("RTM_GETROUTE tells no idle time of %v", flow(f, i))
			}
			if want.Idle = -1; got != want {
				t.Errorf("flow %d: %+v, by RTM_GETROUTE %+v", i, got, want)
			}
		}
		if counted != sent {
			t.Errorf("%d packets counted, %d sent", counted, sent)
		}
	})
}

// With little room for answers Counters asks for fewer at a time.
func TestCountersWithSmallReceiveBuffer(t *testing.T) {
	eachFamily(t, func(t *testing.T, f mroute.Family) {
		r := newRouter(t)
		const n = 600
		r.apply(flowOps(f, mroute.SetMFC, n)...)
		if err := unix.SetsockoptInt(r.cmd.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 32<<10); err != nil {
			t.Fatal(err)
		}
		for i, c := range readCounters(t, r, f, n) {
			if c.Idle < 0 {
				t.Fatalf("counters of flow %d are missing", i)
			}
		}
		if r.answers.limit >= askBatch {
			t.Errorf("%d questions at a time; the test needs a smaller buffer", r.answers.limit)
		}
	})
}

func TestCountersDoNotAllocate(t *testing.T) {
	eachFamily(t, func(t *testing.T, f mroute.Family) {
		r := newRouter(t)
		const n = 300
		r.apply(flowOps(f, mroute.SetMFC, n)...)
		sgs, out := make([]mroute.SG, n), make([]mroute.Counters, n)
		for i := range sgs {
			sgs[i] = flow(f, i)
		}
		if got := testing.AllocsPerRun(10, func() {
			if err := r.Counters(f, sgs, out); err != nil {
				t.Fatal(err)
			}
		}); got > 0 {
			t.Errorf("%v allocations for %d counters", got, n)
		}
	})
}
