package linux

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// describe names the sentinels that err unwraps to.
func describe(err error) string {
	var names []string
	for _, s := range []error{
		kernel.ErrTableBusy, kernel.ErrNotSupported, kernel.ErrPermission,
		kernel.ErrVIFTableFull, kernel.ErrNoLink, kernel.ErrLimit,
	} {
		if errors.Is(err, s) {
			names = append(names, s.Error())
		}
	}
	return strings.Join(names, ", ")
}

// child runs the test binary in new namespaces, as a user without privileges
// outside of them, and returns what childMain printed.
func child(t *testing.T, flags uintptr) string {
	netlab.New(t) // skips where namespaces are not available
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childEnv+"=open")
	host := os.Geteuid()
	if host == 0 && mapsNobody() {
		host = 65534
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | flags,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: host, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: host, Size: 1}},
		Credential:  &syscall.Credential{NoSetGroups: true}, // root inside
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("child: %v\n%s", err, out)
	}
	return string(out)
}

// mapsNobody reports whether this user namespace has a uid 65534.
func mapsNobody() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Contains(string(b), "4294967295")
}

// Kernel note 26.
func TestUserNamespaceSuffices(t *testing.T) {
	const want = "links: 1 <nil>\nIPv4: <nil>\nIPv6: <nil>\n"
	if got := child(t, unix.CLONE_NEWNET); got != want {
		t.Errorf("in a user and network namespace of nobody:\n%swant\n%s", got, want)
	}
}

// Kernel note 25: in a user namespace that does not own the network namespace.
// Listing links needs no privilege.
func TestOpenWithoutCapabilities(t *testing.T) {
	const want = "links: 1 <nil>\nopen: " // the namespace of the tests has loopback only
	if got := child(t, 0); got != want+kernel.ErrPermission.Error()+"\n" {
		t.Errorf("without capabilities:\n%swant\n%s%v", got, want, kernel.ErrPermission)
	}
}

func TestOneFamilyIsBusy(t *testing.T) {
	eachFamily(t, func(t *testing.T, f mroute.Family) {
		ns := netlab.New(t)
		var fd int
		err := ns.Do(func() (err error) {
			if fd, err = unix.Socket(domain(f), unix.SOCK_RAW, rawProtocol(f)); err != nil {
				return err
			}
			return unix.SetsockoptInt(fd, level(f), uapi.MRTInit, 1)
		})
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		k, err := Open(Options{NetNS: ns.Path()})
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		for _, other := range mroute.Families {
			err := k.FamilyErr(other)
			if other != f && err != nil {
				t.Errorf("%v: %v", other, err)
			}
			if other == f && !errors.Is(err, kernel.ErrTableBusy) {
				t.Errorf("%v: %v, want ErrTableBusy", other, err)
			}
		}
		var ke *kernel.Error
		op := flowOps(f, mroute.SetMFC, 1)
		if errs := k.Apply(op); len(errs) != 1 || !errors.As(errs[0], &ke) || ke.Op != "MRT_INIT" || ke.Errno != unix.EADDRINUSE {
			t.Errorf("an op of the busy family gives %v", errs)
		}
		if err := k.Counters(f, nil, nil); !errors.Is(err, kernel.ErrTableBusy) {
			t.Errorf("counters of the busy family give %v", err)
		}
		if _, err := k.Dump(f); !errors.Is(err, kernel.ErrTableBusy) {
			t.Errorf("a dump of the busy family gives %v", err)
		}
	})
}

func TestOpenErrors(t *testing.T) {
	if _, err := Open(Options{Table: uapi.MaxTable4 + 1}); err == nil {
		t.Error("a table id that is too high is accepted")
	}
	missing := filepath.Join(t.TempDir(), "missing")
	if _, err := Open(Options{NetNS: missing}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a namespace that is not there gives %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// It must not go on in the namespace of the process.
	if _, err := Open(Options{NetNS: file}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("a file that is no namespace gives %v", err)
	}
	if _, err := ListLinks(file); !errors.Is(err, unix.EINVAL) {
		t.Errorf("listing the links of a file gives %v", err)
	}
}

// Kernel note 10: IPv6 has fewer table ids than IPv4.
func TestHighestTable(t *testing.T) {
	for _, tt := range []struct {
		table uint32
		six   error // of IPv6
	}{
		{uapi.MaxTable6, nil},
		{uapi.MaxTable6 + 1, kernel.ErrNotSupported},
		{uapi.MaxTable4, kernel.ErrNotSupported},
	} {
		k, err := Open(Options{NetNS: netlab.New(t).Path(), Table: tt.table})
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		if err := k.FamilyErr(mroute.IPv4); err != nil {
			t.Error(err)
		}
		if _, err := k.Dump(mroute.IPv4); err != nil {
			t.Error(err)
		}
		if err := k.FamilyErr(mroute.IPv6); !errors.Is(err, tt.six) {
			t.Errorf("table %d: %v, want %v", tt.table, err, tt.six)
		}
	}
	for _, tt := range []struct {
		f     mroute.Family
		table int
	}{{mroute.IPv4, uapi.MaxTable4}, {mroute.IPv6, uapi.MaxTable6}} {
		if err := netlab.New(t).Do(func() error {
			fd, err := unix.Socket(domain(tt.f), unix.SOCK_RAW, rawProtocol(tt.f))
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if err := unix.SetsockoptInt(fd, level(tt.f), uapi.MRTTable, tt.table+1); err != unix.EINVAL {
				t.Errorf("%v table %d gives %v, want EINVAL", tt.f, tt.table+1, err)
			}
			return unix.SetsockoptInt(fd, level(tt.f), uapi.MRTTable, tt.table)
		}); err != nil {
			t.Errorf("%v table %d: %v", tt.f, tt.table, err)
		}
	}
}

// Kernel note 28: the sockets stay in the namespace, the threads that opened
// them do not.
func TestSocketsStayInNamespace(t *testing.T) {
	ns := netlab.New(t)
	ns.Veth("only-here", ns, "peer")
	k, err := Open(Options{NetNS: ns.Path()})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	links, err := k.Links()
	if err != nil || len(links) != 3 {
		t.Errorf("links %+v, %v, want those of the namespace", links, err)
	}
	if links, err = ListLinks(ns.Path()); err != nil || len(links) != 3 {
		t.Errorf("ListLinks gives %+v, %v, want those of the namespace", links, err)
	}
	if links, err = ListLinks(""); err != nil || len(links) != 1 {
		t.Errorf("links outside are %+v, %v, want loopback only", links, err)
	}
}

// MRT_INIT and MRT6_INIT switch mc_forwarding on by themselves.
func TestInitSetsForwarding(t *testing.T) {
	ns := netlab.New(t)
	read := func() (s string) {
		err := ns.Do(func() error {
			for _, family := range []string{"ipv4", "ipv6"} {
				// Shows the namespace of the thread that opens it.
				b, err := os.ReadFile("/proc/sys/net/" + family + "/conf/all/mc_forwarding")
				if err != nil {
					return err
				}
				s += strings.TrimSpace(string(b))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if got := read(); got != "00" {
		t.Errorf("mc_forwarding is %s before, want 00", got)
	}
	k, err := Open(Options{NetNS: ns.Path()})
	if err != nil {
		t.Fatal(err)
	}
	if got := read(); got != "11" {
		t.Errorf("mc_forwarding is %s, want 11", got)
	}
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	if err := k.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	if got := read(); got != "00" {
		t.Errorf("mc_forwarding is %s after, want 00", got)
	}
}
