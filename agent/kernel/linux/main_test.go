package linux

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// childEnv makes the test binary a child of a test: of the kind that it names, in
// the namespaces that its parent has put it into.
const childEnv = "KERNEL_LINUX_CHILD"

func TestMain(m *testing.M) {
	switch kind, args, _ := strings.Cut(os.Getenv(childEnv), " "); kind {
	case "":
		netlab.Main(m)
	case "open":
		childMain()
	case "keeper":
		keeperMain(args)
	case "program":
		programMain(strings.Fields(args))
	}
}

// childMain opens the kernel and prints what came of it.
func childMain() {
	links, err := ListLinks("")
	fmt.Println("links:", len(links), err)
	k, err := Open(Options{})
	if err != nil {
		fmt.Println("open:", describe(err))
		return
	}
	defer k.Close()
	for _, f := range mroute.Families {
		fmt.Printf("%v: %v\n", f, k.FamilyErr(f))
	}
}

// router is a namespace with links a and b, each a veth pair with its other
// end (A, B) in a host, and VIF 0 and 1 for them in both families:
//
//	host A ==== a router b ==== B host
type router struct {
	*Kernel
	t    testing.TB
	ns   *netlab.NS
	host *netlab.NS
}

func newRouter(t testing.TB) *router {
	r := &router{t: t, ns: netlab.New(t), host: netlab.New(t)}
	r.ns.Veth("a", r.host, "A")
	r.ns.Veth("b", r.host, "B")
	r.open()
	return r
}

func (r *router) open() {
	r.t.Helper()
	k, err := Open(Options{NetNS: r.ns.Path()})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = k.Close() })
	r.Kernel = k
	for _, f := range mroute.Families {
		if err := k.FamilyErr(f); err != nil {
			r.t.Fatal(err)
		}
		for v, name := range []string{"a", "b"} {
			r.apply(mroute.Op{Kind: mroute.AddVIF, Family: f, VIF: mroute.VIF(v), Link: r.link(name)})
		}
	}
}

func (r *router) link(name string) mroute.LinkRef {
	return mroute.LinkRef{Index: r.ns.Index(name), Name: name}
}

func (r *router) apply(ops ...mroute.Op) {
	r.t.Helper()
	mustApply(r.t, r.Kernel, ops...)
}

func mustApply(t testing.TB, k *Kernel, ops ...mroute.Op) {
	t.Helper()
	for i, err := range k.Apply(ops) {
		if err != nil {
			t.Fatalf("op %d of %d: %v", i, len(ops), err)
		}
	}
}

func (r *router) entries(f mroute.Family) map[mroute.SG]mroute.Entry {
	r.t.Helper()
	d, err := r.Dump(f)
	if err != nil {
		r.t.Fatal(err)
	}
	return d.Entries
}

// flow is one of 2^24 flows of a family.
func flow(f mroute.Family, n int) mroute.SG {
	a, b, c := byte(n>>16), byte(n>>8), byte(n)
	if f == mroute.IPv4 {
		return mroute.SG{Source: netip.AddrFrom4([4]byte{10, a, b, c}), Group: netip.AddrFrom4([4]byte{232, a, b, c})}
	}
	return mroute.SG{
		Source: netip.AddrFrom16([16]byte{0: 0x20, 1: 0x01, 13: a, 14: b, 15: c}),
		Group:  netip.AddrFrom16([16]byte{0: 0xff, 1: 0x3e, 13: a, 14: b, 15: c}),
	}
}

// flowOps are ops on the first n flows, with input VIF 0 and output VIF 1.
func flowOps(f mroute.Family, kind mroute.OpKind, n int) []mroute.Op {
	ops := make([]mroute.Op, n)
	for i := range ops {
		ops[i] = mroute.Op{Kind: kind, Family: f, SG: flow(f, i), Entry: mroute.Entry{OIFs: mroute.OIFs{1: 1}}}
	}
	return ops
}

func eachFamily(t *testing.T, test func(t *testing.T, f mroute.Family)) {
	for _, f := range mroute.Families {
		t.Run(f.String(), func(t *testing.T) { test(t, f) })
	}
}
