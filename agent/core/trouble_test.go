package core_test

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

var errNo = errors.New("no")

// failing makes ops fail for which f is true.
func failing(f func(mroute.Op) bool) func(mroute.Op) error {
	return func(op mroute.Op) error {
		if f(op) {
			return errNo
		}
		return nil
	}
}

// A failure is logged when it begins and when it is over, whatever else goes
// well meanwhile, and is tried again after waits that double.
func TestFailuresAreLoggedOnce(t *testing.T) {
	sg := flow("10.0.0.1 225.1.1.1")
	for _, tt := range []struct {
		name  string
		fails func(mroute.Op) bool
	}{
		{"SetMFC", func(op mroute.Op) bool { return op.Kind == mroute.SetMFC && op.SG == sg }},
		{"AddVIF", func(op mroute.Op) bool { return op.Kind == mroute.AddVIF && op.Link.Name == "b1" }},
		{"JoinGroup", func(op mroute.Op) bool { return op.Kind == mroute.JoinGroup }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRouter(t, "a0", "b0", "b1")
			r.host.Fail(failing(tt.fails))
			r.conf("mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0 b1", "mroute from a0 group 225.2.0.0/16 to b0", "mgroup from b0 group 225.3.3.3")
			is(t, "lines when it begins", len(r.takeLogs()), 1)
			wait := time.Second
			for i := range 8 {
				is(t, "wait", r.wake, wait)
				// Something else that goes well.
				r.send("a0", flow(fmt.Sprintf("10.0.0.%d 225.2.2.2", i)))
				r.ctl(fmt.Sprintf("add a0 225.2.%d.0/24 b0", i))
				same(t, "log meanwhile", r.takeLogs())
				r.step(core.Retry{})
				same(t, "log of the retry", r.takeLogs())
				wait = min(2*wait, time.Minute)
			}
			r.host.Fail(nil)
			r.step(core.Retry{})
			same(t, "log when it is over", r.takeLogs(), "what had failed in the kernel works now")
			is(t, "forwarding", r.out("a0", sg), "b0 b1")
			is(t, "groups", len(r.host.Memberships("b0")), 1)

			r.host.Fail(failing(func(op mroute.Op) bool { return op.Kind == mroute.SetMFC }))
			r.ctl("add a0 10.0.0.1 225.4.4.4 b0")
			is(t, "lines when it begins again", len(r.takeLogs()), 1)
			is(t, "wait", r.wake, time.Second)
		})
	}
}

// Failures that keep coming do not put the retry off.
func TestNewFailuresDoNotPostponeTheRetry(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.conf("mroute from a0 group 225.1.0.0/16 to b0")
	r.host.Fail(failing(func(op mroute.Op) bool { return op.Kind == mroute.SetMFC }))
	r.send("a0", flow("10.0.0.1 225.1.1.1"))
	is(t, "wait", r.wake, time.Second)
	r.wake = 0
	r.send("a0", flow("10.0.0.2 225.1.1.1"))
	r.send("a0", flow("10.0.0.3 225.1.1.1"))
	is(t, "another wait in between", r.wake, 0)
	r.step(core.Retry{})
	is(t, "wait after the retry", r.wake, 2*time.Second)
}

// A retry makes good exactly what failed.
func TestRetryRepeatsOnlyWhatFailed(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	bad := flow("10.0.0.2 225.1.1.1")
	r.host.Fail(failing(func(op mroute.Op) bool { return op.SG == bad }))
	r.conf("mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0", "mroute from a0 source 10.0.0.2 group 225.1.1.1 to b0", "mroute from a0 source 10.0.0.3 group 225.1.1.1 to b0")
	r.host.Fail(nil)
	r.takeOps()
	r.step(core.Retry{})
	ops := r.takeOps()
	if len(ops) != 1 || ops[0].SG != bad || ops[0].Kind != mroute.SetMFC {
		t.Errorf("ops of the retry:\n%s", format(ops))
	}
}

// A failed deletion is tried again.
func TestFailedDeletion(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	sg := flow("10.0.0.1 225.1.1.1")
	r.conf("mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0", "phyint a0", "phyint b0")
	r.host.Fail(failing(func(op mroute.Op) bool { return op.Kind == mroute.DelMFC }))
	r.conf("phyint a0", "phyint b0")
	is(t, "forwarding", r.out("a0", sg), "b0")
	r.host.Fail(nil)
	r.step(core.Retry{})
	is(t, "forwarding", r.out("a0", sg), "-")
	same(t, "entries", r.entries())
}

