package sim

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// What the real kernel can show too is in the contract, package kerneltest.
// Here is the rest: what only a simulator offers, and facts that take the real
// one long.

func flow(source, group string) mroute.SG {
	sg := mroute.SG{Group: netip.MustParseAddr(group)}
	if source != "*" {
		sg.Source = netip.MustParseAddr(source)
	}
	return sg
}

var (
	flow4 = flow("10.0.0.1", "225.1.1.1")
	flow6 = flow("2001:db8::1", "ff3e::1")
)

func addVIF(f mroute.Family, v mroute.VIF, link int) mroute.Op {
	return mroute.Op{Kind: mroute.AddVIF, Family: f, VIF: v, Link: mroute.LinkRef{Index: link, Name: "link"}}
}

func setMFC(sg mroute.SG, e mroute.Entry) mroute.Op {
	return mroute.Op{Kind: mroute.SetMFC, Family: sg.Family(), SG: sg, Entry: e}
}

func join(sg mroute.SG, link int) mroute.Op {
	return mroute.Op{Kind: mroute.JoinGroup, Family: sg.Family(), SG: sg, Link: mroute.LinkRef{Index: link, Name: "link"}}
}

func mustApply(t *testing.T, k *Kernel, ops ...mroute.Op) {
	t.Helper()
	if errs := k.Apply(ops); errs != nil {
		t.Fatal(errors.Join(errs...))
	}
}

func mustOpen(t *testing.T, h *Host) *Kernel {
	t.Helper()
	k, err := h.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// router is a host with the links a and b as VIFs 0 and 1 of both families.
func router(t *testing.T) (*Host, *Kernel) {
	t.Helper()
	h := New()
	a, b := h.AddLink("a"), h.AddLink("b")
	k := mustOpen(t, h)
	for _, f := range mroute.Families {
		mustApply(t, k, addVIF(f, 0, a), addVIF(f, 1, b))
	}
	return h, k
}

func TestString(t *testing.T) {
	h, k := router(t)
	c := h.Insert(mroute.Link{Name: "c", Multicast: true})
	mustApply(t, k,
		addVIF(mroute.IPv4, 2, c),
		setMFC(flow4, mroute.Entry{IIF: 0, OIFs: mroute.OIFs{1: 1, 2: 9}}),
		setMFC(flow6, mroute.Entry{IIF: 0}),
		setMFC(flow("*", "225.1.1.2"), mroute.Entry{IIF: 2, OIFs: mroute.OIFs{2: 1}}),
		setMFC(flow("10.0.0.3", "225.1.1.1"), mroute.Entry{IIF: 1}),
		setMFC(flow("10.0.0.2", "225.1.1.3"), mroute.Entry{IIF: 1}),
		setMFC(flow("10.0.0.2", "225.1.1.1"), mroute.Entry{IIF: 1}),
		join(flow4, c), join(flow("*", "225.1.1.1"), 2),
	)
	h.DeleteLink("c")
	h.Send("b", flow("10.0.0.1", "225.9.9.9"), 5, h.Now())
	other, err := h.Open(7)
	if err != nil {
		t.Fatal(err)
	}
	mustApply(t, other, addVIF(mroute.IPv6, 3, 3))
	guest, err := h.OpenGuest(7)
	if err != nil {
		t.Fatal(err)
	}
	mustApply(t, guest, setMFC(flow6, mroute.Entry{IIF: 3}))
	want := `link 1 lo nomulticast loopback
link 2 a
link 3 b
IPv4 vif 0 a
IPv4 vif 1 b
IPv4 mfc (10.0.0.1, 225.1.1.1) a -> b 2?:9
IPv4 mfc (10.0.0.2, 225.1.1.1) b ->
IPv4 mfc (10.0.0.3, 225.1.1.1) b ->
IPv4 mfc (*, 225.1.1.2) 2? -> 2?
IPv4 mfc (10.0.0.2, 225.1.1.3) b ->
IPv4 waiting (10.0.0.1, 225.9.9.9) 1
IPv6 vif 0 a
IPv6 vif 1 b
IPv6 mfc (2001:db8::1, ff3e::1) a ->
IPv6 table 7 vif 3 b
IPv6 table 7 mfc (2001:db8::1, ff3e::1) b -> static
member a (*, 225.1.1.1)
`
	if diff := cmp.Diff(want, h.String()); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
}

func TestSendSaysWhereAPacketLeaves(t *testing.T) {
	h, k := router(t)
	if out := h.Send("a", flow4, 5, h.Now()); out != nil {
		t.Errorf("without an entry a packet leaves through %v", out)
	}
	want := []mroute.Upcall{{Kind: mroute.NoCache, SG: flow4, VIF: 0}}
	if got := h.Upcalls(); !slices.Equal(got, want) {
		t.Errorf("upcalls %v, want %v", got, want)
	}
	if got := h.Upcalls(); got != nil {
		t.Errorf("upcalls read twice: %v", got)
	}
	mustApply(t, k, setMFC(flow4, mroute.Entry{IIF: 0, OIFs: mroute.OIFs{0: 1, 1: 3}}))
	for ttl, want := range map[uint8][]string{1: nil, 3: {"a"}, 4: {"a", "b"}} {
		if got := h.Outputs("a", flow4, ttl); !slices.Equal(got, want) {
			t.Errorf("with TTL %d Outputs gives %v, want %v", ttl, got, want)
		}
	}
	if got := h.Departed("a", flow4); got != 1 { // the one that waited
		t.Errorf("%d packets left through a, want 1: Outputs must not send", got)
	}
	if got := h.Send("a", flow4, 4, h.Now()); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("a packet left through %v", got)
	}
	if got := h.Outputs("b", flow4, 64); got != nil {
		t.Errorf("from the wrong interface a packet leaves through %v", got)
	}
}

