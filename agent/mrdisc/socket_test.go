package mrdisc

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

func TestMain(m *testing.M) { netlab.Main(m) }

// packet is a message as it is seen on a link, with what the IP header says.
type packet struct {
	family   mroute.Family
	src, dst netip.Addr
	ttl      uint8
	alert    bool // has the Router Alert option, and no other
	checksum bool // is correct
	msg      Message
}

// wiretap reads what arrives on a link of ns.
type wiretap struct {
	fd int
}

func tap(t *testing.T, ns *netlab.NS, link string) *wiretap {
	t.Helper()
	w := new(wiretap)
	index := ns.Index(link)
	err := ns.Do(func() (err error) {
		all := int(binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL)))
		if w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, all); err != nil {
			return err
		}
		return unix.Bind(w.fd, &unix.SockaddrLinklayer{Protocol: uint16(all), Ifindex: index})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(w.fd) })
	return w
}

// next waits for a message that is wanted, and fails after a minute.
func (w *wiretap) next(t *testing.T, what string, wanted func(packet) bool) packet {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	buf := make([]byte, 2048)
	for {
		left := time.Until(deadline)
		if left <= 0 {
			t.Fatalf("never seen: %s", what)
		}
		tv := unix.NsecToTimeval(int64(left))
		if err := unix.SetsockoptTimeval(w.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
			t.Fatal(err)
		}
		n, from, err := unix.Recvfrom(w.fd, buf, 0)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if from.(*unix.SockaddrLinklayer).Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if p, ok := dissect(buf[:n]); ok && wanted(p) {
			return p
		}
	}
}

// dissect reads an IP packet that holds a message.
func dissect(b []byte) (p packet, ok bool) {
	var payload []byte
	switch {
	case len(b) >= 20 && b[0]>>4 == 4 && b[9] == unix.IPPROTO_IGMP:
		p.family, p.ttl = mroute.IPv4, b[8]
		p.src, p.dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		header, total := int(b[0]&0xf)*4, int(binary.BigEndian.Uint16(b[2:]))
		if total > len(b) || header > total {
			return p, false
		}
		p.alert = slices.Equal(b[20:header], []byte{0x94, 4, 0, 0})
		payload = b[header:total]
	case len(b) >= 48 && b[0]>>4 == 6 && b[6] == 0 && b[40] == unix.IPPROTO_ICMPV6:
		p.family, p.ttl = mroute.IPv6, b[7]
		p.src, p.dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		p.alert = slices.Equal(b[41:48], []byte{0, 5, 2, 0, 0, 1, 0})
		payload = b[48:min(len(b), 40+int(binary.BigEndian.Uint16(b[4:])))]
	default:
		return p, false
	}
	p.checksum = Checksum(payload, p.src, p.dst) == 0
	var err error
	p.msg, err = Parse(p.family, payload)
	return p, err == nil
}

// announce runs an Announcer in ns whose random delays are all 0.
func announce(t *testing.T, ns *netlab.NS, o Options, links ...mroute.Link) *Announcer {
	o.NetNS = ns.Path()
	a := New(o)
	a.random = func() float64 { return 0 }
	a.Set(links)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return a
}

func is(f mroute.Family, typ Type) func(packet) bool {
	return func(p packet) bool { return p.family == f && p.msg.Type == typ }
}

// A router with an interface to a switch:
//
//	router [r0] ---- [s0] switch
//
// The switch must see where the router is, may ask for it, and is told when the
// router goes away.
func TestSwitchLearnsOfTheRouter(t *testing.T) {
	for _, f := range mroute.Families {
		t.Run(f.String(), func(t *testing.T) {
			router, snooper := netlab.New(t), netlab.New(t)
			router.Veth("r0", snooper, "s0")
			if f == mroute.IPv6 && !router.HasIPv6() {
				t.Skip("this kernel has no IPv6: run it on one that has")
			}
			wire := tap(t, snooper, "s0")
			link := mroute.Link{Index: router.Index("r0"), Name: "r0", Up: true, Multicast: true}
			a := announce(t, router, Options{Interval: 45 * time.Second, Families: []mroute.Family{f}}, link)

			snoopers := map[mroute.Family]string{mroute.IPv4: "224.0.0.106", mroute.IPv6: "ff02::6a"}[f]
			for range maxInitial {
				p := wire.next(t, "initial advertisement", is(f, Advertisement))
				if p.dst.String() != snoopers || p.ttl != 1 || !p.alert || !p.checksum || p.msg.Interval != 45 {
					t.Errorf("got %+v, want it to %s with TTL 1, Router Alert and interval 45", p, snoopers)
				}
				// IPv4 works without an address.
				if f == mroute.IPv4 && p.src != netip.IPv4Unspecified() {
					t.Errorf("source %v of an interface without address", p.src)
				}
				if f == mroute.IPv6 && !p.src.IsLinkLocalUnicast() {
					t.Errorf("source %v is not link-local", p.src)
				}
			}

			// The next advertisement is 40 seconds away, unless it is asked for.
			ask, err := openSocket(snooper.Path(), mroute.Link{Index: snooper.Index("s0")}, f)
			if err != nil {
				t.Fatal(err)
			}
			defer ask.Close()
			ask.(*socket).to.IP = wires[f].routers.AsSlice()
			if err := ask.Send(Message{Type: Solicitation}); err != nil {
				t.Fatal(err)
			}
			wire.next(t, "answer to a solicitation", is(f, Advertisement))

			a.Refresh()
			wire.next(t, "advertisement after a reload", is(f, Advertisement))

			a.Set(nil)
			p := wire.next(t, "termination", is(f, Termination))
			if p.dst.String() != snoopers || p.ttl != 1 || !p.alert || !p.checksum {
				t.Errorf("got %+v, want it to %s with TTL 1 and Router Alert", p, snoopers)
			}
		})
	}
}

