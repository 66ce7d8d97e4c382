package linux

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// route sends one request without the help of Apply, and returns its answer.
func route(t *testing.T, s *netlinkSocket, request func(b []byte, seq uint32) []byte) syscall.Errno {
	t.Helper()
	seq := s.reserve(1)
	answer := syscall.Errno(0xffff)
	lost, err := s.transact(request(nil, seq), seq, 1, func(_ int, m uapi.Message) error {
		errno, err := m.Errno()
		answer = syscall.Errno(errno)
		return err
	})
	if lost || err != nil || answer == 0xffff {
		t.Fatalf("no answer: %v", err)
	}
	return answer
}

// Kernel note 13: RTM_NEWROUTE, from a socket that is not the table's owner,
// replaces without regard to NLM_F_EXCL, and cannot name VIF 31.
func TestRouteMessages(t *testing.T) {
	r := newRouter(t)
	sg := flow(mroute.IPv4, 1)
	req := uapi.RouteRequest{Table: uapi.DefaultTable4, Src: sg.Source, Dst: sg.Group, Iif: uint32(r.ns.Index("a"))}
	add := func(b []byte, seq uint32) []byte { return req.AppendNewRoute(b, seq, uapi.NLMFAck) }
	req.TTLs[1] = 3
	if errno := route(t, r.cmd, add); errno != 0 {
		t.Fatal(errno)
	}
	if got, want := r.entries(mroute.IPv4)[sg], (mroute.Entry{OIFs: mroute.OIFs{1: 3}}); got != want {
		t.Errorf("entry %+v, want %+v", got, want)
	}
	req.TTLs[1] = 4
	if errno := route(t, r.cmd, func(b []byte, seq uint32) []byte {
		return req.AppendNewRoute(b, seq, uapi.NLMFAck|unix.NLM_F_EXCL|unix.NLM_F_CREATE)
	}); errno != 0 {
		t.Errorf("NLM_F_EXCL is heeded: %v", errno)
	}
	if got := r.entries(mroute.IPv4)[sg].OIFs[1]; got != 4 {
		t.Errorf("threshold %d, want 4", got)
	}
	// One more output makes the list as long as the table.
	if errno := route(t, r.cmd, func(b []byte, seq uint32) []byte { return with32Hops(add(b, seq)) }); errno != unix.EINVAL {
		t.Errorf("a list of 32 outputs gives %v, want EINVAL", errno)
	}
	req.Iif = 9999
	if errno := route(t, r.cmd, add); errno != unix.ENODEV {
		t.Errorf("an input that is no link gives %v, want ENODEV", errno)
	}
	req.Iif = 1 // loopback has no VIF
	if errno := route(t, r.cmd, add); errno != unix.ENFILE {
		t.Errorf("an input without a VIF gives %v, want ENFILE", errno)
	}
}

// with32Hops replaces the RTA_MULTIPATH of a request by one with 32 outputs.
func with32Hops(b []byte) []byte {
	one := []byte{8, 0, 0, 1, 0, 0, 0, 0}
	b = b[:len(b)-4-2*len(one)] // two outputs: VIF 0 and 1
	b = append(b, byte(4+32*len(one)), byte((4+32*len(one))>>8), 9, 0)
	for range 32 {
		b = append(b, one...)
	}
	b[0], b[1] = byte(len(b)), byte(len(b)>>8)
	return b
}

// Kernel note 13: IPv6 has no RTM_NEWROUTE.
func TestNoRouteMessagesForIPv6(t *testing.T) {
	r := newRouter(t)
	sg := flow(mroute.IPv6, 1)
	if errno := route(t, r.cmd, func(b []byte, seq uint32) []byte {
		b = uapi.AppendGetRoute(b, seq, uapi.DefaultTable6, sg.Source, sg.Group)
		b[4] = uapi.RTMNewRoute
		return b
	}); errno != unix.EOPNOTSUPP {
		t.Errorf("RTM_NEWROUTE of RTNL_FAMILY_IP6MR gives %v, want EOPNOTSUPP", errno)
	}
}