func TestWaitingPacketsExpire(t *testing.T) {
	h, k := router(t)
	start := h.Now()
	h.Send("a", flow4, 5, start)
	h.Send("a", flow4, 5, start.Add(queueTime-1))
	if got := h.Upcalls(); len(got) != 1 {
		t.Errorf("upcalls %v, want one", got)
	}
	h.Send("a", flow4, 5, start.Add(queueTime))
	if got := h.Upcalls(); len(got) != 1 {
		t.Errorf("upcalls %v, want one for what came after the first were dropped", got)
	}
	mustApply(t, k, setMFC(flow4, mroute.Entry{IIF: 0, OIFs: mroute.OIFs{1: 1}}))
	if got := h.Departed("b", flow4); got != 1 {
		t.Errorf("%d packets were released, want 1", got)
	}
}

// Unread upcalls fill the owner's socket; flows that find it full don't wait.
// Measured on Linux 6.18.
func TestUpcallBacklog(t *testing.T) {
	h, _ := router(t)
	send := func(from byte) {
		for i := range 300 {
			sg := flow4
			sg.Group = netip.AddrFrom4([4]byte{225, from, byte(i >> 8), byte(i)})
			h.Send("a", sg, 5, h.Now())
		}
	}
	send(1)
	if got := len(h.Upcalls()); got != 256 {
		t.Errorf("%d upcalls unread, want 256", got)
	}
	send(2)
	if got := len(h.Upcalls()); got != 256 {
		t.Errorf("%d upcalls after those were read, want 256", got)
	}
	if got := strings.Count(h.String(), "waiting"); got != 512 {
		t.Errorf("%d flows wait, want 512", got)
	}
}

// What a program adds without owning the table survives everybody, and works
// while anybody owns any table of the family. Seen so on Linux 6.18.
func TestGuestsEntriesAreStatic(t *testing.T) {
	h, owner := router(t)
	guest, err := h.OpenGuest(0)
	if err != nil {
		t.Fatal(err)
	}
	entry := mroute.Entry{IIF: 2, OIFs: mroute.OIFs{3: 1}}
	c, d := h.AddLink("c"), h.AddLink("d")
	mustApply(t, guest, addVIF(mroute.IPv4, 2, c), addVIF(mroute.IPv4, 3, d), setMFC(flow4, entry))
	mustApply(t, owner, setMFC(flow4, entry)) // stays static
	mustApply(t, owner, setMFC(flow("10.0.0.2", "225.1.1.1"), entry))
	check := func(when string, want []string) {
		t.Helper()
		if got := h.Send("c", flow4, 5, h.Now()); !slices.Equal(got, want) {
			t.Errorf("%s a packet leaves through %v, want %v", when, got, want)
		}
	}
	check("with all", []string{"d"})
	guest.Close()
	check("without the guest", []string{"d"})
	owner.Close()
	check("without an owner", nil)
	if s := h.String(); strings.Contains(s, "10.0.0.2") || strings.Contains(s, "vif 0") || !strings.Contains(s, "vif 3 d static") {
		t.Errorf("after the owner's end:\n%s", s)
	}
	other, err := h.Open(77)
	if err != nil {
		t.Fatal(err)
	}
	check("with the owner of another table", []string{"d"})
	other.Close()
	check("without that", nil)
	next := mustOpen(t, h)
	check("with a new owner", []string{"d"})
	mustApply(t, next, mroute.Op{Kind: mroute.DelMFC, Family: mroute.IPv4, SG: flow4})
	check("when the new owner deleted the entry", nil)
}

