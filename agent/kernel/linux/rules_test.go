package linux

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

const besideTable = 90_000_001

// forked is a router with a second table, in which alone there is an entry, from a
// to b.
type forked struct {
	*router
	second *Kernel
	f      mroute.Family
	sg     mroute.SG
}

func newForked(t *testing.T, f mroute.Family) *forked {
	r := &forked{router: newRouter(t), f: f, sg: flow(f, 7)}
	k, err := r.Beside(besideTable)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	r.second = k.(*Kernel)
	mustApply(t, r.second,
		mroute.Op{Kind: mroute.AddVIF, Family: f, VIF: 0, Link: r.link("a")},
		mroute.Op{Kind: mroute.AddVIF, Family: f, VIF: 1, Link: r.link("b")},
		r.set(r.sg))
	return r
}

// set is the op that sets an entry from a to b.
func (r *forked) set(sg mroute.SG) mroute.Op {
	return mroute.Op{Kind: mroute.SetMFC, Family: r.f, SG: sg, Entry: mroute.Entry{OIFs: mroute.OIFs{1: 1}}}
}

func (r *forked) count() uint64 {
	var c [1]mroute.Counters
	if err := r.second.Counters(r.f, []mroute.SG{r.sg}, c[:]); err != nil {
		r.t.Fatal(err)
	}
	return c[0].Packets
}

func (r *forked) rule(w kernel.Way) kernel.Rule {
	return kernel.Rule{Family: r.f, Links: w, Table: besideTable}
}

func (r *forked) own() []kernel.Rule {
	r.t.Helper()
	rules, err := r.Rules(r.f)
	if err != nil {
		r.t.Fatal(err)
	}
	return slices.DeleteFunc(rules, func(x kernel.Rule) bool { return !x.Own })
}

// A rule leads the packets of a link to another table, and of no other link. It
// outlives its link, and holds for the next one of that name, but not for the link
// under another name.
func TestRuleLeadsToTable(t *testing.T) {
	eachFamily(t, func(t *testing.T, f mroute.Family) {
		r := newForked(t, f)
		c := r.host.Capture("B")
		n := uint64(0)
		probe := flow(f, 8)
		send := func(what string, passes bool) {
			t.Helper()
			before := r.count()
			n++
			r.host.SendBurst("A", netlab.Packet{Src: r.sg.Source, Group: r.sg.Group}, n, 1)
			if !passes {
				r.host.SendBurst("A", netlab.Packet{Src: probe.Source, Group: probe.Group}, n, 1)
				c.Await(probe, 1, 10*time.Second)
				c.Forget(probe)
				if got := r.count(); got != before {
					t.Errorf("%s: %d packets, expected %d", what, got, before)
				}
				return
			}
			netlab.Await(t, time.Minute, func() bool { return c.Has(r.sg, n) }, what)
		}
		// What the first table forwards of the other flow tells that a packet has
		// been looked at.
		r.apply(r.set(probe))
		send("no rule", false)
		rule := r.rule(kernel.Way{In: "a"})
		for range 2 { // what is there already may be added
			if err := r.AddRules([]kernel.Rule{rule}); err != nil {
				t.Fatal(err)
			}
		}
		if got := r.own(); len(got) != 1 || got[0].Links != rule.Links || got[0].Table != besideTable || !got[0].Plain() || got[0].Priority != kernel.RulePriority {
			t.Fatalf("rules: %+v", got)
		}
		send("by the rule", true)

		r.ns.Rename("a", "x")
		r.ns.AwaitReady("x")
		send("another name", false)
		r.ns.Rename("x", "a")
		r.ns.AwaitReady("a")
		send("its name again", true)

		r.ns.Delete("a")
		if got := r.own(); len(got) != 1 {
			t.Fatalf("without the link: %+v", got)
		}
		r.ns.Veth("a", r.host, "A")
		add := mroute.Op{Kind: mroute.AddVIF, Family: f, VIF: 0, Link: r.link("a")}
		mustApply(t, r.second, add, r.set(r.sg))
		send("the next link of that name", true)

		for range 2 {
			if err := r.DeleteRules([]kernel.Rule{rule}); err != nil {
				t.Fatal(err)
			}
		}
		r.apply(add, r.set(probe))
		send("without the rule", false)
		if got := r.own(); len(got) != 0 {
			t.Errorf("rules left: %+v", got)
		}
	})
}

