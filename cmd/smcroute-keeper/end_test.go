package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/keep"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// tables are those of both families of a network namespace, with a static VIF and
// a static entry in each.
type tables struct {
	ns     *netlab.NS
	owners map[string]int // by the name to hold it under
	names  []string       // all of these
}

// rawSocket opens a raw socket of addr's family, and returns the level of its options.
func rawSocket(addr netip.Addr) (fd, level int, err error) {
	if addr.Is4() {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_IGMP)
		return fd, unix.IPPROTO_IP, err
	}
	fd, err = unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMPV6)
	return fd, unix.IPPROTO_IPV6, err
}

func newTables(t *testing.T) *tables {
	t.Helper()
	ns := netlab.New(t)
	ns.Veth("v0", ns, "v1")
	x := &tables{ns: ns, owners: map[string]int{}}
	index := ns.Index("v0")
	for _, flow := range []struct{ name, source, group string }{
		{"4-1/0/ipv4/owner", "192.0.2.1", "225.1.2.3"},
		{"4-1/0/ipv6/owner", "2001:db8::1", "ff3e::123"},
	} {
		if flow.group[0] == 'f' && !ns.HasIPv6() {
			continue
		}
		entry := uapi.MFC{Origin: netip.MustParseAddr(flow.source), Group: netip.MustParseAddr(flow.group)}
		err := ns.Do(func() error {
			owner, level, err := rawSocket(entry.Group)
			if err != nil {
				return err
			}
			x.owners[flow.name] = owner
			x.names = append(x.names, flow.name)
			if err := unix.SetsockoptInt(owner, level, uapi.MRTInit, 1); err != nil {
				return fmt.Errorf("MRT_INIT: %w", err)
			}
			other, _, err := rawSocket(entry.Group)
			if err != nil {
				return err
			}
			defer unix.Close(other)
			vif := uapi.Vifctl{Flags: uapi.VIFFUseIfindex, Threshold: 1, Ifindex: int32(index)}.Append(nil)
			if level == unix.IPPROTO_IPV6 {
				vif = uapi.Mif6ctl{Threshold: 1, Ifindex: uint16(index)}.Append(nil)
			}
			return errors.Join(
				unix.SetsockoptString(other, level, uapi.MRTAddVIF, string(vif)),
				unix.SetsockoptString(other, level, uapi.MRTAddMFC, string(entry.Append(nil))))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(x.close)
	return x
}

// close ends what this process has of them.
func (x *tables) close() {
	for _, fd := range x.owners {
		_ = unix.Close(fd)
	}
	x.owners = nil
}

// lines counts VIFs and entries, of both families.
func (x *tables) lines(t *testing.T) (n int) {
	t.Helper()
	err := x.ns.Do(func() error {
		for _, file := range []string{"ip_mr_vif", "ip_mr_cache", "ip6_mr_vif", "ip6_mr_cache"} {
			b, err := os.ReadFile("/proc/thread-self/net/" + file)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			n += max(strings.Count(string(b), "\n")-1, 0)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// hold leaves the tables to the keeper at a path.
func (x *tables) hold(t *testing.T, k *keep.Keeper, path string) {
	t.Helper()
	x.holdAs(t, k, path, true)
}

// holdAs is hold of tables that may be emptied, or not.
func (x *tables) holdAs(t *testing.T, k *keep.Keeper, path string, flush bool) {
	t.Helper()
	for name, fd := range x.owners {
		if err := k.Put(name, fd, flush); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(keep.RecordsPath(path), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	x.close()
}

// The last one out switches off the light.
func TestLastOneOut(t *testing.T) {
	x := newTables(t)
	path := socketPath(t)
	first := keeperAt(t, path, "--patience=10m")
	k := open(t, path)
	before := x.lines(t)
	x.hold(t, k, path)
	second := keeperAt(t, path, "--patience=10m")
	first.signal(syscall.SIGTERM)
	first.end()
	lasts(t, k)
	second.signal(syscall.SIGTERM)
	// It waits for the program, for which all is as before.
	second.says("waiting")
	if got := x.lines(t); got != before || got == 0 {
		t.Fatalf("%d VIFs and entries, %d before", got, before)
	}
	_ = k.Close()
	second.end()
	if got := x.lines(t); got != 0 {
		t.Errorf("%d VIFs and entries are left", got)
	}
	for _, file := range []string{path, keep.RecordsPath(path)} {
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%s is there", file)
		}
	}
}

// A table with another program's routes stays, and whose they are is known.
func TestTableOfOthersStays(t *testing.T) {
	x := newTables(t)
	path := socketPath(t)
	keeper := keeperAt(t, path)
	k := open(t, path)
	before := x.lines(t)
	x.holdAs(t, k, path, false)
	_ = k.Close()
	keeper.signal(syscall.SIGTERM)
	keeper.end()
	keeper.says("another program's routes")
	if got := x.lines(t); got != before {
		t.Errorf("%d VIFs and entries, %d before", got, before)
	}
	if _, err := os.Stat(keep.RecordsPath(path)); err != nil {
		t.Errorf("nobody knows whose they are: %v", err)
	}
}

// Both are asked to end at once: the mirror is no successor.
func TestActiveAndMirrorEnd(t *testing.T) {
	for n := range 6 {
		x := newTables(t)
		path := socketPath(t)
		first := keeperAt(t, path, "--patience=10m")
		second := keeperAt(t, path, "--patience=10m")
		k := open(t, path)
		x.hold(t, k, path)
		pair := []*process{first, second}
		pair[n%2].signal(syscall.SIGTERM)
		pair[1-n%2].signal(syscall.SIGTERM)
		_ = k.Close()
		first.end()
		second.end()
		if got := x.lines(t); got != 0 {
			t.Errorf("%d VIFs and entries are left:\n%s\n%s", got, first.text(), second.text())
		}
	}
}

// Programs that do not end keep their tables.
func TestProgramStays(t *testing.T) {
	x := newTables(t)
	path := socketPath(t)
	keeper := keeperAt(t, path, "--patience=10ms")
	k := open(t, path)
	before := x.lines(t)
	x.hold(t, k, path)
	keeper.signal(syscall.SIGTERM)
	keeper.end()
	keeper.says("programs have not ended")
	if got := x.lines(t); got != before {
		t.Errorf("%d VIFs and entries, %d before", got, before)
	}
	netlab.Await(t, within, func() bool { return !k.Connected() }, "the connection to end")
	// And the next keeper holds all again.
	keeperAt(t, path)
	lasts(t, k)
}

// What is static stays if so is wanted.
func TestKeepRoutes(t *testing.T) {
	x := newTables(t)
	path := socketPath(t)
	keeper := keeperAt(t, path, "--keep-routes")
	k := open(t, path)
	before := x.lines(t)
	x.hold(t, k, path)
	_ = k.Close()
	keeper.signal(syscall.SIGTERM)
	keeper.end()
	if got := x.lines(t); got != before {
		t.Errorf("%d VIFs and entries, %d before", got, before)
	}
	if _, err := os.Stat(keep.RecordsPath(path)); err != nil {
		t.Errorf("nobody knows whose they are: %v", err)
	}
}

// A keeper that has just taken over waits for programs that have not come back yet.
func TestSuccessorEndsAtOnce(t *testing.T) {
	x := newTables(t)
	path := socketPath(t)
	first := keeperAt(t, path)
	k := open(t, path)
	before := x.lines(t)
	x.hold(t, k, path)
	second := keeperAt(t, path)
	// The program is kept from coming back while the second one ends.
	first.signal(syscall.SIGSTOP)
	second.signal(syscall.SIGSTOP)
	first.signal(syscall.SIGKILL)
	second.signal(syscall.SIGCONT)
	second.says("msg=active")
	second.signal(syscall.SIGTERM)
	second.says("waiting")
	lasts(t, k)
	if got := x.lines(t); got != before {
		t.Errorf("%d VIFs and entries, %d before", got, before)
	}
}

// stop empties all, and ends the mirrors, too.
func TestStop(t *testing.T) {
	for _, force := range []bool{false, true} {
		x := newTables(t)
		path := socketPath(t)
		first, second := keeperAt(t, path), keeperAt(t, path)
		k := open(t, path)
		before := x.lines(t)
		x.hold(t, k, path)
		args := []string{"stop", "--socket", path}
		if force {
			args = append(args, "--force")
		} else {
			// A program that lives would not notice.
			code, out := runKeeper(t, args...)
			if code != exitFailure || !strings.Contains(out, "1 program is connected") || !strings.Contains(out, "--force") {
				t.Errorf("%d: %s", code, out)
			}
			if got := x.lines(t); got != before || !k.Connected() {
				t.Errorf("%d VIFs and entries, %d before; connected: %v", got, before, k.Connected())
			}
			_ = k.Close()
		}
		if code, out := runKeeper(t, args...); code != exitOK {
			t.Fatalf("%d: %s", code, out)
		}
		if got := x.lines(t); got != 0 {
			t.Errorf("%d VIFs and entries are left", got)
		}
		first.end()
		second.end()
		began := time.Now()
		if code, out := runKeeper(t, args...); code != exitFailure {
			t.Errorf("with nobody there: %d after %v: %s", code, time.Since(began), out)
		}
	}
}

// A program that comes back from the keeper before this one is connected.
func TestStopOfSuccessor(t *testing.T) {
	path := socketPath(t)
	first := keeperAt(t, path)
	p := play(t, "program", path)
	p.says("<nil>")
	second := keeperAt(t, path)
	p.signal(syscall.SIGSTOP)
	first.kill()
	second.says("msg=active")
	time.AfterFunc(lastPause, func() { p.signal(syscall.SIGCONT) })
	if code, out := runKeeper(t, "stop", "--socket", path); code != exitFailure || !strings.Contains(out, "1 program is connected") {
		t.Errorf("%d: %s", code, out)
	}
}

func TestStopOfNobody(t *testing.T) {
	path := socketPath(t)
	if code, out := runKeeper(t, "stop", "--socket", path); code != exitFailure || !strings.Contains(out, "no keeper answers at "+path) {
		t.Errorf("%d: %s", code, out)
	}
}

// A mirror that is behind is waited for.
func TestMirrorIsBusy(t *testing.T) {
	path := socketPath(t)
	first := keeperAt(t, path)
	second := keeperAt(t, path)
	k := open(t, path)
	second.signal(syscall.SIGSTOP)
	put(t, k, 10)
	_ = k.Close()
	first.signal(syscall.SIGTERM)
	first.says("waiting")
	second.signal(syscall.SIGCONT)
	first.end()
	first.says("handed over")
	if got := open(t, path).Names(); len(got) != 10 {
		t.Errorf("held: %v", got)
	}
}

// What a program was told is held is held by the next keeper, even if the program
// does not live to see that one.
func TestNothingThatWasToldIsLost(t *testing.T) {
	for range 5 {
		path := socketPath(t)
		first, second := keeperAt(t, path), keeperAt(t, path)
		loader := play(t, "loader", path)
		loader.says("load-020")
		first.signal(syscall.SIGTERM)
		first.end()
		loader.end()
		second.says("msg=active")
		held := open(t, path).Names()
		for _, name := range strings.Fields(loader.text()) {
			if !slices.Contains(held, name) {
				t.Errorf("%s is lost", name)
			}
		}
		second.signal(syscall.SIGKILL)
	}
}
