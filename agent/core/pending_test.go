package core_test

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// pending lists what is pending: "conf:1 3 no interface b0", the number being the
// cause.
func (r *router) pending() []string {
	var ps []string
	for _, p := range r.state.Snapshot(r.now, nil).Pending {
		ps = append(ps, fmt.Sprintf("%v %d %s", p.Origin, p.Cause, p.Reason))
	}
	return ps
}

// refuse makes ops fail for which it is true, with an error of the kernel.
func (r *router) refuse(errno syscall.Errno, cause error, f func(mroute.Op) bool) {
	r.host.Fail(func(op mroute.Op) error {
		if f(op) {
			return &kernel.Error{Op: op.Kind.String(), Object: "X", Errno: errno, Cause: cause}
		}
		return nil
	})
}

// Whatever keeps a line from being in the kernel is told, with its cause, as long
// as it lasts; and it keeps no other line from being there.
func TestPendingCauses(t *testing.T) {
	fine := flow("10.0.0.9 225.9.9.9")
	many := func(n int) (links []string) {
		for i := range n {
			links = append(links, fmt.Sprintf("v%02d", i))
		}
		return links
	}
	for _, tt := range []struct {
		name  string
		links []string
		ill   func(r *router)
		conf  []string
		ctl   string
		send  []string
		want  []string
		cure  func(r *router)
	}{
		{
			name: "an interface is missing",
			conf: []string{"mroute from a0 group 225.1.1.1 to b0 x0", "mgroup from x0 group 225.1.1.1"},
			want: []string{"conf:1 1 no interface x0", "conf:2 1 no interface x0"},
			cure: func(r *router) { r.host.AddLink("x0"); r.readLinks() },
		}, {
			name: "a wildcard output matches nothing",
			conf: []string{"mroute from a0 group 225.1.1.1 to b0 x+"},
			want: []string{"conf:1 10 no interface matches x+"},
			cure: func(r *router) { r.host.AddLink("x7"); r.readLinks() },
		}, {
			name: "a wildcard output matches nothing, and an interface is missing",
			conf: []string{"mroute from a0 group 225.1.1.1 to x+ x7"},
			want: []string{"conf:1 1 no interface matches x+; no interface x7"},
			cure: func(r *router) { r.host.AddLink("x7"); r.readLinks() },
		}, {
			name: "a wildcard inbound matches nothing",
			conf: []string{"mroute from x+ group 225.1.1.1 to b0"},
			want: []string{"conf:1 1 no interface matches x+"},
			cure: func(r *router) { r.host.AddLink("x7"); r.readLinks() },
		}, {
			name: "an interface has no MULTICAST", links: []string{"x0"},
			ill:  func(r *router) { r.host.SetMulticast("x0", false); r.readLinks() },
			conf: []string{"mroute from a0 group 225.1.1.1 to x0", "mgroup from x0 group 225.1.1.1"},
			want: []string{"conf:1 2 interface x0 is not multicast capable", "conf:2 2 interface x0 is not multicast capable"},
			cure: func(r *router) { r.host.SetMulticast("x0", true); r.readLinks() },
		}, {
			name: "all VIFs are taken", links: many(31),
			conf: []string{"phyint v+ enable", "mroute from v30 group 225.1.1.1 to v00", "mgroup from v30 group 225.1.1.1"},
			want: []string{"conf:2 3 v30 has no VIF in the IPv4 table: all 32 are taken"},
			cure: func(r *router) { r.del("v07"); r.readLinks() },
		}, {
			name: "a wildcard names many without a VIF", links: many(40),
			conf: []string{"mroute from a0 group 225.1.1.1 to v+"},
			want: []string{"conf:1 3 " +
				"v30 has no VIF in the IPv4 table: all 32 are taken; v31 has no VIF in the IPv4 table: all 32 are taken; " +
				"v32 has no VIF in the IPv4 table: all 32 are taken; v33 has no VIF in the IPv4 table: all 32 are taken; and 6 more"},
			cure: func(r *router) {
				for i := range 10 {
					r.del(fmt.Sprintf("v%02d", i))
				}
				r.readLinks()
			},
		}, {
			name: "a VIF is refused", links: []string{"x0"},
			ill: func(r *router) {
				r.refuse(syscall.EPERM, kernel.ErrPermission, func(op mroute.Op) bool {
					return op.Kind == mroute.AddVIF && op.Link.Name == "x0" && op.Family == mroute.IPv4
				})
			},
			conf: []string{"mroute from a0 group 225.1.1.1 to x0", "mroute from a0 group ff05::1 to x0"},
			want: []string{"conf:1 6 x0 has no VIF in the IPv4 table: AddVIF X: the CAP_NET_ADMIN and CAP_NET_RAW capabilities are needed (operation not permitted)"},
			cure: func(r *router) { r.host.Fail(nil); r.step(core.Retry{}) },
		}, {
			name: "an exact rule is refused",
			ill: func(r *router) {
				r.refuse(syscall.ENOMEM, nil, func(op mroute.Op) bool { return op.Kind == mroute.SetMFC && op.SG != fine })
			},
			conf: []string{"mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0", "mroute from a0 source 10.0.0.1 group 225.1.1.1 to b1"},
			want: []string{"conf:1 7 SetMFC X: cannot allocate memory", "conf:2 7 SetMFC X: cannot allocate memory"},
			cure: func(r *router) { r.host.Fail(nil); r.step(core.Retry{}) },
		}, {
			name: "flows of a template are refused",
			ill: func(r *router) {
				r.refuse(syscall.ENOMEM, nil, func(op mroute.Op) bool { return op.Kind == mroute.SetMFC && op.SG != fine })
			},
			conf: []string{"mroute from a0 group 225.1.1.0/24 to b0", "mroute from a0 group 225.2.2.2 to b0"},
			ctl:  "add a0 225.1.1.1 b1",
			send: []string{"10.0.0.1 225.1.1.1", "10.0.0.2 225.1.1.1", "10.0.0.1 225.1.1.2"},
			want: []string{"conf:1 7 SetMFC X: cannot allocate memory (and 2 more flows)", " 7 SetMFC X: cannot allocate memory (and 1 more flows)"},
			cure: func(r *router) { r.host.Fail(nil); r.step(core.Retry{}) },
		}, {
			name: "joins are refused",
			ill: func(r *router) {
				r.refuse(syscall.ENOBUFS, kernel.ErrLimit, func(op mroute.Op) bool { return op.Kind == mroute.JoinGroup && op.Link.Name == "a0" })
			},
			conf: []string{"mgroup from a0 group 225.1.1.0/30", "mgroup from b0 group 225.1.1.0/30"},
			want: []string{"conf:1 7 JoinGroup X: a kernel limit on group memberships is reached (no buffer space available) (and 3 more)"},
			cure: func(r *router) { r.host.Fail(nil); r.step(core.Retry{}) },
		}, {
			name: "more is to be joined than a router takes",
			ill:  func(r *router) { r.state.Limits(8, 3) },
			conf: []string{"mgroup from a0 group 225.1.1.0/30", "mgroup from b0 group 225.0.0.0/16", "mgroup from b1 group 225.1.1.1", "mgroup from b0 group 225.0.0.3"},
			want: []string{
				"conf:2 9 a router takes 8 single memberships at most: not all of this line have room",
				"conf:3 9 a router takes 8 single memberships at most: not all of this line have room",
			},
			cure: func(r *router) { r.ctl("leave b0 225.0.0.0/16") },
		}, {
			name: "joins are on their way",
			ill:  func(r *router) { r.state.Limits(1000, 3); r.busy = true },
			conf: []string{"mgroup from a0 group 225.1.1.0/31", "mgroup from a0 group 225.1.1.0/29"},
			want: []string{"conf:2 8 being joined: 5 of 8 are yet to come"},
			cure: func(r *router) { r.goOn() },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRouter(t, slices.Concat([]string{"a0", "b0", "b1"}, tt.links)...)
			if tt.ill != nil {
				tt.ill(r)
			}
			// What is good keeps a line of its own, so that others count from 1.
			_ = r.edit(mroute.Edit{Kind: mroute.AddRoute, Route: mroute.Route{
				From: "a0", Match: mroute.MatchSG(fine), To: []mroute.Output{{If: "b0"}},
			}})
			r.step(core.SetLayer{Layer: r.parse(tt.conf...)})
			if tt.ctl != "" {
				r.ctl(tt.ctl)
			}
			for _, f := range tt.send {
				r.send("a0", flow(f))
			}
			same(t, "pending", r.pending(), tt.want...)
			is(t, "meanwhile another rule", r.out("a0", fine), "b0")
			tt.cure(r)
			same(t, "pending after the cure", r.pending())
		})
	}
}