// Kernel notes 1 and 2: an entry made with RTPROT_MROUTED goes with the owner,
// one made with RTPROT_STATIC outlives it.
func TestProtocolDecidesWhoOwnsAnEntry(t *testing.T) {
	r := newRouter(t)
	for n, static := range []bool{false, true} {
		sg := flow(mroute.IPv4, n)
		req := uapi.RouteRequest{Table: uapi.DefaultTable4, Src: sg.Source, Dst: sg.Group, Iif: uint32(r.ns.Index("a")), Static: static}
		if errno := route(t, r.cmd, func(b []byte, seq uint32) []byte { return req.AppendNewRoute(b, seq, uapi.NLMFAck) }); errno != 0 {
			t.Fatal(errno)
		}
	}
	batch := flowOps(mroute.IPv4, mroute.SetMFC, 100)[2:]
	r.apply(batch...)
	if got := len(r.entries(mroute.IPv4)); got != 100 {
		t.Fatalf("%d entries, want 100", got)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r.open()
	got := r.entries(mroute.IPv4)
	if _, ok := got[flow(mroute.IPv4, 1)]; !ok || len(got) != 1 {
		t.Errorf("entries after closing: %v, want the static one", got)
	}
}

// A batch is not atomic (kernel note 13), and answers of success are not asked
// for: each error must find its op, in batches of all sizes.
func TestErrorsFindTheirOps(t *testing.T) {
	eachFamily(t, func(t *testing.T, f mroute.Family) {
		r := newRouter(t)
		for _, n := range []int{1, 3, 4, setBatch - 1, setBatch, setBatch + 1, 2*setBatch + 100} {
			ops := flowOps(f, mroute.SetMFC, n)
			bad := map[int]bool{0: true, n / 2: true, n - 1: true}
			for i := range bad {
				ops[i].Entry.IIF = 32 // ENFILE
			}
			ops = append(ops, mroute.Op{Kind: mroute.DelMFC, Family: f, SG: flow(f, 9999)})
			errs := r.Apply(ops)
			if len(errs) != len(ops) {
				t.Fatalf("%d ops: %d errors", len(ops), len(errs))
			}
			for i, err := range errs {
				if bad[i] != (err != nil) || bad[i] && !errors.Is(err, unix.ENFILE) {
					t.Errorf("%d ops: op %d gives %v", len(ops), i, err)
				}
			}
			if got := len(r.entries(f)); got != n-len(bad) {
				t.Errorf("%d ops: %d entries, want %d", len(ops), got, n-len(bad))
			}
			r.apply(flowOps(f, mroute.DelMFC, n)...)
			if got := len(r.entries(f)); got != 0 {
				t.Errorf("%d entries after deleting all", got)
			}
		}
	})
}

// The same within one rtnetlink message: the input loses its VIF behind the
// back of this package.
func TestErrorsInsideBatch(t *testing.T) {
	r := newRouter(t)
	r.ns.Veth("c", r.host, "C")
	r.apply(mroute.Op{Kind: mroute.AddVIF, Family: mroute.IPv4, VIF: 2, Link: r.link("c")})
	r.ns.Delete("c")
	const n = setBatch + 40
	ops := flowOps(mroute.IPv4, mroute.SetMFC, n)
	for _, i := range []int{0, 17, setBatch - 1, setBatch, n - 1} {
		ops[i].Entry.IIF = 2
	}
	for i, err := range r.Apply(ops) {
		if want := ops[i].Entry.IIF == 2; want != errors.Is(err, kernel.ErrNoLink) || !want && err != nil {
			t.Errorf("op %d with input %d gives %v", i, ops[i].Entry.IIF, err)
		}
	}
	if got := len(r.entries(mroute.IPv4)); got != n-5 {
		t.Errorf("%d entries, want %d", got, n-5)
	}
}

// What entries of a batch have in common is written once: each must be as its op says,
// (*,G) included, wherever it differs from the one before.
func TestEntriesOfBatchDiffer(t *testing.T) {
	r := newRouter(t)
	ops := flowOps(mroute.IPv4, mroute.SetMFC, 300)
	want := map[mroute.SG]mroute.Entry{}
	for i := range ops {
		op := &ops[i]
		if i%7 == 3 {
			op.Kind, op.SG, op.Entry = mroute.DelMFC, ops[i-1].SG, mroute.Entry{}
			delete(want, op.SG)
			continue
		}
		op.Entry.IIF = mroute.VIF(i / 5 % 2)
		op.Entry.OIFs = mroute.OIFs{}
		op.Entry.OIFs[1-op.Entry.IIF] = mroute.Threshold(1 + i/11%2)
		if i%13 == 0 {
			op.SG.Source = netip.Addr{}
			op.Entry.OIFs[op.Entry.IIF] = 1
		}
		want[op.SG] = op.Entry
	}
	r.apply(ops...)
	got := r.entries(mroute.IPv4)
	for sg, e := range want {
		if !got[sg].Forwards(e) {
			t.Errorf("%v is %+v, want %+v", sg, got[sg], e)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d entries, want %d", len(got), len(want))
	}
}

// The longest message fits the send buffer.
func TestFullBatchOfFullEntries(t *testing.T) {
	r := newRouter(t)
	ops := flowOps(mroute.IPv4, mroute.SetMFC, setBatch)
	batch := make([]int, len(ops))
	for i := range ops {
		for v := range uapi.MaxNetlinkVIFs {
			ops[i].Entry.OIFs[v] = 1
		}
		batch[i] = i
	}
	if !r.netlinkMFC(ops, batch, func(int, error) {}) {
		t.Error("the kernel did not take the message")
	}
	if got := len(r.entries(mroute.IPv4)); got != len(ops) {
		t.Errorf("%d entries, want %d", got, len(ops))
	}
}

// When the answers don't fit the receive buffer, what failed is found out by
// doing the ops again one by one.
func TestLostAnswers(t *testing.T) {
	r := newRouter(t)
	if err := unix.SetsockoptInt(r.cmd.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1); err != nil {
		t.Fatal(err)
	}
	r.ns.Veth("c", r.host, "C")
	r.apply(mroute.Op{Kind: mroute.AddVIF, Family: mroute.IPv4, VIF: 2, Link: r.link("c")})
	r.ns.Delete("c")
	ops := flowOps(mroute.IPv4, mroute.SetMFC, 256)
	for i := range ops[:128] {
		ops[i].Entry.IIF = 2 // the kernel does not mind when asked by setsockopt
	}
	failed := 0
	batch := make([]int, len(ops))
	for i := range batch {
		batch[i] = i
	}
	if r.netlinkMFC(ops, batch, func(int, error) { failed++ }) {
		t.Fatal("128 answers fit the smallest receive buffer; the test needs more")
	}
	if failed == 0 || failed == 128 {
		t.Fatalf("%d errors arrived, want some but not all", failed)
	}
	r.apply(ops[128:]...)
	if got := len(r.entries(mroute.IPv4)); got != 128 {
		t.Errorf("%d entries, want 128", got)
	}
}

// Ops of different kinds keep their order though entries are put off.
func TestOrderIsKept(t *testing.T) {
	r := newRouter(t)
	f := mroute.IPv4
	r.ns.Veth("c", r.host, "C")
	ops := flowOps(f, mroute.SetMFC, 10)
	for i := range ops {
		ops[i].Entry.OIFs[2] = 1
	}
	add := mroute.Op{Kind: mroute.AddVIF, Family: f, VIF: 2, Link: r.link("c")}
	del := mroute.Op{Kind: mroute.DelVIF, Family: f, VIF: 2}
	// Outputs without a VIF are forgotten when the entry is set (note 6).
	r.apply(append(append(ops[:5:5], add), ops[5:]...)...)
	for i, op := range ops {
		if got := r.entries(f)[op.SG].OIFs[2]; (got == 1) != (i >= 5) {
			t.Errorf("entry %d has output 2 with threshold %d", i, got)
		}
	}
	r.apply(append(append([]mroute.Op{del}, ops...), add)...)
	for i, op := range ops {
		if got := r.entries(f)[op.SG].OIFs[2]; got != 0 {
			t.Errorf("entry %d has output 2, which did not exist when it was set", i)
		}
	}
}

// Entries with VIF 31 as output are kept out of rtnetlink messages, which cannot
// name it (kernel note 13), among others that are in one.
func TestVIF31InBatch(t *testing.T) {
	r := newRouter(t)
	r.ns.Veth("c", r.host, "C")
	r.apply(mroute.Op{Kind: mroute.AddVIF, Family: mroute.IPv4, VIF: 31, Link: r.link("c")})
	ops := flowOps(mroute.IPv4, mroute.SetMFC, 40)
	for i := range ops {
		switch {
		case i%10 > 4:
			ops[i].Entry.OIFs[31] = 2
		case i%2 == 0:
			ops[i].Entry.IIF = 31
		}
	}
	r.apply(ops...)
	got := r.entries(mroute.IPv4)
	for i, op := range ops {
		if got[op.SG] != op.Entry {
			t.Errorf("entry %d is %+v, want %+v", i, got[op.SG], op.Entry)
		}
	}
}

// struct mif6ctl has 16 bits for the ifindex.
func TestHighIfindex(t *testing.T) {
	r := newRouter(t)
	const index = 70_000
	if err := r.ns.Do(func() error {
		return netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "high", Index: index}})
	}); err != nil {
		t.Fatal(err)
	}
	errs := r.Apply([]mroute.Op{
		{Kind: mroute.AddVIF, Family: mroute.IPv4, VIF: 2, Link: r.link("high")},
		{Kind: mroute.AddVIF, Family: mroute.IPv6, VIF: 2, Link: r.link("high")},
	})
	if len(errs) != 2 || errs[0] != nil || !errors.Is(errs[1], kernel.ErrNotSupported) {
		t.Fatalf("errors %v, want one for IPv6", errs)
	}
	t.Log(errs[1])
	d, err := r.Dump(mroute.IPv4)
	if err != nil || d.VIFs[2] != index {
		t.Errorf("VIFs %v, %v, want 2 with index %d", d.VIFs, err, index)
	}
}