// What the system itself sends out of a link goes to its router as if it had
// arrived there. In IPv4 rules see it come in by lo, and go out by the link.
func TestRuleForOwnPackets(t *testing.T) {
	eachFamily(t, func(t *testing.T, f mroute.Family) {
		r := newForked(t, f)
		r.ns.AddAddr("a", netip.PrefixFrom(r.sg.Source, f.Bits()))
		var conn *net.UDPConn
		err := r.ns.Do(func() (err error) {
			network := map[mroute.Family]string{mroute.IPv4: "udp4", mroute.IPv6: "udp6"}[f]
			conn, err = net.ListenUDP(network, &net.UDPAddr{IP: r.sg.Source.AsSlice()})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		raw, err := conn.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		err = raw.Control(func(fd uintptr) {
			if f == mroute.IPv4 {
				err = errors.Join(unix.SetsockoptIPMreqn(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(r.ns.Index("a"))}),
					unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 9))
			} else {
				err = errors.Join(unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, r.ns.Index("a")),
					unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 9))
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		// The kernel has looked at a packet before the call that sends it returns, or
		// soon after, in a softirq.
		passes := func(within time.Duration) bool {
			before := r.count()
			if _, err := conn.WriteToUDP([]byte("x"), &net.UDPAddr{IP: r.sg.Group.AsSlice(), Port: netlab.Port}); err != nil {
				t.Fatal(err)
			}
			return netlab.Poll(within, func() bool { return r.count() > before })
		}
		const never, soon = 300 * time.Millisecond, awaitTime
		if passes(never) {
			t.Error("it goes to the second table without a rule")
		}
		if err := r.AddRules([]kernel.Rule{r.rule(kernel.Way{In: "a"})}); err != nil {
			t.Fatal(err)
		}
		if f == mroute.IPv4 {
			if passes(never) {
				t.Error("it goes to the second table by a rule for what arrives")
			}
			if err := r.AddRules([]kernel.Rule{r.rule(kernel.Way{Out: "a"})}); err != nil {
				t.Fatal(err)
			}
		}
		if !passes(soon) {
			t.Error("it does not go to the second table")
		}
		if err := r.DeleteRules([]kernel.Rule{r.rule(kernel.Way{In: "a"}), r.rule(kernel.Way{Out: "a"})}); err != nil {
			t.Fatal(err)
		}
		if got := r.own(); len(got) != 0 {
			t.Errorf("rules left: %+v", got)
		}
	})
}

func TestBesideOwned(t *testing.T) {
	r := newRouter(t)
	other, err := Open(Options{NetNS: r.ns.Path(), Table: besideTable})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if k, err := r.Beside(besideTable); !errors.Is(err, kernel.ErrTableBusy) {
		t.Errorf("a table that is taken: %v, %v", k, err)
	}
}

// Whoever adds or deletes a rule is noticed, and so is a program that takes the table
// of one: until then packets pass it over. Other changes are no news of rules.
func TestRulesOfOthers(t *testing.T) {
	eachFamily(t, func(t *testing.T, f mroute.Family) {
		r := newRouter(t)
		l := watch(t, r.Kernel)
		told := 0
		news := func(what string) {
			t.Helper()
			netlab.Await(t, awaitTime, func() bool { n := l.ruleChanges(); is := n > told; told = n; return is }, "news of "+what)
		}
		change := func(do func(*netlink.Rule) error, family, table int) {
			t.Helper()
			if err := r.ns.Do(func() error {
				x := netlink.NewRule()
				x.Family, x.IifName, x.Table, x.Priority = family, "a", table, 100
				return do(x)
			}); err != nil {
				t.Fatal(err)
			}
		}
		void := func(want bool) {
			t.Helper()
			rules, err := r.Rules(f)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(rules, func(x kernel.Rule) bool { return x.Table == besideTable })
			if i < 0 || rules[i].Own || rules[i].Void != want {
				t.Errorf("rules are %+v, expected one for nobody's table: %v", rules, want)
			}
		}
		change(netlink.RuleAdd, ruleFamily(f), besideTable)
		news("a rule")
		void(true)
		other, err := Open(Options{NetNS: r.ns.Path(), Table: besideTable})
		if err != nil {
			t.Fatal(err)
		}
		news("who has its table")
		void(false)
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		news("who had it")
		void(false) // it is there, and drops what comes
		change(netlink.RuleDel, ruleFamily(f), besideTable)
		news("its end")

		// A rule of unicast routing, and the end of a VIF. News of a link comes behind what was before.
		link := func(up bool) {
			t.Helper()
			before, _ := l.changes()
			r.ns.SetUp("b", up)
			netlab.Await(t, awaitTime, func() bool { n, _ := l.changes(); return n > before }, "news of a link")
		}
		link(false)
		told = l.ruleChanges()
		change(netlink.RuleAdd, map[mroute.Family]int{mroute.IPv4: unix.AF_INET, mroute.IPv6: unix.AF_INET6}[f], besideTable)
		mustApply(t, r.Kernel, mroute.Op{Kind: mroute.DelVIF, Family: f, VIF: 0, Link: r.link("a")})
		link(true)
		if n := l.ruleChanges(); n != told {
			t.Errorf("%d times there was news of rules, expected %d", n, told)
		}
		l.stop(t)
	})
}
