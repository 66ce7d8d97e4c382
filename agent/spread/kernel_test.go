package spread_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/keep"
	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/spread"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Two hundred links, each of which sends a flow of each family to the three after
// it, by rules for one source and for any: every packet comes out where it should,
// and nowhere else. At the end nothing is left.
func TestTwoHundredInterfaces(t *testing.T) {
	const n = 200
	l := newLab(t)
	l.links("n", n)
	var routes []mroute.Route
	expected := make([]map[mroute.SG]int, n) // by link
	for i := range expected {
		expected[i] = map[mroute.SG]int{}
	}
	name := func(i int) mroute.IfPattern { return mroute.IfPattern(fmt.Sprint("n", i%n)) }
	for i := range n {
		for _, f := range mroute.Families {
			sg, rule := flow(f, i), exact
			if i%2 == 1 {
				rule = anySource
			}
			routes = append(routes, rule(sg, name(i), name(i+1), name(i+2), name(i+3)))
			for d := 1; d <= 3; d++ {
				expected[(i+d)%n][sg] = 1
			}
		}
	}
	l.start()
	l.set(routes...)
	captures := make([]*netlab.Capture, n)
	for i := range captures {
		captures[i] = l.host.Capture(fmt.Sprint("xn", i))
	}
	for i := range n {
		for _, f := range mroute.Families {
			l.host.Send(fmt.Sprint("xn", i), packet(flow(f, i)))
		}
	}
	for i, c := range captures {
		for sg := range expected[i] {
			c.Await(sg, 1, soon)
		}
	}
	l.flush()
	for i, c := range captures {
		got := map[mroute.SG]int{}
		for sg, f := range c.Flows(netlab.In) {
			got[sg] = f.Packets
		}
		if fmt.Sprint(got) != fmt.Sprint(expected[i]) {
			t.Errorf("out of n%d came %v, expected %v", i, c, expected[i])
		}
	}

	snap := l.snapshot()
	if len(snap.Rules) != 2*n || len(snap.Entries) != 2*n || len(snap.Pending) != 0 {
		t.Errorf("%d rules, %d entries, pending: %+v", len(snap.Rules), len(snap.Entries), snap.Pending)
	}
	surveyed := l.surveyed(true)
	if got, want := rowsOf(surveyed), rowsOf(snap); got != want {
		t.Errorf("a survey of all tables gives\n%swant\n%s", got, want)
	}
	if got := l.surveyed(false); !reflect.DeepEqual(got.Links, snap.Links) || len(got.Rules) != len(snap.Rules) || len(got.Entries) != len(snap.Entries) {
		t.Errorf("a survey in no order gives %d rules, %d entries, links %+v; want %d, %d, %+v",
			len(got.Rules), len(got.Entries), got.Links, len(snap.Rules), len(snap.Entries), snap.Links)
	}
	for i, r := range snap.Rules {
		if r.IIF != string(name(i/2)) {
			t.Fatalf("rule %d of the listing comes in by %s", i, r.IIF)
		}
	}
	// Links in a row share outputs: 28 fit into a table beside three outputs.
	if got := len(snap.Tables); got != 7 {
		t.Errorf("tables beside the first: %v", snap.Tables)
	}
	if got := len(l.rules()); got < 3*150 || got > 3*n {
		t.Errorf("%d rules of the kernel", got)
	}
	l.stop((*spread.Router).Close)
	if got := l.rules(); len(got) > 0 {
		t.Errorf("rules that are left: %v", got)
	}
}

// Up to 32 links there is one table, and no rule.
func TestOneTableIsEnough(t *testing.T) {
	l := newLab(t)
	l.links("n", 32)
	l.start()
	l.set(anySource(flow(mroute.IPv4, 1), "n+", "n+"))
	snap := l.snapshot()
	if len(snap.Tables) > 0 || len(snap.Pending) > 0 || len(l.rules()) > 0 {
		t.Errorf("tables %v, pending %v, rules %v", snap.Tables, snap.Pending, l.rules())
	}
	for _, v := range snap.Links {
		if strings.HasPrefix(v.Name, "n") && (v.VIF == mroute.NoVIF || v.Table != 0) {
			t.Errorf("%+v", v)
		}
	}
}

