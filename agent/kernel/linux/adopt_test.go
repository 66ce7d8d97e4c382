package linux

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/keep"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// spyStore is a store that notes what is put into it.
type spyStore struct {
	keep.Memory
	flush   map[string]bool // what was said last
	refuses bool
}

func (s *spyStore) Put(name string, fd int, flush bool) error {
	if s.flush == nil {
		s.flush = map[string]bool{}
	}
	s.flush[name] = flush
	if s.refuses {
		return errors.New("no room")
	}
	return s.Memory.Put(name, fd, flush)
}

// keptRouter is a router whose tables outlive its kernel.
type keptRouter struct {
	*router
	store   *spyStore
	keeping keep.Keeping
	log     bytes.Buffer
}

func newKeptRouter(t testing.TB, static bool) *keptRouter {
	r := newRouter(t)
	_ = r.Close()
	k := &keptRouter{router: r, store: &spyStore{}}
	k.keeping = keep.Keeping{Store: k.store, Static: static, Records: keep.NewRecords(filepath.Join(t.TempDir(), "records"))}
	return k
}

// adopt opens a table, and makes VIFs if there are none.
func (r *keptRouter) adopt(table uint32) *Kernel {
	r.t.Helper()
	k, err := Open(Options{NetNS: r.ns.Path(), Table: table, Keep: &r.keeping, Log: slog.New(slog.NewTextHandler(&r.log, nil))})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = k.Close() })
	for _, f := range mroute.Families {
		if err := k.FamilyErr(f); err != nil {
			r.t.Fatal(err)
		}
		if h := k.Held(f); !h.Empty() {
			continue
		}
		for v, name := range []string{"a", "b"} {
			mustApply(r.t, k, mroute.Op{Kind: mroute.AddVIF, Family: f, VIF: mroute.VIF(v), Link: r.link(name)})
		}
	}
	return k
}

func (r *keptRouter) detach(k *Kernel) {
	r.t.Helper()
	if err := k.Detach(); err != nil {
		r.t.Fatal(err)
	}
}

