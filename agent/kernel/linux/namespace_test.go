package linux

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/netns"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Kernel note 30: a path that holds another namespace by now, or one of the
// node's own, is refused before anything is opened there.
func TestOpenChecksNamespace(t *testing.T) {
	pod, other := netlab.New(t), netlab.New(t)
	id := func(path string) string {
		ns, err := netns.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer ns.Close()
		id, err := ns.ID()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	node := []string{"", other.Path()}
	for _, tt := range []struct {
		name string
		opt  Options
		want string // in the error; "": none
	}{
		{"the very one", Options{NetNS: pod.Path(), NetNSID: id(pod.Path()), NotNetNS: node}, ""},
		{"any", Options{NetNS: pod.Path()}, ""},
		{"its own, if it may", Options{NetNS: "/proc/self/ns/net"}, ""},
		{"a new one at the path", Options{NetNS: pod.Path(), NetNSID: id(other.Path())},
			"network namespace " + pod.Path() + ": another one is there by now: it is " + id(pod.Path()) + ", expected " + id(other.Path())},
		{"that of the process", Options{NetNS: "/proc/thread-self/ns/net", NotNetNS: node}, "is the node's own"},
		{"that of the node", Options{NetNS: other.ProcPath(), NotNetNS: node}, "is the node's own"},
		{"its own without a path", Options{NotNetNS: node}, "is the node's own"},
		{"one that cannot be compared", Options{NetNS: pod.Path(), NotNetNS: []string{"/nowhere"}}, "/nowhere"},
	} {
		k, err := Open(tt.opt)
		if err == nil {
			_ = k.Close()
		}
		if got := message(err); got != tt.want && (tt.want == "" || !strings.Contains(got, tt.want)) {
			t.Errorf("%s: error %q, want %q", tt.name, got, tt.want)
		}
		gone := strings.Contains(tt.want, "another one") || tt.want == "/nowhere"
		if errors.Is(err, fs.ErrNotExist) != gone {
			t.Errorf("%s: %v is fs.ErrNotExist: %v, want %v", tt.name, err, !gone, gone)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Kernel note 48: the default table is number 253 in IPv4 and 254 in IPv6.
func TestNumberOfDefaultTable(t *testing.T) {
	ns := netlab.New(t)
	k, err := Open(Options{NetNS: ns.Path()})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	for _, tt := range []struct {
		table uint32
		busy  mroute.Family
	}{{uapi.DefaultTable4, mroute.IPv4}, {uapi.DefaultTable6, mroute.IPv6}} {
		k, err := Open(Options{NetNS: ns.Path(), Table: tt.table})
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		for _, f := range mroute.Families {
			if busy := errors.Is(k.FamilyErr(f), kernel.ErrTableBusy); busy != (f == tt.busy) {
				t.Errorf("beside table 0, %v table %d gives %v", f, tt.table, k.FamilyErr(f))
			}
		}
	}
}
