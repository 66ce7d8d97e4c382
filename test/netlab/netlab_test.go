package netlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

func TestMain(m *testing.M) { Main(m) }

const deadline = 30 * time.Second

var (
	flow4 = mroute.SG{Source: netip.MustParseAddr("192.0.2.1"), Group: netip.MustParseAddr("225.1.2.3")}
	flow6 = mroute.SG{Source: netip.MustParseAddr("2001:db8::1"), Group: netip.MustParseAddr("ff15::123")}
)

// pair is two namespaces with a veth pair between them, each end called eth0.
func pair(t *testing.T) (a, b *NS) {
	a, b = New(t), New(t)
	a.Veth("eth0", b, "eth0")
	return a, b
}

func TestSendAndCapture(t *testing.T) {
	for _, sg := range []mroute.SG{flow4, flow6} {
		t.Run(sg.Family().String(), func(t *testing.T) {
			a, b := pair(t)
			sent, got := a.Capture("eth0"), b.Capture("eth0")
			a.Send("eth0", Packet{Src: sg.Source, Group: sg.Group, TTL: 7, Payload: []byte("odd")})
			a.SendBurst("eth0", Packet{Src: sg.Source, Group: sg.Group}, 0, 100)
			// The kernel has given them to the sender's own capture before it sent them.
			if n := sent.Flow(Out, sg).Packets; n != 101 {
				t.Errorf("the sender's own capture counts %d packets, not 101", n)
			}
			got.Await(sg, 101, deadline)

			f := got.Flow(In, sg)
			if want := map[uint8]int{7: 1, 64: 100}; !cmp.Equal(f.TTLs, want) {
				t.Errorf("TTLs: got %v, want %v", f.TTLs, want)
			}
			if f.Bytes != 3+100*16 {
				t.Errorf("got %d bytes, want %d", f.Bytes, 3+100*16)
			}
			if f.Distinct() != 100 || f.Highest != 99 || f.Duplicates != 0 {
				t.Errorf("got %+v, want 100 numbers", f)
			}
			if want := []Gap{{100, 101}}; !cmp.Equal(f.Gaps(102), want) {
				t.Errorf("gaps: got %v, want %v", f.Gaps(102), want)
			}
			if n := got.Flow(Out, sg).Packets + sent.Flow(In, sg).Packets; n != 0 {
				t.Errorf("%d packets in the wrong direction", n)
			}
			if n := got.Dropped(); n != 0 {
				t.Errorf("the capture dropped %d packets", n)
			}
		})
	}
}

// A receiver with a plain UDP socket gets the packets: addresses, ports and
// checksums are right in the kernel's eyes.
func TestKernelAcceptsPackets(t *testing.T) {
	a, b := pair(t)
	for _, sg := range []mroute.SG{flow4, flow6} {
		var fd int
		index := b.Index("eth0")
		err := b.Do(func() (err error) {
			fd, err = joinedSocket(sg.Group, index)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		for _, payload := range []string{"even", "odd"} {
			a.Send("eth0", Packet{Src: sg.Source, Group: sg.Group, Payload: []byte(payload)})
			buf := make([]byte, 100)
			n, _, err := unix.Recvfrom(fd, buf, 0)
			if err != nil || string(buf[:n]) != payload {
				t.Errorf("%v: received %q, %v, want %q", sg, buf[:max(n, 0)], err, payload)
			}
		}
	}
}

// joinedSocket opens a UDP socket on Port that is member of group, with a
// receive timeout.
func joinedSocket(group netip.Addr, index int) (int, error) {
	family := unix.AF_INET
	if group.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	timeout := unix.NsecToTimeval(deadline.Nanoseconds())
	err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout)
	if group.Is4() {
		return fd, errors.Join(err,
			unix.Bind(fd, &unix.SockaddrInet4{Port: Port}),
			unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP,
				&unix.IPMreqn{Multiaddr: group.As4(), Ifindex: int32(index)}))
	}
	return fd, errors.Join(err,
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1),
		unix.Bind(fd, &unix.SockaddrInet6{Port: Port}),
		unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP,
			&unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(index)}))
}