// A 33rd link comes while a stream runs, and goes. Nobody else moves.
func TestOneMore(t *testing.T) {
	l := newLab(t)
	l.links("n", 32)
	l.start()
	var routes []mroute.Route
	for i := range 33 {
		routes = append(routes, anySource(flow(mroute.IPv4, i), mroute.IfPattern(fmt.Sprint("n", i)), mroute.IfPattern(fmt.Sprint("n", (i+1)%32))))
	}
	l.set(routes...)
	s := l.stream(flow(mroute.IPv4, 3), "n3", "n4")
	for range 2 {
		l.link("n32")
		c := l.host.Capture("xn1")
		netlab.Await(t, soon, func() bool { return len(l.rules()) == 3 }, "rules for n32")
		want := []string{
			`128: 10 iif "" oif "n32" table 90000001 protocol 17`,
			`128: 10 iif "n32" oif "" table 90000001 protocol 17`,
			`129: 10 iif "n32" oif "" table 90000001 protocol 17`,
		}
		if got := l.rules(); !slices.Equal(got, want) {
			t.Errorf("rules: %v", got)
		}
		netlab.Await(t, soon, func() bool {
			l.host.Send("xn32", packet(flow(mroute.IPv4, 32)))
			return c.Count(flow(mroute.IPv4, 32)) > 0
		}, "a packet that came in by n32")
		s.goesOn()
		l.router.Delete("n32")
		netlab.Await(t, soon, func() bool { return len(l.rules()) == 0 && len(l.snapshot().Tables) == 0 }, "one table")
	}
	s.lost()
}

// Links whose packets flow move to another table, since one that they share a
// table with needs more, and back: nothing is lost, learned or not.
func TestMove(t *testing.T) {
	l := newLab(t)
	l.links("a", 15)
	l.links("b", 15)
	l.link("in1")
	l.link("in2")
	l.start()
	one, two, three := flow(mroute.IPv4, 1), flow(mroute.IPv4, 2), flow(mroute.IPv6, 3)
	l.set(anySource(one, "in1", "a+"), anySource(two, "in2", "b+"), exact(three, "in2", "b+"))
	streams := []*stream{l.stream(one, "in1", "a7"), l.stream(two, "in2", "b7"), l.stream(three, "in2", "b8")}
	streams[0].rewritten = true // by a15
	if got := l.rules(); len(got) > 0 {
		t.Fatalf("rules at first: %v", got)
	}
	for range 3 {
		l.link("a15") // the 33rd
		netlab.Await(t, soon, func() bool { return len(l.rules()) == 3 }, "in2 in another table")
		netlab.Await(t, soon, func() bool { return slices.Contains(l.tables()[0], "a15") }, "a15 in the first table")
		if got := l.tables(); !slices.Contains(got[90000001], "in2") || slices.Contains(got[0], "in2") || !slices.Contains(got[0], "in1") {
			t.Fatalf("links are at %v", got)
		}
		for _, s := range streams {
			s.goesOn()
		}
		l.router.Delete("a15")
		netlab.Await(t, soon, func() bool { return len(l.rules()) == 0 && len(l.snapshot().Tables) == 0 }, "one table")
		for _, s := range streams {
			s.goesOn()
		}
	}
	for _, s := range streams {
		s.lost()
	}
}

// A link that needs more than 32 interfaces gets what one table has, and the rule
// tells what it lacks. Others have all they need.
func TestTooManyOutputs(t *testing.T) {
	l := newLab(t)
	l.links("a", 40)
	l.link("in1")
	l.link("in2")
	l.start()
	l.set(exact(flow(mroute.IPv4, 1), "in1", "a+"), exact(flow(mroute.IPv4, 2), "in2", "a1", "a39"))
	snap := l.snapshot()
	if len(snap.Pending) != 1 {
		t.Fatalf("pending: %+v", snap.Pending)
	}
	if snap.VIFs != mroute.MaxVIFs {
		t.Errorf("%d VIFs in the table with most of them", snap.VIFs)
	}
	const why = "in1 needs 41 interfaces with the outputs: a table of the kernel has 32"
	if p := snap.Pending[0]; p.From != "in1" || p.Cause != mroute.CauseVIFTableFull || p.Reason != why {
		t.Errorf("%+v", p)
	}
	l.host.Send("xin1", packet(flow(mroute.IPv4, 1)))
	c := l.host.Capture("xa39")
	netlab.Await(t, soon, func() bool {
		l.host.Send("xin2", packet(flow(mroute.IPv4, 2)))
		return c.Count(flow(mroute.IPv4, 2)) > 0
	}, "what goes by the other table")
	for _, e := range snap.Entries {
		if n := len(e.OIFs); e.SG == flow(mroute.IPv4, 1) && n != 31 {
			t.Errorf("%d outputs of what lacks some: %v", n, e.OIFs)
		}
	}
}