// A link moved to another namespace and back has its old ifindex but no VIF.
func TestMovedLinkLosesItsVIF(t *testing.T) {
	r := newRouter(t)
	ops := flowOps(mroute.IPv4, mroute.SetMFC, 8)
	r.apply(ops...)
	before := r.ns.Index("a")
	if err := moveThereAndBack(r, "a"); err != nil {
		t.Fatal(err)
	}
	if after := r.ns.Index("a"); after != before {
		t.Skipf("the index of the link changed from %d to %d: this kernel gives out new ones", before, after)
	}
	for i, err := range r.Apply(ops) {
		if !errors.Is(err, kernel.ErrNoLink) {
			t.Errorf("op %d gives %v, want ErrNoLink", i, err)
		}
	}
	// With another number it must not be taken for the old one.
	r.apply(mroute.Op{Kind: mroute.AddVIF, Family: mroute.IPv4, VIF: 5, Link: r.link("a")})
	r.apply(ops...)
	for sg, e := range r.entries(mroute.IPv4) {
		if e.IIF != mroute.NoVIF {
			t.Errorf("%v has input %d, want none", sg, e.IIF)
		}
	}
}

// moveThereAndBack moves a link through a namespace that has no other, so that
// its ifindex is free there.
func moveThereAndBack(r *router, name string) error {
	away := netlab.New(r.t)
	move := func(from, to *netlab.NS) error {
		fd, err := unix.Open(to.Path(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return from.Do(func() error {
			link, err := netlink.LinkByName(name)
			if err != nil {
				return err
			}
			return netlink.LinkSetNsFd(link, fd)
		})
	}
	if err := move(r.ns, away); err != nil {
		return err
	}
	return move(away, r.ns)
}