func TestMemberships(t *testing.T) {
	a, _ := pair(t)
	// Some files of /proc cut names after six characters.
	a.Veth("a-long-name-001", a, "a-long-name-002")
	ssm := mroute.SG{Source: flow4.Source, Group: netip.MustParseAddr("232.1.1.1")}
	for _, link := range []string{"eth0", "a-long-name-001"} {
		index := a.Index(link)
		if got := a.Memberships(link); len(got) != 0 {
			t.Errorf("%s before any join: got %v", link, got)
		}
		var fds []int
		err := a.Do(func() error {
			for _, group := range []netip.Addr{flow4.Group, flow6.Group} {
				fd, err := joinedSocket(group, index)
				if err != nil {
					return err
				}
				fds = append(fds, fd)
			}
			return unix.SetsockoptString(fds[0], unix.IPPROTO_IP, unix.MCAST_JOIN_SOURCE_GROUP,
				groupSourceReq(index, ssm.Group, ssm.Source))
		})
		if err != nil {
			t.Fatal(err)
		}
		want := []mroute.SG{{Group: flow4.Group}, ssm, {Group: flow6.Group}}
		if got := a.Memberships(link); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", link, got, want)
		}
		for _, fd := range fds {
			unix.Close(fd)
		}
		if got := a.Memberships(link); len(got) != 0 {
			t.Errorf("%s after closing the sockets: got %v", link, got)
		}
	}
}

func TestLinks(t *testing.T) {
	a, b := pair(t)
	a.Veth("eth1", b, "eth1")
	index := a.Index("eth1")
	a.Rename("eth1", "uplink")
	if a.Exists("eth1") || a.Index("uplink") != index {
		t.Error("the renamed link did not keep its index, or its old name")
	}
	a.AwaitReady("uplink")
	a.Bridge("br0", "eth0", "uplink")
	got := b.Capture("eth1")
	// eth0 of b - eth0 - br0 - uplink - eth1 of b
	b.Send("eth0", Packet{Src: flow4.Source, Group: flow4.Group})
	got.Await(flow4, 1, deadline)

	a.SetMulticast("uplink", false)
	if flags := a.link("uplink").Attrs().RawFlags; flags&unix.IFF_MULTICAST != 0 {
		t.Error("IFF_MULTICAST is still set")
	}
	a.SetMulticast("uplink", true)
	if flags := a.link("uplink").Attrs().RawFlags; flags&unix.IFF_MULTICAST == 0 {
		t.Error("IFF_MULTICAST is not set")
	}
	a.SetUp("uplink", false)
	if a.ready("uplink") {
		t.Error("a link that is down is ready")
	}
	a.SetUp("uplink", true)
	b.AwaitReady("eth1")

	// A link of the same name can be sent on after the old one was deleted.
	a.Delete("uplink")
	if a.Exists("uplink") || b.Exists("eth1") {
		t.Error("a link survived Delete")
	}
	b.Veth("eth1", a, "eth1")
	again := a.Capture("eth1")
	b.Send("eth1", Packet{Src: flow6.Source, Group: flow6.Group})
	again.Await(flow6, 1, deadline)

	a.AddAddr("eth1", netip.MustParsePrefix("10.0.0.1/24"))
	a.AddAddr("eth1", netip.MustParsePrefix("2001:db8::1/64"))
	if err := a.Do(func() error {
		for _, addr := range []unix.Sockaddr{
			&unix.SockaddrInet4{Addr: [4]byte{10, 0, 0, 1}},
			&unix.SockaddrInet6{Addr: netip.MustParseAddr("2001:db8::1").As16()},
		} {
			family := unix.AF_INET
			if _, ok := addr.(*unix.SockaddrInet6); ok {
				family = unix.AF_INET6
			}
			fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if err := unix.Bind(fd, addr); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Errorf("binding to the new addresses: %v", err)
	}
}

func TestAt(t *testing.T) {
	a, b := pair(t)
	got := b.Capture("eth0")
	At(t, a.ProcPath()).Send("eth0", Packet{Src: flow4.Source, Group: flow4.Group})
	got.Await(flow4, 1, deadline)
	if err := Run(func(tb TB) { At(tb, "/proc/self/no-such-file") }); err == nil {
		t.Error("no error for a file that does not exist")
	}
}

func TestStream(t *testing.T) {
	a, b := pair(t)
	got := b.Capture("eth0")
	began := time.Now()
	s := a.Stream(context.Background(), "eth0", Packet{Src: flow4.Source, Group: flow4.Group}, 5000)
	got.Await(flow4, 500, deadline)
	sent, err := s.Stop()
	took := time.Since(began)
	if err != nil {
		t.Fatal(err)
	}
	got.Await(flow4, int(sent), deadline)
	f := got.Flow(In, flow4)
	if gaps := f.Gaps(sent); len(gaps) > 0 || f.Packets != int(sent) {
		t.Errorf("sent %d, received %d, missing %v", sent, f.Packets, gaps)
	}
	// On a busy machine it falls behind, and catches up; it is never ahead.
	if due := 5000*took.Seconds() + 1; float64(sent) > due {
		t.Errorf("%d packets in %v, want at most %.0f: 5000 a second", sent, took, due)
	}
}

func TestCommand(t *testing.T) {
	a, b := pair(t)
	a.Rename("eth0", "only-a")
	for _, c := range []struct {
		ns   *NS
		want bool
	}{{a, true}, {b, false}} {
		out, err := c.ns.Command("cat", "/proc/self/net/dev").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if got := strings.Contains(string(out), "only-a"); got != c.want {
			t.Errorf("cat sees only-a: %v, want %v:\n%s", got, c.want, out)
		}
	}
	if out, _ := a.Command("env").Output(); strings.Contains(string(out), "NETLAB_EXEC") {
		t.Errorf("the child's environment is not clean:\n%s", out)
	}
	if err := a.Command("no-such-program").Run(); err == nil {
		t.Error("starting a program that does not exist succeeded")
	}
}

// What a program leaves running does not outlive it.
func TestIsolateKillsOrphans(t *testing.T) {
	if os.Getenv("NETLAB_ORPHAN") != "" { // in the program started below
		a := New(t)
		// The shell ends at once, so that its child is an orphan.
		out, err := a.Command("sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!").Output()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("orphan %s\n", bytes.TrimSpace(out))
		return
	}
	New(t) // skips where namespaces are not to be had
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, envInside+"=") }), "NETLAB_ORPHAN=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var pid int
	if _, err := fmt.Sscanf(string(out), "orphan %d", &pid); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := unix.Kill(pid, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("process %d still runs: %v", pid, err)
	}
}

