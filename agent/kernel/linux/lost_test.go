package linux

import (
	"net/netip"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Upcalls for which the receive buffer has no room are counted; real packets of
// IGMP and ICMPv6, which never get that far, are not.
func TestLostUpcallsAreCounted(t *testing.T) {
	eachFamily(t, func(t *testing.T, f mroute.Family) {
		r := newRouter(t)
		router, host := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
		if f == mroute.IPv6 {
			router, host = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
		}
		r.ns.AddAddr("a", netip.PrefixFrom(router, f.Bits()-8))
		r.host.AddAddr("A", netip.PrefixFrom(host, f.Bits()-8))
		for range 2000 {
			sendControl(t, r.host, f, router)
		}
		sg := flow(f, 1)
		r.host.Send("A", netlab.Packet{Src: sg.Source, Group: sg.Group})
		l := watch(t, r.Kernel)
		netlab.Await(t, awaitTime, func() bool { return len(l.upcalls()) == 1 }, "the upcall after those packets")
		l.stop(t)
		if n := r.UpcallsLost(f); n != 0 {
			t.Errorf("%d upcalls are lost before there were any", n)
		}
		// Nobody reads.
		n := 0
		netlab.Await(t, awaitTime, func() bool {
			for range 500 {
				n++
				sg := flow(f, n)
				r.host.Send("A", netlab.Packet{Src: sg.Source, Group: sg.Group})
			}
			return r.UpcallsLost(f) > 0
		}, "upcalls to be lost")
		other := mroute.IPv4
		if f == other {
			other = mroute.IPv6
		}
		if n := r.UpcallsLost(other); n != 0 {
			t.Errorf("%d upcalls of %v are lost", n, other)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if n := r.UpcallsLost(f); n != 0 {
			t.Errorf("%d upcalls are lost of a closed table", n)
		}
	})
}