// Rules of others stay as they are, and decide.
func TestForeignRules(t *testing.T) {
	l := newLab(t)
	l.links("n", 40)
	l.foreign(5, "n38", 0xfd)  // as it is anyway: by such a rule nobody else gets the packets
	l.foreign(100, "n39", 700) // to another program
	other, err := linux.Open(linux.Options{NetNS: l.router.Path(), Table: 700})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	foreign := l.rules()
	l.start()
	var routes []mroute.Route
	for i := range 40 {
		routes = append(routes, anySource(flow(mroute.IPv4, i), mroute.IfPattern(fmt.Sprint("n", i)), "n0"))
	}
	l.set(routes...)
	own := 0
	for _, r := range l.rules() {
		if strings.Contains(r, "protocol 17") {
			own++
			if strings.Contains(r, `"n38"`) || strings.Contains(r, `"n39"`) {
				t.Errorf("a rule of our own: %s", r)
			}
		} else if !slices.Contains(foreign, r) {
			t.Errorf("a rule that was not there: %s", r)
		}
	}
	if own == 0 {
		t.Error("no rules of our own")
	}
	l.awaitPending("n39 diverted packets that arrive on n39 do not come to the router: the IPv4 rule of priority 100 leads to table 700")
	c := l.host.Capture("xn0")
	for _, i := range []int{39, 38, 37} {
		l.host.Send(fmt.Sprint("xn", i), packet(flow(mroute.IPv4, i)))
		if i != 39 {
			c.Await(flow(mroute.IPv4, i), 1, soon)
		}
	}
	l.flush()
	if n := c.Count(flow(mroute.IPv4, 39)); n > 0 {
		t.Errorf("%d packets of another program's were forwarded", n)
	}
	l.stop((*spread.Router).Close)
	if got := l.rules(); !slices.Equal(got, foreign) {
		t.Errorf("in the end there are %v, expected %v", got, foreign)
	}
}

// A rule of somebody else that leads packets of a link away, whenever it comes, has
// the rules pending that want these, until it is gone; it stays as it is.
func TestDiverted(t *testing.T) {
	l := newLab(t)
	l.links("n", 4)
	l.link("lone")
	l.start()
	four, six := flow(mroute.IPv4, 1), flow(mroute.IPv6, 2)
	l.set(anySource(four, "n1", "n0"), exact(six, "n1", "n0"), exact(flow(mroute.IPv4, 3), "n2", "n1"), exact(six, "n+", "lone"))
	l.awaitPending()
	away := func(link string, f mroute.Family, priority, table int) string {
		return fmt.Sprintf("packets that arrive on %s do not come to the router: the %v rule of priority %d leads to table %d", link, f, priority, table)
	}
	c := l.host.Capture("xn0")
	remove := l.foreign(5, "n1", 700)
	l.awaitPending() // packets pass it over until somebody has the table
	l.host.Send("xn1", packet(four))
	c.Await(four, 1, soon)
	other, err := linux.Open(linux.Options{NetNS: l.router.Path(), Table: 700})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	l.awaitPending(
		"n1 diverted "+away("n1", mroute.IPv4, 5, 700),
		"n1 diverted "+away("n1", mroute.IPv6, 5, 700),
		"n+ diverted "+away("n1", mroute.IPv6, 5, 700))
	l.host.Send("xn1", packet(four))
	l.flush() // or it comes when the rule is gone
	remove()
	l.awaitPending()
	later := mroute.SG{Source: flow(mroute.IPv4, 9).Source, Group: four.Group}
	l.host.Send("xn1", packet(later))
	c.Await(later, 1, soon)
	if n := c.Count(four); n > 1 {
		t.Errorf("%d packets left that were led away", n-1)
	}

	// All links, but for one that a rule before keeps, in IPv4.
	l.foreign(20, "n2", 0xfd) // table 0 of IPv4, and in IPv6 none
	remove = l.foreign(30, "", 700)
	l.awaitPending(
		"n1 diverted "+away("n1", mroute.IPv4, 30, 700),
		"n1 diverted "+away("n1", mroute.IPv6, 30, 700),
		"n+ diverted "+strings.Join([]string{
			away("n0", mroute.IPv6, 30, 700), away("n1", mroute.IPv6, 30, 700), away("n2", mroute.IPv6, 30, 700), away("n3", mroute.IPv6, 30, 700),
		}, "; "))
	remove()
	l.awaitPending()
}