// A persistent failure of one VIF does not have every route looked at for each
// change of a client.
func TestFailedVIFDoesNotTouchAllRoutes(t *testing.T) {
	r := newRouter(t, "a0", "b0", "b1")
	r.host.Fail(failing(func(op mroute.Op) bool { return op.Kind == mroute.AddVIF && op.Link.Name == "b1" }))
	r.conf("phyint b1", "mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0")
	r.ctl("add a0 10.0.0.2 225.1.1.1 b0")
	is(t, "entries looked at", r.state.Looked(), 1)
}

// A join that a limit refused is tried again when a group is left, when the
// links change, and after a while.
func TestRefusedJoins(t *testing.T) {
	for _, tt := range []struct {
		name string
		room func(r *router)
	}{
		{"a leave", func(r *router) { r.ctl("leave a0 225.1.1.0") }},
		{"a link that changes", func(r *router) { r.host.LimitMemberships(4); r.host.AddLink("c0"); r.readLinks() }},
		{"a link event", func(r *router) { r.host.LimitMemberships(4); r.readLinks() }},
		{"a wake-up", func(r *router) { r.host.LimitMemberships(4); r.step(core.Retry{}) }},
		{"a link that goes", func(r *router) { r.del("b0"); r.readLinks() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRouter(t, "a0", "b0")
			r.host.LimitMemberships(3)
			r.conf("mgroup from b0 group 225.2.2.2", "mgroup from a0 group 225.1.1.0", "mgroup from a0 group 225.1.1.1", "mgroup from a0 group 225.1.1.2")
			is(t, "joined", len(r.state.Snapshot(r.now, nil).Joined), 3)
			logs := r.takeLogs()
			if len(logs) != 1 || !strings.Contains(logs[0], kernel.ErrLimit.Error()) {
				t.Error(logs)
			}
			r.ctl("add a0 225.9.9.9 b0") // nothing that makes room
			is(t, "joined", len(r.state.Snapshot(r.now, nil).Joined), 3)
			tt.room(r)
			if !strings.Contains(fmt.Sprint(r.host.Memberships("a0")), "225.1.1.2") {
				t.Errorf("not joined: %v", r.host.Memberships("a0"))
			}
			if logs := r.takeLogs(); logs[len(logs)-1] != "what had failed in the kernel works now" {
				t.Error(logs)
			}
		})
	}
}

// Refused joins are not tried again with each change that makes no room.
func TestRefusedJoinsAreLeftAlone(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	refused := flow("10.0.0.1 232.1.1.1")
	r.host.Fail(failing(func(op mroute.Op) bool { return op.Kind == mroute.JoinGroup && op.SG == refused }))
	r.conf("mgroup from a0 source 10.0.0.1 group 232.1.1.1")
	r.takeOps()
	r.ctl("join b0 225.1.1.0/24") // many: all are compared
	is(t, "joined", len(r.host.Memberships("b0")), 256)
	for _, op := range r.takeOps() {
		if op.SG == refused {
			t.Error("tried again")
		}
	}
}

// A refused join that nobody wants any more is no trouble any more.
func TestRefusedJoinIsForgotten(t *testing.T) {
	r := newRouter(t, "a0")
	r.host.LimitMemberships(1)
	r.conf("mgroup from a0 group 225.1.1.0", "mgroup from a0 group 225.1.1.1")
	r.takeLogs()
	r.ctl("leave a0 225.1.1.1")
	same(t, "log", r.takeLogs(), "what had failed in the kernel works now")
	r.takeOps()
	r.step(core.Retry{})
	is(t, "ops", format(r.takeOps()), "")
}

// The kernel has the newest membership at the head of the list that it searches.
func TestNewestMembershipLeavesFirst(t *testing.T) {
	r := newRouter(t, "a0")
	only := func(kind mroute.OpKind) (sgs []mroute.SG) {
		for _, op := range r.takeOps() {
			if op.Kind == kind {
				sgs = append(sgs, op.SG)
			}
		}
		return sgs
	}
	r.ctl("join a0 225.1.0.0/24")
	joins := only(mroute.JoinGroup)
	r.ctl("leave a0 225.1.0.0/24")
	leaves := only(mroute.LeaveGroup)
	slices.Reverse(leaves)
	is(t, "joins", len(joins), 256)
	if !slices.Equal(joins, leaves) {
		t.Errorf("joined %v, left from behind %v", joins, leaves)
	}
}

