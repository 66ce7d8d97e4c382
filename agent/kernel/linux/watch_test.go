package linux

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

const awaitTime = 30 * time.Second

// log collects what Watch tells.
type log struct {
	mu     sync.Mutex
	events []kernel.Event
	cancel func()
	done   chan error
}

func watch(t *testing.T, k *Kernel) *log {
	ctx, cancel := context.WithCancel(context.Background())
	events := make(chan kernel.Event)
	l := &log{cancel: cancel, done: make(chan error, 1)}
	go func() { l.done <- k.Watch(ctx, events); close(events) }()
	go func() {
		for e := range events {
			if u, ok := e.(kernel.Upcalls); ok && u.From != nil {
				u.List = slices.Clone(u.List)
				u.From.Done()
				e = u
			}
			l.mu.Lock()
			l.events = append(l.events, e)
			l.mu.Unlock()
		}
	}()
	t.Cleanup(cancel)
	return l
}

func (l *log) stop(t *testing.T) {
	t.Helper()
	l.cancel()
	select {
	case err := <-l.done:
		if err != nil {
			t.Errorf("Watch: %v", err)
		}
	case <-time.After(awaitTime):
		t.Fatal("Watch does not end")
	}
}

func (l *log) upcalls() (ups []mroute.Upcall) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		if u, ok := e.(kernel.Upcalls); ok {
			ups = append(ups, u.List...)
		}
	}
	return ups
}

func (l *log) changes() (n int, gone []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		if c, ok := e.(kernel.LinksChanged); ok {
			n++
			gone = append(gone, c.Gone...)
		}
	}
	return n, gone
}

func (l *log) ruleChanges() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		if _, ok := e.(kernel.RulesChanged); ok {
			n++
		}
	}
	return n
}

// Watch ends at once when told to, can be run again, and upcalls that came
// meanwhile are not lost.
func TestWatchAgain(t *testing.T) {
	r := newRouter(t)
	for n := range 20 {
		for _, f := range mroute.Families {
			sg := flow(f, n)
			r.host.Send("A", netlab.Packet{Src: sg.Source, Group: sg.Group})
		}
		l := watch(t, r.Kernel)
		for _, f := range mroute.Families {
			want := mroute.Upcall{Kind: mroute.NoCache, SG: flow(f, n)}
			netlab.Await(t, awaitTime, func() bool { return slices.Contains(l.upcalls(), want) }, fmt.Sprint(want))
		}
		l.stop(t)
	}
}

// Watch ends when nobody reads its events.
func TestWatchEndsWhileSending(t *testing.T) {
	r := newRouter(t)
	sg := flow(mroute.IPv4, 1)
	r.host.Send("A", netlab.Packet{Src: sg.Source, Group: sg.Group})
	r.ns.SetUp("b", false)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- r.Watch(ctx, make(chan kernel.Event)) }()
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(awaitTime):
		t.Fatal("Watch does not end")
	}
}

func TestCloseEndsWatch(t *testing.T) {
	r := newRouter(t)
	l := watch(t, r.Kernel)
	r.ns.SetUp("b", false)
	netlab.Await(t, awaitTime, func() bool { n, _ := l.changes(); return n > 0 }, "a first event")
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	l.stop(t)
	if err := r.Watch(context.Background(), nil); err != nil {
		t.Errorf("Watch after Close: %v", err)
	}
	if _, err := r.Links(); err == nil {
		t.Error("Links succeeds after Close")
	}
}