// However many memberships a line stands for, it takes no more time and memory
// than the limit.
func TestEndlessJoins(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.state.Limits(8, 3)
	l := mroute.Layer{Name: "kubernetes", Joins: []mroute.Join{
		{If: "b0", Match: match("* 225.1.1.0/30"), Origin: mroute.Origin{Ref: "ns/few", Seq: 1}},
		{If: "+", Match: match("2001:db8::/32 ff05::/16"), Origin: mroute.Origin{Ref: "ns/many", Seq: 2}},
		{If: "b0", Match: match("* ff05::/16"), Origin: mroute.Origin{Ref: "ns/more", Seq: 3}},
	}}
	r.step(core.SetLayer{Layer: l})
	room := "a router takes 8 single memberships at most: not all of this line have room"
	same(t, "pending", r.pending(), "ns/many 9 "+room, "ns/more 9 "+room)
	is(t, "joined", len(r.state.Snapshot(r.now, nil).Joined), 8)
	r.takeOps()
	r.ctl("leave b0 225.1.1.0/30")
	is(t, "joined when others left", len(r.state.Snapshot(r.now, nil).Joined), 8)
	is(t, "joined and left", len(r.takeOps()), 8)
	l.Joins = l.Joins[:1]
	r.step(core.SetLayer{Layer: l})
	same(t, "pending", r.pending())
	is(t, "joined in the end", len(r.state.Snapshot(r.now, nil).Joined), 0)
}

