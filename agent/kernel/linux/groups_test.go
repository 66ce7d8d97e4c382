package linux

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// joins are n memberships on a link: of any source, or of n sources of a group.
func (r *router) joins(f mroute.Family, kind mroute.OpKind, n int, sources bool) []mroute.Op {
	ops := make([]mroute.Op, n)
	for i := range ops {
		sg := mroute.SG{Group: flow(f, i+1).Group}
		if sources {
			sg = mroute.SG{Source: flow(f, i+1).Source, Group: flow(f, 0).Group}
		}
		ops[i] = mroute.Op{Kind: kind, Family: f, SG: sg, Link: r.link("b")}
	}
	return ops
}

func (r *router) sockets(f mroute.Family) int {
	seen := map[*groupSocket]bool{}
	for _, s := range r.groups[familyIndex(f)].joined {
		seen[s] = true
	}
	return len(seen)
}

// Kernel note 31: past 20 groups a socket in IPv4, and 10 (IPv4) or 64 (IPv6)
// sources of a group, more sockets are needed.
func TestJoinsAreSpreadOverSockets(t *testing.T) {
	for _, tt := range []struct {
		f       mroute.Family
		sources bool
		each    int // joins of a socket
	}{
		{mroute.IPv4, false, 20},
		{mroute.IPv4, true, 10},
		{mroute.IPv6, false, maxJoins},
		{mroute.IPv6, true, maxJoins},
	} {
		r := newRouter(t)
		const n = 1000
		r.apply(r.joins(tt.f, mroute.JoinGroup, n, tt.sources)...)
		members := r.ns.Memberships("b")
		for _, op := range r.joins(tt.f, mroute.JoinGroup, n, tt.sources) {
			if !slices.Contains(members, op.SG) {
				t.Fatalf("%v is not joined", op.SG)
			}
		}
		if got, want := r.sockets(tt.f), (n+tt.each-1)/tt.each; got != want {
			t.Errorf("%v, sources %v: %d joins on %d sockets, want %d", tt.f, tt.sources, n, got, want)
		}
		leave := r.joins(tt.f, mroute.LeaveGroup, n, tt.sources)
		r.apply(leave[:n-1]...)
		if got := r.sockets(tt.f); got != 1 {
			t.Errorf("%v, sources %v: one join on %d sockets", tt.f, tt.sources, got)
		}
		r.apply(leave[n-1])
		g := &r.groups[familyIndex(tt.f)]
		if len(g.room[0])+len(g.room[1])+len(g.joined) != 0 {
			t.Errorf("%v, sources %v: sockets stay open without joins", tt.f, tt.sources)
		}
		if got := r.ns.Memberships("b"); len(got) != 0 {
			t.Errorf("%v, sources %v: %v still joined", tt.f, tt.sources, got)
		}
	}
}

// Room that a leave makes on a full socket is used again.
func TestLeavingMakesRoom(t *testing.T) {
	r := newRouter(t)
	const n = 40
	r.apply(r.joins(mroute.IPv4, mroute.JoinGroup, n, false)...)
	for range 10 {
		r.apply(r.joins(mroute.IPv4, mroute.LeaveGroup, n/4, false)...)
		r.apply(r.joins(mroute.IPv4, mroute.JoinGroup, n/4, false)...)
	}
	if got := r.sockets(mroute.IPv4); got != 2 {
		t.Errorf("%d joins on %d sockets, want 2", n, got)
	}
	if got := len(r.groups[familyIndex(mroute.IPv4)].room[0]); got > 2 {
		t.Errorf("%d sockets with room, of 2", got)
	}
}

func TestJoinLimit(t *testing.T) {
	r := newRouter(t)
	r.ns.Sysctl("ipv4/igmp_max_memberships", "0")
	for range 2 {
		errs := r.Apply(r.joins(mroute.IPv4, mroute.JoinGroup, 1, false))
		if len(errs) != 1 || !errors.Is(errs[0], kernel.ErrLimit) || !strings.Contains(errs[0].Error(), "net.ipv4.igmp_max_memberships") {
			t.Errorf("joining where none may gives %v, want ErrLimit and the name of the sysctl", errs)
		}
	}
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	none := before
	none.Cur = 3
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	errs := r.Apply(r.joins(mroute.IPv6, mroute.JoinGroup, 1, false))
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if len(errs) != 1 || !errors.Is(errs[0], kernel.ErrLimit) || !strings.Contains(errs[0].Error(), "RLIMIT_NOFILE") {
		t.Errorf("joining without descriptors gives %v, want ErrLimit and the name of the limit", errs)
	}
	r.ns.Sysctl("ipv4/igmp_max_memberships", "20")
	for _, f := range mroute.Families {
		r.apply(r.joins(f, mroute.JoinGroup, 30, false)...)
	}
}

// A link that vanishes leaves its joins on the sockets: they must be freed, or
// the sockets fill up with them.
func TestGoneLinkFreesItsJoins(t *testing.T) {
	eachFamily(t, func(t *testing.T, f mroute.Family) {
		for _, sources := range []bool{false, true} {
			r := newRouter(t)
			keep := mroute.Op{Kind: mroute.JoinGroup, Family: f, SG: flow(f, 5000), Link: r.link("a")}
			if !sources {
				keep.SG.Source = mroute.SG{}.Source
			}
			r.apply(keep) // keeps the first socket open
			const n = 9
			for range 25 { // more than the groups of a socket
				r.ns.Veth("c", r.host, "C")
				join := r.joins(f, mroute.JoinGroup, n, sources)
				for i := range join {
					join[i].Link = r.link("c")
				}
				r.apply(join...)
				r.ns.Delete("c")
				for i := range join {
					join[i].Kind = mroute.LeaveGroup
				}
				r.apply(join...)
			}
			if got := r.sockets(f); got != 1 {
				t.Fatalf("sources %v: %d sockets, want 1", sources, got)
			}
			r.apply(r.joins(f, mroute.JoinGroup, n, sources)...)
			if got := r.sockets(f); got != 1 {
				t.Errorf("sources %v: joins of links that are gone fill the socket: there are %d", sources, got)
			}
		}
	})
}

func BenchmarkJoinLeave(b *testing.B) {
	const n = 2000
	for _, f := range mroute.Families {
		b.Run(f.String(), func(b *testing.B) {
			r := newRouter(b)
			join, leave := r.joins(f, mroute.JoinGroup, n, false), r.joins(f, mroute.LeaveGroup, n, false)
			for b.Loop() {
				r.apply(join...)
				r.apply(leave...)
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N*n), "ns/join+leave")
		})
	}
}