// One family's table may be another program's.
func TestOneFamilyAlone(t *testing.T) {
	inUse := &kernel.Error{Op: "MRT_INIT", Object: "IPv4 table 0", Cause: kernel.ErrTableBusy}
	s := core.New(core.Options{CauseOf: kernel.CauseOf, FamilyErr: func(f mroute.Family) error {
		if f == mroute.IPv4 {
			return inUse
		}
		return nil
	}})
	links := []mroute.Link{{Index: 2, Name: "a0", Multicast: true}, {Index: 3, Name: "b0", Multicast: true}}
	now := time.Unix(1_700_000_000, 0)
	run(s, s.Step(core.LinksRead{Links: links}, now), now)
	l := mroute.Layer{Name: "file", Routes: []mroute.Route{
		{From: "a0", Match: match("10.0.0.1 225.1.1.1"), To: []mroute.Output{{If: "b0"}}},
		{From: "a0", Match: match("2001:db8::1 ff05::1"), To: []mroute.Output{{If: "b0"}}},
	}}
	is(t, "ops", run(s, s.Step(core.SetLayer{Layer: l}, now), now), 3)
	run(s, s.Step(core.Upcalls{{Kind: mroute.NoCache, SG: flow("10.0.0.1 225.2.2.2")}}, now), now)
	snap := s.Snapshot(now, nil)
	is(t, "entries", len(snap.Entries), 1)
	is(t, "VIF", snap.Links[0].VIF, mroute.NoVIF)
	is(t, "MIF", snap.Links[0].MIF, 0)
	is(t, "pending", snap.Pending[0].Reason, inUse.Error())
	is(t, "cause", snap.Pending[0].Cause, mroute.CauseTableInUse)
	is(t, "flush", run(s, s.Step(core.Expire{}, now), now), 0)
}

// A big plan comes in pieces, so that its memory is bounded.
func TestBigPlansComeInPieces(t *testing.T) {
	s := core.New(core.Options{})
	now := time.Unix(1_700_000_000, 0)
	run(s, s.Step(benchLinks, now), now)
	const routes = 5000
	todo := s.Step(core.SetLayer{Layer: exactRoutes(routes)}, now)
	set := 0
	for len(todo) > 0 {
		a, ok := todo[len(todo)-1].(core.Apply)
		if !ok {
			break
		}
		if len(a.Ops) > routes/2 {
			t.Errorf("%d ops at once", len(a.Ops))
		}
		for _, op := range a.Ops {
			if op.Kind == mroute.SetMFC {
				set++
			}
		}
		todo = s.Step(core.Applied{}, now)
	}
	is(t, "entries set", set, routes)
}

// Leaving n groups while others are refused takes time in proportion to n.
func BenchmarkLeaveManyWhileOneIsRefused(b *testing.B) {
	for _, n := range []int{1 << 10, 1 << 14} {
		b.Run(fmt.Sprintf("groups=%d", n), func(b *testing.B) {
			now := time.Unix(1_700_000_000, 0)
			all := mroute.Layer{Name: "file", Joins: []mroute.Join{
				{If: "a0", Match: match(fmt.Sprintf("* 225.0.0.0/%d", 33-bits.Len(uint(n)))), Origin: mroute.Origin{Seq: 1}},
				{If: "b0", Match: match("* 239.1.1.1"), Origin: mroute.Origin{Seq: 2}},
			}}
			one := mroute.Layer{Name: "file", Joins: all.Joins[1:]}
			for b.Loop() {
				s := core.New(core.Options{})
				refuse := func(effects []core.Effect) {
					for len(effects) > 0 {
						if slices.Contains(effects, core.Effect(core.Later{})) {
							effects = s.Step(core.Continue{}, now)
							continue
						}
						a, ok := effects[len(effects)-1].(core.Apply)
						if !ok {
							return
						}
						errs := make([]error, len(a.Ops))
						for i, op := range a.Ops {
							if op.Kind == mroute.JoinGroup && op.Link.Name == "b0" {
								errs[i] = errNo
							}
						}
						effects = s.Step(core.Applied{Errs: errs}, now)
					}
				}
				refuse(s.Step(benchLinks, now))
				refuse(s.Step(core.SetLayer{Layer: all}, now))
				refuse(s.Step(core.SetLayer{Layer: one}, now))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/group")
		})
	}
}

// A flood of flows that all fail for one reason is one line, though each error
// names another object.
func TestOneLineForOneCause(t *testing.T) {
	r := newRouter(t, "a0", "b0")
	r.conf("mroute from a0 group 225.0.0.0/8 to b0")
	r.host.Fail(failing(func(op mroute.Op) bool { return op.Kind == mroute.SetMFC }))
	for i := range 5 {
		r.send("a0", flow(fmt.Sprintf("10.0.0.%d 225.1.1.1", i)))
	}
	is(t, "lines", len(r.takeLogs()), 1)
}