// A family whose table is not to be had keeps only its own rules waiting; what is
// also missing is told as well.
func TestPendingForAFamily(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.host.Lack(mroute.IPv6)
	k, err := r.host.Open(7)
	if err != nil {
		t.Fatal(err)
	}
	r.kernel = k
	r.state = core.New(core.Options{FamilyErr: k.FamilyErr, CauseOf: kernel.CauseOf})
	r.readLinks()
	r.conf("mroute from a0 group 225.1.1.1 to b0", "mroute from a0 group ff05::1 to b0 x0")
	lacks := "MRT_INIT IPv6 table 7: the kernel lacks support for this multicast routing feature (protocol not available)"
	same(t, "pending", r.pending(), "conf:2 5 "+lacks+"; no interface x0")
}

// A pinned output waits when its link goes, whoever gets its name then.
func TestPinnedLink(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	index := func(name string) int {
		for _, l := range r.host.Links() {
			if l.Name == name {
				return l.Index
			}
		}
		return 0
	}
	layer := func() mroute.Layer {
		return mroute.Layer{Name: "kubernetes", Routes: []mroute.Route{{
			From: "a0", Match: match("* 225.1.1.1"), Origin: mroute.Origin{Ref: "ns/x", Seq: 1, Generation: 2},
			To: []mroute.Output{{If: mroute.Pinned("b0", index("b0"))}, {If: mroute.Pinned("b1", index("b1"))}},
		}}}
	}
	sg := flow("10.0.0.1 225.1.1.1")
	r.step(core.SetLayer{Layer: layer()})
	r.send("a0", sg)
	is(t, "outputs", r.out("a0", sg), "b0 b1")
	same(t, "pending", r.pending())

	r.del("b0")
	r.readLinks()
	is(t, "outputs without b0", r.out("a0", sg), "b1")
	same(t, "pending without b0", r.pending(), "ns/x@2 1 no interface b0")
	r.host.AddLink("b0")
	r.readLinks()
	is(t, "outputs with another b0", r.out("a0", sg), "b1")
	same(t, "pending with another b0", r.pending(), "ns/x@2 1 interface b0 was replaced by another of that name")
	r.step(core.SetLayer{Layer: layer()})
	is(t, "outputs with the new one pinned", r.out("a0", sg), "b0 b1")
	same(t, "pending", r.pending())
	r.host.RenameLink("b1", "b2")
	r.readLinks()
	is(t, "outputs when b1 is called b2", r.out("a0", sg), "b0")
	same(t, "pending when b1 is called b2", r.pending(), "ns/x@2 1 no interface b1")
	for _, l := range r.takeLogs() {
		if strings.Contains(l, "/") {
			t.Errorf("a pin in the log: %s", l)
		}
	}
}