// What a store holds under the name of an owner need not be one.
func TestUselessSocketsAreNotAdopted(t *testing.T) {
	eachFamily(t, func(t *testing.T, f mroute.Family) {
		for what, open := range map[string]func(r *keptRouter) (int, error){
			"no raw socket": func(*keptRouter) (int, error) { return unix.Socket(domain(f), unix.SOCK_DGRAM, 0) },
			"no raw socket of": func(*keptRouter) (int, error) {
				var p [2]int
				err := unix.Pipe(p[:])
				_ = unix.Close(p[1])
				return p[0], err
			},
			"does not own": func(r *keptRouter) (fd int, err error) {
				err = r.ns.Do(func() error {
					fd, err = rawSocket(f)
					return err
				})
				return fd, err
			},
			"another network namespace": func(r *keptRouter) (fd int, err error) {
				err = r.host.Do(func() error {
					if fd, err = rawSocket(f); err != nil {
						return err
					}
					return unix.SetsockoptInt(fd, level(f), uapi.MRTInit, 1)
				})
				return fd, err
			},
		} {
			r := newKeptRouter(t, false)
			r.detach(r.adopt(0))
			name := ""
			for _, n := range r.store.Names() {
				if strings.HasSuffix(n, f.String()+"/owner") {
					name = n
				}
			}
			fd, err := open(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.store.Put(name, fd, false); err != nil {
				t.Fatal(err)
			}
			_ = unix.Close(fd)
			r.log.Reset()
			k := r.adopt(0) // makes the VIFs
			if d, err := k.Dump(f); err != nil || len(d.VIFs) != 2 {
				t.Errorf("%s: the table is %+v, %v", what, d, err)
			}
			if !strings.Contains(r.log.String(), what) {
				t.Errorf("the log is %q, want %q", r.log.String(), what)
			}
			r.detach(k)
			k = r.adopt(0)
			if h := k.Held(f); !h.Own || len(h.VIFs) != 2 {
				t.Errorf("%s: held is %+v then", what, h)
			}
		}
	})
}

// Whoever had the socket meanwhile may have it block: the flag is one for all of
// its descriptors.
func TestAdoptedSocketDoesNotBlock(t *testing.T) {
	r := newKeptRouter(t, false)
	r.detach(r.adopt(0))
	for _, name := range r.store.Names() {
		f := r.store.Get(name)
		fd, err := duplicate(f)
		_ = f.Close()
		if err == nil {
			err = unix.SetNonblock(fd, false)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
	}
	k := r.adopt(0)
	for _, f := range mroute.Families {
		if flags, err := unix.FcntlInt(uintptr(k.owner(f).fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("the socket of %v blocks: flags %#x, %v", f, flags, err)
		}
	}
}

// The keeper may empty a table in the end if nobody else has anything in it.
func TestFlushIsAllowed(t *testing.T) {
	eachFamily(t, func(t *testing.T, f mroute.Family) {
		said := func(r *keptRouter) (said []bool) {
			for name, flush := range r.store.flush {
				if strings.HasSuffix(name, f.String()+"/owner") {
					said = append(said, flush)
				}
			}
			return said
		}
		for _, tt := range []struct {
			name            string
			static, guest   bool
			foreign         []mroute.SG
			opened, settled bool
		}{
			{name: "static", static: true, opened: true, settled: true},
			{name: "not static"},
			{name: "foreign", static: true, opened: true, foreign: []mroute.SG{flow(f, 1)}},
			{name: "unknown", static: true, guest: true, settled: true},
		} {
			r := newKeptRouter(t, tt.static)
			if tt.guest {
				w := &world{t: t, router: r.ns}
				w.Guest(0, mroute.Op{Kind: mroute.AddVIF, Family: f, VIF: 4, Link: r.link("b")})
			}
			k := r.adopt(0)
			if got := said(r); !slices.Equal(got, []bool{tt.opened}) {
				t.Errorf("%s: flush is %v at first, want %v", tt.name, got, tt.opened)
			}
			if err := k.Settle(f, tt.foreign); err != nil {
				t.Error(err)
			}
			if got := said(r); !slices.Equal(got, []bool{tt.settled}) {
				t.Errorf("%s: flush is %v when settled, want %v", tt.name, got, tt.settled)
			}
		}
	})
}

// A store without room is a warning, once.
func TestStoreWithoutRoom(t *testing.T) {
	r := newKeptRouter(t, true)
	r.store.refuses = true
	k := r.adopt(0)
	r.Kernel = k
	for _, f := range mroute.Families {
		mustApply(t, k, append(flowOps(f, mroute.SetMFC, 10), r.joins(f, mroute.JoinGroup, 30, false)...)...)
	}
	if got := strings.Count(r.log.String(), "no room"); got != 1 {
		t.Errorf("the log has it %d times: %s", got, r.log.String())
	}
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	if d := r.adopt(0).Held(mroute.IPv4); !d.Empty() {
		t.Errorf("after Close the table holds %+v", d)
	}
}

// Sockets with memberships come into the store and leave it one by one.
func TestMembershipsInStore(t *testing.T) {
	eachFamily(t, func(t *testing.T, f mroute.Family) {
		r := newKeptRouter(t, true)
		k := r.adopt(0)
		r.Kernel = k
		owners := len(r.store.Names())
		const n = 200
		join, leave := r.joins(f, mroute.JoinGroup, n, false), r.joins(f, mroute.LeaveGroup, n, false)
		mustApply(t, k, join...)
		if got, want := len(r.store.Names())-owners, r.sockets(f); got != want || want < 3 {
			t.Errorf("%d sockets in the store, want %d", got, want)
		}
		mustApply(t, k, leave[:n-1]...)
		if got := len(r.store.Names()) - owners; got != 1 {
			t.Errorf("%d sockets in the store for one membership", got)
		}
		mustApply(t, k, leave[n-1])
		if got := len(r.store.Names()) - owners; got != 0 {
			t.Errorf("%d sockets in the store for no membership", got)
		}
		if got := r.ns.Memberships("b"); len(got) != 0 {
			t.Errorf("%v are joined", got)
		}
		mustApply(t, k, join...)
		r.detach(k)
		k = r.adopt(0)
		mustApply(t, k, join[0])
		if err := k.Close(); err != nil { // before anything was settled
			t.Error(err)
		}
		if got := r.store.Names(); len(got) != 0 {
			t.Errorf("after Close the store holds %v", got)
		}
		if got := r.ns.Memberships("b"); len(got) != 0 {
			t.Errorf("after Close %v are joined", got)
		}
	})
}

// MIFs are found with entries of no use, which nobody sees: neither in a dump,
// nor afterwards, nor of a process that was killed with them.
func TestMIFsAreFound(t *testing.T) {
	for _, table := range []uint32{0, 7} {
		r := newKeptRouter(t, true)
		k := r.adopt(table)
		r.ns.Veth("c", r.host, "C")
		mustApply(t, k,
			mroute.Op{Kind: mroute.AddVIF, Family: mroute.IPv6, VIF: 31, Link: r.link("c")},
			mroute.Op{Kind: mroute.DelVIF, Family: mroute.IPv6, VIF: 0})
		want := map[mroute.VIF]int{1: r.ns.Index("b"), 31: r.ns.Index("c")}
		if errno := k.probe(k.owner(mroute.IPv6), 31, uapi.MRTAddMFC); errno != 0 {
			t.Fatal(errno)
		}
		if errno := k.probe(k.owner(mroute.IPv6), 5, uapi.MRTAddMFC); errno != 0 { // of a MIF that is gone
			t.Fatal(errno)
		}
		if d, err := k.Dump(mroute.IPv6); err != nil || len(d.Entries) != 0 {
			t.Errorf("the dump shows probes: %+v, %v", d, err)
		}
		r.detach(k)
		for _, older := range []bool{false, true} {
			k = r.adopt(table)
			o := k.owner(mroute.IPv6)
			o.noGetRoute = older
			vifs, err := k.findMIFs(o)
			if err != nil || vifs != [mroute.MaxVIFs]int32{1: int32(want[1]), 31: int32(want[31])} {
				t.Errorf("older kernel %v: the MIFs are %v, %v", older, vifs, err)
			}
			if h := k.Held(mroute.IPv6); !maps.Equal(h.VIFs, want) || len(h.Entries) != 0 {
				t.Errorf("held is %+v, want the MIFs %v", h, want)
			}
			if err := k.eachRoute(mroute.IPv6, func(r *uapi.Route) { t.Errorf("%v is left", r.Dst) }); err != nil {
				t.Error(err)
			}
			r.detach(k)
		}
	}
}

// Kernel note 53: on its own table an owner needs no capability.
func TestFlushNeedsNoCapability(t *testing.T) {
	eachFamily(t, func(t *testing.T, f mroute.Family) {
		r := newKeptRouter(t, true)
		k := r.adopt(0)
		mustApply(t, k, flowOps(f, mroute.SetMFC, 10)...)
		o := k.owner(f)
		guest, own := errors.New("not tried"), errors.New("not tried")
		done := make(chan error)
		go func() {
			runtime.LockOSThread() // for good: the thread ends with the goroutine
			header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			var none [2]unix.CapUserData
			err := unix.Capset(&header, &none[0])
			if err == nil {
				guest, own = flushAll(f, o.guest), flushAll(f, o.fd)
			}
			done <- err
		}()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if guest != unix.EACCES || own != nil {
			t.Errorf("MRT_FLUSH without capabilities gives %v to the owner and %v to others, want none and EACCES", own, guest)
		}
		if d, err := k.Dump(f); err != nil || len(d.Entries)+len(d.VIFs) != 0 {
			t.Errorf("the table is %+v, %v", d, err)
		}
	})
}

// Another owner's table is busy, and the store is left as it is.
func TestBusyTableIsNotAdopted(t *testing.T) {
	r := newKeptRouter(t, true)
	k, err := Open(Options{NetNS: r.ns.Path()})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if _, err := Open(Options{NetNS: r.ns.Path(), Keep: &r.keeping}); !errors.Is(err, kernel.ErrTableBusy) {
		t.Errorf("opening a busy table gives %v", err)
	}
	if got := append(r.store.Names(), r.keeping.Records.Tables()...); len(got) != 0 {
		t.Errorf("kept are %v", got)
	}
}

// BenchmarkAdopt opens a table of 10,000 entries that was left.
func BenchmarkAdopt(b *testing.B) {
	const n = 10_000
	r := newKeptRouter(b, true)
	k := r.adopt(0)
	for _, f := range mroute.Families {
		mustApply(b, k, flowOps(f, mroute.SetMFC, n)...)
	}
	for b.Loop() {
		r.detach(k)
		k = r.adopt(0)
		for _, f := range mroute.Families {
			if h := k.Held(f); len(h.Entries) != n {
				b.Fatalf("%d entries", len(h.Entries))
			}
		}
	}
}

// The kernel tells in several messages of the VIFs of many tables, and breaks off
// within a table. What is held is whole nevertheless.
func TestFullTablesAreAdopted(t *testing.T) {
	r := newKeptRouter(t, false)
	var vifs []mroute.Op
	held := map[mroute.VIF]int{}
	for v := range mroute.VIF(mroute.MaxVIFs) {
		name := map[mroute.VIF]string{0: "a", 1: "b"}[v]
		if name == "" {
			name = fmt.Sprint("c", v)
			r.ns.Veth(name, r.host, strings.ToUpper(name))
		}
		held[v] = r.ns.Index(name)
		vifs = append(vifs, mroute.Op{Kind: mroute.AddVIF, Family: mroute.IPv4, VIF: v, Link: r.link(name)})
	}
	tables := []uint32{0, 11, 12, 13}
	for _, table := range tables {
		k := r.adopt(table)
		mustApply(t, k, vifs[2:]...)
		r.detach(k)
	}
	for _, table := range tables {
		if h := r.adopt(table).Held(mroute.IPv4); !maps.Equal(h.VIFs, held) {
			t.Errorf("of %d VIFs in table %d were found: %v", len(held), table, h.VIFs)
		}
	}
}