func TestSourceIsTheInterfacesAddress(t *testing.T) {
	router, snooper := netlab.New(t), netlab.New(t)
	router.Veth("r0", snooper, "s0")
	router.AddAddr("r0", netip.MustParsePrefix("192.0.2.1/24"))
	wire := tap(t, snooper, "s0")
	announce(t, router, Options{}, mroute.Link{Index: router.Index("r0"), Name: "r0", Up: true})
	if p := wire.next(t, "advertisement", is(mroute.IPv4, Advertisement)); p.src.String() != "192.0.2.1" {
		t.Errorf("source %v, want 192.0.2.1", p.src)
	}
}

// SMCRoute sends none at exit.
func TestDefect15TerminationAtExit(t *testing.T) {
	router, snooper := netlab.New(t), netlab.New(t)
	router.Veth("r0", snooper, "s0")
	wire := tap(t, snooper, "s0")
	a := New(Options{NetNS: router.Path(), Families: []mroute.Family{mroute.IPv4}})
	a.Set([]mroute.Link{{Index: router.Index("r0"), Name: "r0", Up: true}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	wire.next(t, "advertisement", is(mroute.IPv4, Advertisement))
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	wire.next(t, "termination", is(mroute.IPv4, Termination))
}

func TestLinkThatComesUpAnnouncesAnew(t *testing.T) {
	router, snooper := netlab.New(t), netlab.New(t)
	router.Veth("r0", snooper, "s0")
	router.SetUp("r0", false)
	wire := tap(t, snooper, "s0")
	link := mroute.Link{Index: router.Index("r0"), Name: "r0"}
	a := announce(t, router, Options{Families: []mroute.Family{mroute.IPv4}}, link)
	router.SetUp("r0", true)
	router.AwaitReady("r0")
	link.Up = true
	a.Set([]mroute.Link{link})
	for range maxInitial {
		wire.next(t, "initial advertisement", is(mroute.IPv4, Advertisement))
	}
}

func TestLinkThatVanishedIsNoTrouble(t *testing.T) {
	router, snooper := netlab.New(t), netlab.New(t)
	router.Veth("r0", snooper, "s0")
	router.Veth("r1", snooper, "s1")
	wire := tap(t, snooper, "s1")
	links := []mroute.Link{
		{Index: router.Index("r0"), Name: "r0", Up: true},
		{Index: router.Index("r1"), Name: "r1", Up: true},
	}
	a := announce(t, router, Options{Families: []mroute.Family{mroute.IPv4}}, links...)
	wire.next(t, "advertisement", is(mroute.IPv4, Advertisement))
	router.Delete("r0")
	a.Refresh()
	wire.next(t, "advertisement on the other link", is(mroute.IPv4, Advertisement))
	a.Set(links[1:])
	a.Refresh()
	wire.next(t, "advertisement on the link that is left", is(mroute.IPv4, Advertisement))
}

func TestAnnouncerIsMemberOfBothGroups(t *testing.T) {
	router, snooper := netlab.New(t), netlab.New(t)
	router.Veth("r0", snooper, "s0")
	announce(t, router, Options{}, mroute.Link{Index: router.Index("r0"), Name: "r0", Up: true})
	for _, g := range []string{"224.0.0.2", "224.0.0.106", "ff02::2", "ff02::6a"} {
		group := netip.MustParseAddr(g)
		netlab.Await(t, time.Minute, func() bool {
			return slices.ContainsFunc(router.Memberships("r0"), func(sg mroute.SG) bool { return sg.Group == group })
		}, "membership of "+g)
	}
}

// The binding keeps out messages to a unicast address that arrive elsewhere.
func TestSocketIsBoundToItsLink(t *testing.T) {
	router, snooper := netlab.New(t), netlab.New(t)
	router.Veth("r0", snooper, "s0")
	for _, f := range mroute.Families {
		c, err := openSocket(router.Path(), mroute.Link{Index: router.Index("r0")}, f)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		raw, err := c.(*socket).pc.(*net.IPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) {
			got, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX)
			if err != nil || got != router.Index("r0") {
				t.Errorf("%v: bound to %d, %v; want %d", f, got, err, router.Index("r0"))
			}
		})
	}
}

func TestNamespaceThatIsNotThere(t *testing.T) {
	_, err := openSocket("/no/such/namespace", mroute.Link{Index: 1}, mroute.IPv4)
	if !errors.Is(err, unix.ENOENT) {
		t.Errorf("got %v, want ENOENT", err)
	}
}