// Whatever happens in namespaces, the process itself and new goroutines stay
// where they were.
func TestThreadsStayHome(t *testing.T) {
	home := netnsOf(t, "/proc/self/ns/net")
	a := New(t)
	for range 200 {
		err := a.Do(func() error {
			if ns, err := os.Readlink("/proc/thread-self/ns/net"); err != nil || ns == home {
				return errors.Join(err, errors.New("not inside: "+ns))
			}
			runtime.Gosched()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if ns := netnsOf(t, "/proc/thread-self/ns/net"); ns != home {
			t.Fatalf("outside of Do, a thread is in %s, want %s", ns, home)
		}
	}
	if ns := netnsOf(t, "/proc/self/ns/net"); ns != home {
		t.Errorf("the main thread is in %s, want %s", ns, home)
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		ns, err := os.Readlink("/proc/self/task/" + task.Name() + "/ns/net")
		if err == nil && ns != home { // a thread may have ended meanwhile
			Await(t, deadline, func() bool {
				now, err := os.Readlink("/proc/self/task/" + task.Name() + "/ns/net")
				return err != nil || now == home
			}, "the end of a thread in another namespace")
		}
	}
}

func netnsOf(t *testing.T, path string) string {
	t.Helper()
	ns, err := os.Readlink(path)
	if err != nil {
		t.Fatal(err)
	}
	return ns
}

func TestDoReportsGoexit(t *testing.T) {
	a := New(t)
	if err := a.Do(func() error { runtime.Goexit(); return nil }); err == nil {
		t.Error("no error")
	}
}

func TestRun(t *testing.T) {
	var order []string
	err := Run(func(tb TB) {
		tb.Cleanup(func() { order = append(order, "first") })
		tb.Cleanup(func() { order = append(order, "second") })
		tb.Fatalf("bad %d", 7)
		order = append(order, "not reached")
	})
	if err == nil || err.Error() != "bad 7" {
		t.Errorf("got error %v", err)
	}
	if want := []string{"second", "first"}; !cmp.Equal(order, want) {
		t.Errorf("got %v, want %v", order, want)
	}
	if err := Run(func(tb TB) { New(tb).Send("nowhere", Packet{}) }); err == nil {
		t.Error("sending on a missing link: no error")
	}
}
