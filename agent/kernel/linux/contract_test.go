package linux

import (
	"log/slog"
	"maps"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/keep"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/kerneltest"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// TestContract shows that the real kernel, through this package, does what the
// engine relies on.
func TestContract(t *testing.T) {
	kerneltest.Run(t, func(t testing.TB) kerneltest.World { return newWorld(t) })
}

// TestAgree compares the simulator with the real kernel, step by random step.
func TestAgree(t *testing.T) {
	kerneltest.Agree(t, 10, func(t testing.TB) kerneltest.World { return newWorld(t) })
}

// world is a router with the other end of each of its links in a host:
//
//	 router            host
//	a ========== veth === a
//	b ========== veth === b
type world struct {
	t            testing.TB
	router, host *netlab.NS
	peers        map[string]string // names in host by names in router
	captures     map[string]*netlab.Capture
	made         int
	store        *keep.Memory
	records      *keep.Records
}

func newWorld(t testing.TB) *world {
	return &world{
		store: keep.NewMemory(), records: keep.NewRecords(filepath.Join(t.TempDir(), "records")),
		t: t, router: netlab.New(t), host: netlab.New(t),
		peers: map[string]string{}, captures: map[string]*netlab.Capture{},
	}
}

func (w *world) Open(table uint32) (kernel.Kernel, error) {
	k, err := Open(Options{NetNS: w.router.Path(), Table: table})
	if err != nil {
		return nil, err
	}
	w.t.Cleanup(func() { _ = k.Close() })
	return k, nil
}

func (w *world) OpenKept(table uint32, static bool) (kernel.Kernel, error) {
	k, err := Open(Options{
		NetNS: w.router.Path(), Table: table,
		Keep: &keep.Keeping{Store: w.store, Static: static, Records: w.records},
		Log:  slog.New(slog.NewTextHandler(w.t.Output(), nil)),
	})
	if err != nil {
		return nil, err
	}
	w.t.Cleanup(func() { _ = k.Close() })
	return k, nil
}

func (w *world) EndKeeper() {
	for _, name := range w.store.Names() {
		w.store.Drop(name)
	}
}

func (w *world) Guest(table uint32, ops ...mroute.Op) {
	w.t.Helper()
	err := w.router.Do(func() error {
		k := &Kernel{table: table}
		for i, f := range mroute.Families {
			fd, err := guestSocket(f, table)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			k.owners[i] = owner{family: f, guest: fd}
		}
		for i := range ops {
			if err := k.apply(&ops[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatalf("a guest: %v", err)
	}
}

func (w *world) AddLink(name string) {
	w.made++
	peer := "p" + string(rune('A'+w.made%26)) + string(rune('a'+w.made/26))
	w.router.Veth(name, w.host, peer)
	w.peers[name] = peer
	w.captures[name] = w.router.Capture(name)
}

func (w *world) DeleteLink(name string) {
	w.router.Delete(name)
	delete(w.peers, name)
}

func (w *world) RenameLink(name, to string) {
	w.router.Rename(name, to)
	w.peers[to], w.captures[to] = w.peers[name], w.captures[name]
	delete(w.peers, name)
	delete(w.captures, name)
}

func (w *world) SetUp(name string, up bool) {
	w.router.SetUp(name, up)
	if up {
		w.router.AwaitReady(name)
		w.host.AwaitReady(w.peers[name])
	}
}

func (w *world) SetMulticast(name string, on bool) { w.router.SetMulticast(name, on) }

func (w *world) Send(link string, sg mroute.SG, ttl uint8) {
	w.host.Send(w.peers[link], netlab.Packet{Src: sg.Source, Group: sg.Group, TTL: ttl})
	netlab.Flush(w.t, 1, awaitTime)
}

func (w *world) Left(link string, sg mroute.SG) int {
	c := w.captures[link]
	if c == nil {
		w.t.Fatalf("there was never a link %q, only %v", link, maps.Keys(w.captures))
	}
	return c.Flow(netlab.Out, sg).Packets
}

func (w *world) Memberships(link string) []mroute.SG { return w.router.Memberships(link) }

func (w *world) Await(what string, cond func() bool) {
	w.t.Helper()
	netlab.Await(w.t, awaitTime, cond, what)
}