// Whoever follows the state is told of each change, once a round, and of nothing
// else.
func TestChanged(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.state.Limits(1000, 4)
	sg := flow("10.0.0.1 225.1.1.1")
	for _, step := range []struct {
		what string
		do   func()
		want int
	}{
		{"a layer", func() { r.conf("mroute from a0 group 225.1.1.1 to b0") }, 1},
		{"a layer that only waits", func() { r.conf("mroute from a0 group 225.1.1.1 to b0", "mroute from a0 group 225.9.9.9 to x0") }, 1},
		{"a flow", func() { r.send("a0", sg) }, 1},
		{"packets", func() { r.send("a0", sg) }, 0},
		{"a stray", func() { r.send("b0", sg) }, 0},
		{"links as before", func() { r.readLinks() }, 0},
		{"a look at the flows", func() { r.step(core.Expire{Age: time.Hour}) }, 0},
		{"a retry of nothing", func() { r.step(core.Retry{}) }, 0},
		{"an edit", func() { r.ctl("add a0 225.2.2.2 b0") }, 1},
		{"a link goes", func() { r.del("b0"); r.readLinks() }, 1},
		{"a link comes", func() { r.host.AddLink("b0"); r.readLinks() }, 1},
		{"many joins", func() { r.ctl("join a0 225.3.0.0/26") }, 2}, // when they begin, and end
		{"an expiry", func() { r.send("a0", sg); r.changes = 0; r.step(core.Expire{}); r.step(core.Expire{}) }, 1},
	} {
		r.changes = 0
		step.do()
		is(t, step.what+": told of changes", r.changes, step.want)
	}
}

// Origins name the rules that an entry's packets count for, if counters are asked
// for.
func TestOrigins(t *testing.T) {
	r := newRouter(t, "a0", "a1", "b0")
	r.step(core.SetLayer{Layer: mroute.Layer{Name: "kubernetes", Routes: []mroute.Route{
		{From: "a0", Match: match("10.0.0.1 225.1.1.1"), To: []mroute.Output{{If: "b0"}}, Origin: mroute.Origin{Ref: "ns/exact", Seq: 1, Generation: 1}},
		{From: "a0", Match: match("10.0.0.1 225.1.1.1"), To: []mroute.Output{{If: "a1"}}, Origin: mroute.Origin{Ref: "ns/too", Seq: 2, Generation: 1}},
		{From: "a1", Match: match("10.0.0.1 225.1.1.1"), To: []mroute.Output{{If: "b0"}}, Origin: mroute.Origin{Ref: "ns/elsewhere", Seq: 3, Generation: 1}},
		{From: "a0", Match: match("* 225.1.1.0/24"), To: []mroute.Output{{If: "b0"}}, Origin: mroute.Origin{Ref: "ns/template", Seq: 4, Generation: 1}},
		{From: "a+", Match: match("* 225.1.1.2"), Origin: mroute.Origin{Ref: "ns/stop", Seq: 5, Generation: 1}},
	}}})
	for _, f := range []string{"10.0.0.1 225.1.1.1", "10.0.0.1 225.1.1.2", "10.0.0.2 225.1.1.2", "10.0.0.1 225.1.1.3", "10.0.0.1 225.7.7.7"} {
		r.send("a0", flow(f))
	}
	list := func(read core.ReadFunc) (es []string) {
		for _, e := range r.state.Snapshot(r.now, read).Entries {
			var refs []string
			for _, o := range e.Origins {
				refs = append(refs, o.Ref)
			}
			es = append(es, fmt.Sprintf("%v %v", e.SG, refs))
		}
		return es
	}
	same(t, "origins", list(func(_ mroute.Family, sgs []mroute.SG) []mroute.Counters { return make([]mroute.Counters, len(sgs)) }),
		"(10.0.0.1, 225.1.1.1) [ns/exact ns/too]",
		"(10.0.0.1, 225.1.1.2) [ns/stop ns/template]",
		"(10.0.0.2, 225.1.1.2) [ns/stop ns/template]",
		"(10.0.0.1, 225.1.1.3) [ns/template]",
		"(10.0.0.1, 225.7.7.7) []")
	same(t, "without counters", list(nil)[:1], "(10.0.0.1, 225.1.1.1) []")
}