// Who removes rules of ours takes packets away: they come back.
func TestRemovedRulesComeBack(t *testing.T) {
	l := newLab(t)
	l.links("n", 36)
	var routes []mroute.Route
	for i := range 36 {
		routes = append(routes, anySource(flow(mroute.IPv4, i), mroute.IfPattern(fmt.Sprint("n", i)), "n0"))
	}
	l.start()
	l.set(routes...)
	rules := l.rules()
	if len(rules) == 0 {
		t.Fatal("no rules")
	}
	for range 2 {
		l.unrule()
		netlab.Await(t, soon, func() bool { return slices.Equal(l.rules(), rules) }, "the same rules")
	}
	l.stream(flow(mroute.IPv4, 35), "n35", "n0").lost()
}

// The next process finds links where the one before it had them, and streams go
// on. If nobody kept the tables it uses the rules that are left, and removes them
// in the end, or if they are not needed.
func TestNextProcess(t *testing.T) {
	l := newLab(t)
	l.links("n", 36)
	l.store = keep.NewMemory()
	l.start()
	var routes []mroute.Route
	for i := range 36 {
		routes = append(routes, anySource(flow(mroute.IPv4, i), mroute.IfPattern(fmt.Sprint("n", i)), mroute.IfPattern(fmt.Sprint("n", (i+1)%36))))
	}
	l.set(routes...)
	rules := l.rules()
	if !strings.Contains(fmt.Sprint(rules), `"n34"`) {
		t.Fatalf("rules: %v", rules)
	}
	streams := []*stream{l.stream(flow(mroute.IPv4, 1), "n1", "n2"), l.stream(flow(mroute.IPv4, 34), "n34", "n35")}
	for range 2 {
		l.stop((*spread.Router).Detach)
		for _, s := range streams {
			s.goesOn()
		}
		l.start()
		if err := l.Started(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, s := range streams {
			s.goesOn()
		}
		l.set(routes...)
		for _, s := range streams {
			s.goesOn()
		}
		if got := l.rules(); !slices.Equal(got, rules) {
			t.Errorf("rules are %v, before they were %v", got, rules)
		}
	}
	for _, s := range streams {
		s.lost()
	}

	// Nothing is kept from here on.
	l.stop((*spread.Router).Close)
	if got := l.rules(); len(got) > 0 {
		t.Errorf("left: %v", got)
	}
	if got := l.store.Names(); len(got) > 0 {
		t.Errorf("kept: %v", got)
	}
	l.store = nil
	l.start()
	l.set(routes...)
	l.stop((*spread.Router).Detach) // as if it had been killed
	if got := l.rules(); !slices.Equal(got, rules) {
		t.Fatalf("rules are %v", got)
	}
	l.start()
	l.set(routes...)
	again := l.stream(flow(mroute.IPv4, 35), "n35", "n0")
	again.lost()
	l.stop((*spread.Router).Detach)
	l.start()
	l.set(routes[:3]...)
	if got := l.rules(); len(got) > 0 {
		t.Errorf("left where they are not needed: %v", got)
	}
}

// What clients change reaches all tables, and an error is one answer.
func TestEdit(t *testing.T) {
	l := newLab(t)
	l.links("n", 40)
	l.start()
	for i := range 40 {
		ed := mroute.Edit{Kind: mroute.AddRoute, Route: exact(flow(mroute.IPv4, i), mroute.IfPattern(fmt.Sprint("n", i)), "n0", "n1")}
		if err := l.Edit(context.Background(), ed); err != nil {
			t.Fatal(err)
		}
	}
	if snap := l.snapshot(); len(snap.Rules) != 40 || len(snap.Entries) != 40 || len(snap.Pending) > 0 || len(snap.Tables) != 1 {
		t.Fatalf("%d rules, %d entries, pending %v, tables %v", len(snap.Rules), len(snap.Entries), snap.Pending, snap.Tables)
	}
	for i := range 40 {
		ed := mroute.Edit{Kind: mroute.RemoveRoute, Route: exact(flow(mroute.IPv4, i), mroute.IfPattern(fmt.Sprint("n", i)))}
		if err := l.Edit(context.Background(), ed); err != nil {
			t.Fatal(err)
		}
		if err := l.Edit(context.Background(), ed); err == nil {
			t.Fatal("it can be removed twice")
		}
	}
	if snap := l.snapshot(); len(snap.Rules)+len(snap.Entries)+len(snap.Tables)+len(l.rules()) > 0 {
		t.Errorf("left: %+v", snap)
	}
}
