package linux

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/keep"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/netns"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

func TestDiscard(t *testing.T) {
	eachStatic(t, func(t *testing.T, static bool) {
		r := newKeptRouter(t, static)
		const other = 7
		for _, table := range []uint32{0, other} {
			k := r.adopt(table)
			r.Kernel = k
			for _, f := range mroute.Families {
				mustApply(t, k, flowOps(f, mroute.SetMFC, 10)...)
				join := r.joins(f, mroute.JoinGroup, 30, false)
				for i := range join {
					if table == other {
						join[i].Link = r.link("a")
					}
				}
				mustApply(t, k, join...)
				if err := k.Settle(f, nil); err != nil {
					t.Error(err)
				}
			}
			r.detach(k)
		}
		ns, err := netns.Open(r.ns.Path())
		if err != nil {
			t.Fatal(err)
		}
		defer ns.Close()
		anybody := Kernel{ns: ns}
		var rules []kernel.Rule
		for _, f := range mroute.Families {
			for _, table := range []uint32{other, besideTable} {
				rules = append(rules, kernel.Rule{Family: f, Links: kernel.Way{In: "a"}, Table: table})
			}
		}
		if err := anybody.AddRules(rules); err != nil {
			t.Fatal(err)
		}
		var asked []string
		err = Discard(r.keeping, func(netns string, table uint32) bool {
			asked = append(asked, netns)
			return table == 0
		})
		if err != nil {
			t.Error(err)
		}
		var st unix.Stat_t
		if err := unix.Stat(r.ns.Path(), &st); err != nil {
			t.Fatal(err)
		}
		if id := mroute.NetNSID(uint64(st.Dev), uint64(st.Ino)); len(asked) == 0 || asked[0] != id {
			t.Errorf("asked about %v, want %s", asked, id)
		}
		if got := r.ns.Memberships("a"); len(got) != 0 {
			t.Errorf("%v are still joined", got)
		}
		if got := len(r.ns.Memberships("b")); got != 60 {
			t.Errorf("%d memberships of the other place, want 60", got)
		}
		for _, name := range append(r.store.Names(), r.keeping.Records.Tables()...) {
			if strings.Contains(name, fmt.Sprintf("/%d/", other)) {
				t.Errorf("%s is still there", name)
			}
		}
		for _, f := range mroute.Families {
			left, err := anybody.listRules(f)
			if err != nil {
				t.Fatal(err)
			}
			left = slices.DeleteFunc(left, func(x kernel.Rule) bool { return !x.Own })
			if len(left) != 1 || left[0].Table != besideTable {
				t.Errorf("%v rules that are left: %+v", f, left)
			}
		}
		k, err := Open(Options{NetNS: r.ns.Path(), Table: other})
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		kept := r.adopt(0)
		for _, f := range mroute.Families {
			if h := k.Held(f); !h.Empty() {
				t.Errorf("the table holds %+v", h)
			}
			if h := kept.Held(f); len(h.Entries) != 10 || len(h.VIFs) != 2 {
				t.Errorf("the table that somebody wants holds %+v", h)
			}
		}
	})
}

// Another program's entries stay in a table that nobody wants, and what they
// name, whether it was told or found.
func TestDiscardLeavesForeign(t *testing.T) {
	eachFamily(t, func(t *testing.T, f mroute.Family) {
		for _, tt := range []struct {
			static, settled bool
			vifs            int // that are left
		}{{true, true, 2}, {true, false, 1}, {false, true, 1}} {
			r := newKeptRouter(t, tt.static)
			foreign := mroute.Op{Kind: mroute.SetMFC, Family: f, SG: flow(f, 99), Entry: mroute.Entry{IIF: 4, OIFs: mroute.OIFs{1: 1}}}
			w := &world{t: t, router: r.ns}
			r.ns.Veth("c", r.host, "C")
			w.Guest(0, mroute.Op{Kind: mroute.AddVIF, Family: f, VIF: 4, Link: r.link("c")})
			if !tt.settled {
				w.Guest(0, foreign) // without the output, which is not there yet
			}
			k := r.adopt(0)
			for v, name := range []string{"a", "b"} {
				mustApply(t, k, mroute.Op{Kind: mroute.AddVIF, Family: f, VIF: mroute.VIF(v), Link: r.link(name)})
			}
			mustApply(t, k, flowOps(f, mroute.SetMFC, 10)...)
			if tt.settled {
				w.Guest(0, foreign)
				if err := k.Settle(f, []mroute.SG{foreign.SG}); err != nil {
					t.Error(err)
				}
			}
			r.detach(k)
			if err := Discard(r.keeping, func(string, uint32) bool { return false }); err != nil {
				t.Error(err)
			}
			if got := r.store.Names(); len(got) != 0 {
				t.Errorf("the store holds %v", got)
			}
			k, err := Open(Options{NetNS: r.ns.Path()})
			if err != nil {
				t.Fatal(err)
			}
			h := k.Held(f)
			if _, ok := h.Foreign[foreign.SG]; !ok || len(h.Foreign) != 1 || len(h.Entries) != 0 || len(h.VIFs) != tt.vifs {
				t.Errorf("static %v, settled %v: the table holds %+v", tt.static, tt.settled, h)
			}
			_ = k.Close()
		}
	})
}

// A table that was left to the kernel alone is emptied as well, if it is in the
// namespace of the process.
func TestDiscardOfWhatNobodyHolds(t *testing.T) {
	ns := netlab.Own(t)
	host := netlab.New(t)
	ns.Veth("own", host, "peer")
	t.Cleanup(func() { ns.Delete("own") })
	keeping := keep.Keeping{Store: keep.NewMemory(), Static: true, Records: keep.NewRecords(filepath.Join(t.TempDir(), "records"))}
	const table = 8
	k, err := Open(Options{Table: table, Keep: &keeping})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range mroute.Families {
		mustApply(t, k, mroute.Op{Kind: mroute.AddVIF, Family: f, VIF: 0, Link: mroute.LinkRef{Index: ns.Index("own"), Name: "own"}})
		mustApply(t, k, flowOps(f, mroute.SetMFC, 10)...)
		if err := k.AddRules([]kernel.Rule{{Family: f, Links: kernel.Way{In: "own"}, Table: table}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Detach(); err != nil {
		t.Error(err)
	}
	for _, name := range keeping.Store.Names() {
		keeping.Store.Drop(name)
	}
	for _, want := range []bool{true, false} {
		if err := Discard(keeping, func(string, uint32) bool { return want }); err != nil {
			t.Error(err)
		}
		if got := len(keeping.Records.Tables()); (got == 2) != want {
			t.Errorf("wanted %v: %d tables are recorded", want, got)
		}
	}
	if k, err = Open(Options{Table: table}); err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	for _, f := range mroute.Families {
		if h := k.Held(f); !h.Empty() {
			t.Errorf("the table holds %+v", h)
		}
		rules, err := k.Rules(f)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(rules, func(r kernel.Rule) bool { return r.Own }) {
			t.Errorf("rules that lead there are left: %+v", rules)
		}
	}
}