func TestGoneLinksIndexComesBack(t *testing.T) {
	h := New()
	a := h.AddLink("a")
	if b := h.AddLink("b"); b == a {
		t.Fatalf("two links have index %d", a)
	}
	k := mustOpen(t, h)
	mustApply(t, k, join(flow4, a), addVIF(mroute.IPv4, 0, a))
	h.DeleteLink("a")
	if c := h.AddLink("c"); c == a {
		t.Errorf("index %d was given again unasked", a)
	}
	h.Insert(mroute.Link{Index: a, Name: "again", Up: true, Multicast: true})
	if got := h.Memberships("again"); got != nil {
		t.Errorf("a new link with an old index has the memberships %v", got)
	}
	if d, err := k.Dump(mroute.IPv4); err != nil || len(d.VIFs) != 0 {
		t.Errorf("and the VIFs %v, %v", d.VIFs, err)
	}
	if names := linkNames(h); !slices.Equal(names, []string{"lo", "again", "b", "c"}) {
		t.Errorf("links are %v, want them by index", names)
	}
}

func linkNames(h *Host) (names []string) {
	for _, l := range h.Links() {
		names = append(names, l.Name)
	}
	return names
}

func TestFail(t *testing.T) {
	h, k := router(t)
	ready := &kernel.Error{Op: "AddVIF", Object: "x", Errno: syscall.ENOMEM}
	for _, test := range []struct {
		give  error
		is    error
		errno syscall.Errno
	}{
		{syscall.ENOBUFS, syscall.ENOBUFS, syscall.ENOBUFS},
		{kernel.ErrLimit, kernel.ErrLimit, 0},
		{ready, ready, syscall.ENOMEM},
	} {
		h.Fail(func(op mroute.Op) error {
			if op.Kind == mroute.SetMFC {
				return test.give
			}
			return nil
		})
		errs := k.Apply([]mroute.Op{setMFC(flow4, mroute.Entry{}), join(flow4, 2)})
		var known *kernel.Error
		if len(errs) != 2 || !errors.Is(errs[0], test.is) || !errors.As(errs[0], &known) || known.Errno != test.errno || errs[1] != nil {
			t.Errorf("Apply gives %v, want a *kernel.Error of %v for the first op only", errs, test.give)
		}
		if d, _ := k.Dump(mroute.IPv4); len(d.Entries) != 0 {
			t.Errorf("an op that failed has left %v", d.Entries)
		}
	}
	h.Fail(nil)
	mustApply(t, k, setMFC(flow4, mroute.Entry{}))
}

func TestLimitMemberships(t *testing.T) {
	h, k := router(t)
	h.LimitMemberships(1)
	mustApply(t, k, join(flow4, 2), join(flow4, 2))
	if errs := k.Apply([]mroute.Op{join(flow4, 3)}); len(errs) != 1 || !errors.Is(errs[0], kernel.ErrLimit) {
		t.Errorf("a join beyond the limit gives %v, want ErrLimit", errs)
	}
	mustApply(t, k, mroute.Op{Kind: mroute.LeaveGroup, Family: mroute.IPv4, SG: flow4, Link: mroute.LinkRef{Index: 2}}, join(flow4, 3))
}

func TestLackOfAFamily(t *testing.T) {
	h := New()
	h.Lack(mroute.IPv6)
	k := mustOpen(t, h)
	if err := k.FamilyErr(mroute.IPv4); err != nil {
		t.Errorf("IPv4: %v", err)
	}
	if err := k.FamilyErr(mroute.IPv6); !errors.Is(err, kernel.ErrNotSupported) {
		t.Errorf("IPv6: %v, want ErrNotSupported", err)
	}
	if errs := k.Apply([]mroute.Op{setMFC(flow6, mroute.Entry{}), setMFC(flow4, mroute.Entry{})}); len(errs) != 2 || !errors.Is(errs[0], kernel.ErrNotSupported) || errs[1] != nil {
		t.Errorf("Apply gives %v, want ErrNotSupported for IPv6 only", errs)
	}
	k.Close()
	h.Lack(mroute.IPv4)
	if _, err := h.Open(0); !errors.Is(err, kernel.ErrNotSupported) {
		t.Errorf("without both families: %v, want ErrNotSupported", err)
	}
}

func TestAFamilyOfAnotherOwner(t *testing.T) {
	h := New()
	h.Lack(mroute.IPv6)
	mustOpen(t, h)
	h.Support(mroute.IPv6)
	k := mustOpen(t, h)
	if err := k.FamilyErr(mroute.IPv4); !errors.Is(err, kernel.ErrTableBusy) {
		t.Errorf("IPv4: %v, want ErrTableBusy", err)
	}
	if err := k.FamilyErr(mroute.IPv6); err != nil {
		t.Errorf("IPv6: %v", err)
	}
}