// The owner's sockets get upcalls, and no IGMP or ICMPv6 packets: those pass
// neither the packet filter (IPv4) nor ICMP6_FILTER, upcalls pass both.
func TestOwnerGetsUpcallsOnly(t *testing.T) {
	eachFamily(t, func(t *testing.T, f mroute.Family) {
		r := newRouter(t)
		here, there := "192.0.2.1", "192.0.2.2"
		if f == mroute.IPv6 {
			here, there = "2001:db8::1", "2001:db8::2"
		}
		router, host := netip.MustParseAddr(here), netip.MustParseAddr(there)
		r.ns.AddAddr("a", netip.PrefixFrom(router, f.Bits()-8))
		r.host.AddAddr("A", netip.PrefixFrom(host, f.Bits()-8))
		o := r.owner(f)
		// next is what the owner's socket has, nil if nothing.
		buf := make([]byte, 2048)
		next := func() []byte {
			n, _, err := unix.Recvfrom(o.fd, buf, unix.MSG_DONTWAIT)
			if err != nil {
				return nil
			}
			return buf[:n]
		}
		isUpcall := func(b []byte) bool {
			if f == mroute.IPv6 {
				_, ok := uapi.DecodeUpcall6(b)
				return ok
			}
			_, ok := uapi.DecodeUpcall4(b)
			return ok
		}

		// Without a filter such packets do arrive.
		if f == mroute.IPv6 {
			if err := unix.SetsockoptICMPv6Filter(o.fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, &unix.ICMPv6Filter{}); err != nil {
				t.Fatal(err)
			}
		} else if err := unix.SetsockoptInt(o.fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0); err != nil {
			t.Fatal(err)
		}
		netlab.Await(t, awaitTime, func() bool {
			sendControl(t, r.host, f, router)
			b := next()
			return len(b) > 0 && !isUpcall(b)
		}, "a packet on the socket without filter")

		if err := onlyUpcalls(f, o.fd); err != nil {
			t.Fatal(err)
		}
		for next() != nil { // what came before
		}
		for range 5 {
			sendControl(t, r.host, f, router)
		}
		sg := flow(f, 2)
		r.host.Send("A", netlab.Packet{Src: sg.Source, Group: sg.Group})
		netlab.Await(t, awaitTime, func() bool {
			b := next()
			if b != nil && !isUpcall(b) {
				t.Fatalf("the owner got %x", b)
			}
			return b != nil
		}, "the upcall")
	})
}

// sendControl sends an IGMP or ICMPv6 packet to the router itself.
func sendControl(t *testing.T, ns *netlab.NS, f mroute.Family, to netip.Addr) {
	t.Helper()
	if err := ns.Do(func() error {
		fd, err := unix.Socket(domain(f), unix.SOCK_RAW, rawProtocol(f))
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if f == mroute.IPv6 {
			return unix.Sendto(fd, []byte{128, 0, 0, 0, 0, 1, 0, 1}, 0, &unix.SockaddrInet6{Addr: to.As16()}) // echo request
		}
		return unix.Sendto(fd, []byte{0x16, 0, 0x09, 0x04, 224, 0, 0, 251}, 0, &unix.SockaddrInet4{Addr: to.As4()}) // IGMPv2 report
	}); err != nil {
		t.Fatal(err)
	}
}

// A burst of changes gives few events, the first of them at once, and none of
// the links that left is forgotten.
func TestBurstOfLinkChanges(t *testing.T) {
	r := newRouter(t)
	l := watch(t, r.Kernel)
	const n = 100
	start := time.Now()
	var want []int
	for range n {
		r.ns.Veth("c", r.ns, "d")
		want = append(want, r.ns.Index("c"), r.ns.Index("d"))
		r.ns.Delete("c")
	}
	netlab.Await(t, awaitTime, func() bool {
		_, gone := l.changes()
		for _, index := range want {
			if !slices.Contains(gone, index) {
				return false
			}
		}
		return true
	}, "all links that left")
	limit := int(time.Since(start)/settle) + 2
	if got, _ := l.changes(); got > limit {
		t.Errorf("%d events in %v, want %d at most", got, time.Since(start), limit)
	}
}

// Notices tell of new addresses as well: they can cure what failed for lack of
// one. Watch tells of every notice.
func TestAddressesAreNoticed(t *testing.T) {
	r := newRouter(t)
	fd := int(r.notices.file.Fd()) // blocking from now on; no matter here
	rx := newMmsg(64, noticeSize)
	newAddress := func() bool {
		n, _ := rx.recv(fd)
		for i := range n {
			if b, _ := rx.msg(i); binary.NativeEndian.Uint16(b[4:]) == unix.RTM_NEWADDR {
				return true
			}
		}
		return false
	}
	for newAddress() { // link-local addresses
	}
	for _, prefix := range []string{"192.0.2.1/24", "2001:db8::1/64"} {
		if newAddress() {
			t.Fatal("a notice without a new address")
		}
		r.ns.AddAddr("a", netip.MustParsePrefix(prefix))
		netlab.Await(t, awaitTime, newAddress, "a notice of "+prefix)
		for newAddress() {
		}
	}
}
