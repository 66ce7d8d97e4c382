package doctor

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smcroute/kube-smcroute/agent/doctor/diagnose"
	"github.com/smcroute/kube-smcroute/agent/view"
)

// What the programs here start in the background is called "exe" by the kernel.
func TestProgramName(t *testing.T) {
	const comm = "/proc/self/comm"
	before, err := os.ReadFile(comm)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(comm, []byte("exe"), 0); err != nil {
		t.Fatal(err)
	}
	defer os.WriteFile(comm, before, 0)
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := programName(os.Getpid()), filepath.Base(path); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCounters(t *testing.T) {
	got := map[string]uint64{}
	parseCounters("Ip: Forwarding FragFails\nIp: 1 17\nTcpExt: A B\nTcpExt: 3 4\nOdd: A\n", got)
	parseCounters("Ip6FragFails                    \t9\n", got)
	want := map[string]uint64{"IpForwarding": 1, "IpFragFails": 17, "TcpExtA": 3, "TcpExtB": 4, "Ip6FragFails": 9}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := parseConntrack("entries  drop early_drop\n0000000a 00000010 00000000\n0000000a 00000001 00000000\n"); n != 17 {
		t.Errorf("conntrack dropped %d, want 17", n)
	}
}

// native is an address as the kernel prints it on this machine.
func native(addr string) string {
	a := netip.MustParseAddr(addr).As4()
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], binary.NativeEndian.Uint32(a[:]))
	return hex.EncodeToString(b[:])
}

func TestMembershipsOfKernel(t *testing.T) {
	type row struct {
		Index int
		Name  string
		Group string
	}
	var got []row
	found := func(index int, name string, group netip.Addr) { got = append(got, row{index, name, group.String()}) }
	parseIGMP("Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n"+
		"4\teth0      :     2      V3\n\t\t\t\t"+native("239.1.1.1")+"     1 0:00000000\t\t0\n"+
		"5\tabcdefghijklmno:     1      V3\n\t\t\t\t"+native("224.0.0.1")+"     1 0:00000000\t\t0\n", found)
	parseIGMP6("2    eth0            ff150000000000000000000000000001     1 00000004 0\n2 eth0 zz 1\n", found)
	want := []row{{4, "eth0", "239.1.1.1"}, {5, "abcdefghijklmno", "224.0.0.1"}, {2, "eth0", "ff15::1"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestThresholds(t *testing.T) {
	got := parseThresholds(
		"Interface      BytesIn  PktsIn  BytesOut PktsOut Flags Local    Remote\n 1 eth1  0 0 0 0 00008 00000003 00000000\n",
		"Group    Origin   Iif     Pkts    Bytes    Wrong Oifs\n"+native("239.1.1.1")+" "+native("192.0.2.1")+" 0          5      460        0  1:16   2:300\n")
	want := []diagnose.Threshold{{Source: netip.MustParseAddr("192.0.2.1"), Group: netip.MustParseAddr("239.1.1.1"), Link: "eth1", TTL: 16}}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// Who may not ask is told so, and the report says that nothing follows from it.
func TestNotPermitted(t *testing.T) {
	r, err := Examine(t.Context(), Options{
		For:   time.Millisecond,
		State: func(context.Context) (*view.State, error) { return nil, fs.ErrPermission },
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Findings) != 1 || r.Findings[0].ID != diagnose.NotPermitted || !r.Blind {
		t.Errorf("blind: %v, findings:\n%s", r.Blind, r.Text(true))
	}
}

// An examination ends with its context.
func TestEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Examine(ctx, Options{
		For:   time.Hour,
		State: func(context.Context) (*view.State, error) { return &view.State{}, nil },
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

// What the kernel says may be anything, as far as these know.
func FuzzNetlink(f *testing.F) {
	f.Add(make([]byte, 16))
	f.Add(append(make([]byte, 16), 12, 0, 18, 0, 8, 0, 1, 0, 'b', 0, 0, 0))
	f.Add(append(make([]byte, 8), 8, 0, 1, 128, 4, 0, 1, 128))
	f.Add([]byte("00000000\t\x000000000")) // its last attribute is not padded
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = decodeLink(b)
		_ = decodeMDB(b)
		_, _ = decodeMember(b)
	})
}

func FuzzProc(f *testing.F) {
	f.Add("Ip: A B\nIp: 1 2\n")
	f.Add("4\teth0 : 1 V3\n\t\t010000E0 1 0:0 0\n")
	f.Add("2 eth0 ff020000000000000000000000000001 1 0 0\n")
	f.Add("0: 00000000:0002 00000000:0000 07 0:0 00:0 0 0 0 1234 2 0 0\n")
	f.Fuzz(func(t *testing.T, text string) {
		parseCounters(text, map[string]uint64{})
		_ = parseConntrack(text)
		_ = parseThresholds(text, text)
		_ = parseRaw(text, true)
		found := func(_ int, _ string, group netip.Addr) {
			if !group.IsValid() {
				t.Error("a group that is no address")
			}
		}
		parseIGMP(text, found)
		parseIGMP6(text, found)
	})
}