func TestUseAfterCloseFails(t *testing.T) {
	_, k := router(t)
	k.Close()
	if errs := k.Apply([]mroute.Op{setMFC(flow4, mroute.Entry{})}); len(errs) != 1 || !errors.Is(errs[0], syscall.EBADF) {
		t.Errorf("Apply after Close gives %v, want EBADF", errs)
	}
	if _, err := k.Dump(mroute.IPv4); !errors.Is(err, syscall.EBADF) {
		t.Errorf("Dump after Close gives %v, want EBADF", err)
	}
	if err := k.Close(); err != nil {
		t.Errorf("a second Close gives %v", err)
	}
}

// A clone is the same, and apart.
func TestClone(t *testing.T) {
	h, k := router(t)
	mustApply(t, k, setMFC(flow4, mroute.Entry{IIF: 0, OIFs: mroute.OIFs{1: 1}}), join(flow4, 2))
	h.Send("a", flow6, 5, h.Now())
	h.Advance(time.Second)
	before := h.String()

	c := h.Clone()
	if got := c.String(); got != before {
		t.Fatalf("the clone is\n%s\nof\n%s", got, before)
	}
	ck := c.Kernels()[0]
	c.AddLink("c")
	mustApply(t, ck,
		setMFC(flow4, mroute.Entry{IIF: 1}), setMFC(flow6, mroute.Entry{IIF: 0}),
		join(flow6, 3), mroute.Op{Kind: mroute.DelVIF, Family: mroute.IPv4, VIF: 1},
	)
	c.Send("b", flow4, 5, c.Now())
	c.Advance(time.Minute)
	if got := len(c.Upcalls()); got != 1 {
		t.Errorf("%d upcalls in the clone, want that of IPv6", got)
	}
	if got := h.String(); got != before {
		t.Errorf("the original has changed from\n%s\nto\n%s", before, got)
	}
	if got := len(h.Upcalls()); got != 1 {
		t.Errorf("%d upcalls in the original, want 1", got)
	}
	if _, err := c.Open(0); !errors.Is(err, kernel.ErrTableBusy) {
		t.Errorf("the clone's table can be claimed: %v", err)
	}
	ck.Close()
	if d, err := k.Dump(mroute.IPv4); err != nil || len(d.Entries) != 1 {
		t.Errorf("after closing the clone the original has %v, %v", d, err)
	}
}

// Packets that wait when a clone is made go their own ways.
func TestCloneOfWaitingPackets(t *testing.T) {
	h, k := router(t)
	for range 3 {
		h.Send("a", flow4, 5, h.Now())
	}
	c := h.Clone()
	c.Send("a", flow4, 5, c.Now())
	h.Send("b", flow4, 5, h.Now())
	set := setMFC(flow4, mroute.Entry{IIF: 0, OIFs: mroute.OIFs{1: 1}})
	mustApply(t, k, set)
	mustApply(t, c.Kernels()[0], set)
	if got := [2]int{h.Departed("b", flow4), c.Departed("b", flow4)}; got != [2]int{3, 4} {
		t.Errorf("%d packets left the original and the clone, want 3 and 4", got)
	}
}

func TestTimeNeverGoesBack(t *testing.T) {
	h, k := router(t)
	mustApply(t, k, setMFC(flow4, mroute.Entry{IIF: 0, OIFs: mroute.OIFs{1: 1}}))
	at := h.Now().Add(time.Minute)
	h.Send("a", flow4, 5, at)
	h.Send("a", flow4, 5, at.Add(-time.Hour))
	if got := h.Now(); got != at {
		t.Errorf("time is %v, want %v", got, at)
	}
	h.Advance(7 * time.Second)
	var out [1]mroute.Counters
	if err := k.Counters(mroute.IPv4, []mroute.SG{flow4}, out[:]); err != nil || out[0] != (mroute.Counters{Packets: 2, Bytes: 2 * PacketSize, Idle: 7 * time.Second}) {
		t.Errorf("counters %+v, %v", out[0], err)
	}
}

func TestUnknownLinkPanics(t *testing.T) {
	defer func() {
		if got := recover(); got != `sim: there is no link "x"` {
			t.Errorf("panic %v", got)
		}
	}()
	New().DeleteLink("x")
}

func BenchmarkTransition(b *testing.B) {
	h := New()
	a, c := h.AddLink("a"), h.AddLink("c")
	k, err := h.Open(0)
	if err != nil {
		b.Fatal(err)
	}
	k.Apply([]mroute.Op{addVIF(mroute.IPv4, 0, a), addVIF(mroute.IPv4, 1, c)})
	ops := []mroute.Op{setMFC(flow4, mroute.Entry{IIF: 0, OIFs: mroute.OIFs{1: 1}})}
	b.ReportAllocs()
	for b.Loop() {
		k.Apply(ops)
		h.Send("a", flow4, 5, h.Now())
		h.Upcalls()
	}
}
