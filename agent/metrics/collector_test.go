package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/meter"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func sg(i int) mroute.SG {
	return mroute.SG{Source: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), Group: netip.MustParseAddr("232.1.1.1")}
}

func at(line int) mroute.Origin { return mroute.Origin{Ref: "/etc/smcroute.conf", Line: line} }

// entry is a static entry of a line; it is idle for 1 s if it has packets.
func entry(i int, packets, wrong uint64, age time.Duration, lines ...int) mroute.EntryView {
	e := mroute.EntryView{SG: sg(i), IIF: "eth0", OIFs: []string{"eth1"}, Age: age,
		Counters: mroute.Counters{Packets: packets, Bytes: 100 * packets, WrongIf: wrong, Idle: -1}}
	if packets > 0 {
		e.Counters.Idle = time.Second
	}
	for _, l := range lines {
		e.Origins = append(e.Origins, at(l))
	}
	return e
}

// snapshot has a rule for each of some lines.
func snapshot(after time.Duration, lines []int, entries ...mroute.EntryView) *mroute.Snapshot {
	snap := &mroute.Snapshot{Time: start.Add(after), Entries: entries}
	for _, l := range lines {
		snap.Rules = append(snap.Rules, mroute.RuleView{Match: mroute.MatchSG(sg(l)), IIF: "eth0", Origin: at(l)})
	}
	return snap
}

// numbers are series as text, like `name{value,value}`.
func numbers(families []Family) map[string]float64 {
	m := map[string]float64{}
	for _, f := range families {
		for _, s := range f.Samples {
			m[f.Name+"{"+strings.Join(s.Labels, ",")+"}"] = s.Value
		}
	}
	return m
}

// says is a router that says what is in a snapshot, some at a time.
func says(snap *mroute.Snapshot) Router {
	return Router{Name: "main", Survey: func(_ context.Context, asked mroute.Survey) mroute.RouterState {
		if snap == nil {
			return mroute.RouterState{Err: errors.New("later")}
		}
		rest := *snap
		rest.Rules, rest.Entries = nil, nil
		if asked.Rules == nil {
			rest.Pending = nil
		} else {
			for some := range slices.Chunk(slices.Clone(snap.Rules), 2) {
				asked.Rules(snap.Time, some)
				clear(some) // they are good until the next
			}
		}
		if asked.Entries == nil {
			rest.Foreign = nil
		} else {
			for some := range slices.Chunk(slices.Clone(snap.Entries), 2) {
				asked.Entries(snap.Time, some)
				clear(some)
			}
		}
		return mroute.RouterState{Snapshot: &rest}
	}}
}

func lookAt(c *Collector, snap *mroute.Snapshot) map[string]float64 {
	return numbers(c.make(context.Background(), []Router{says(snap)}))
}

func TestRoute(t *testing.T) {
	const minute = time.Minute
	stop := func(e mroute.EntryView) mroute.EntryView { e.Kind = mroute.StopFilter; return e }
	stopped := func(e mroute.EntryView) mroute.EntryView { e.Kind, e.OIFs = mroute.Learned, nil; return e }
	c := New(Options{})
	one := []int{1}
	for _, s := range []struct {
		what                 string
		snap                 *mroute.Snapshot
		packets, idle, flows float64 // of the route of line 1; -1: there is none
	}{
		{"nothing was heard of it", snapshot(0, nil), -1, -1, -1},
		{"a rule, and no entry", snapshot(0, one), 0, 0, 0},
		{"it goes on so", snapshot(1*minute, one), 0, 60, 0},
		{"an entry", snapshot(2*minute, one, entry(1, 0, 0, minute, 1)), 0, 120, 1},
		{"packets", snapshot(3*minute, one, entry(1, 10, 0, 2*minute, 1)), 10, 1, 1},
		{"they stop", snapshot(4*minute, one, entry(1, 10, 0, 3*minute, 1)), 10, 61, 1},
		{"from a wrong interface, which has the kernel's idle time begin anew", snapshot(5*minute, one, entry(1, 15, 5, 4*minute, 1)), 15, 121, 1},
		{"the entry is gone", snapshot(6*minute, one), 15, 181, 0},
		{"it is made anew", snapshot(7*minute, one, entry(1, 3, 0, minute/2, 1)), 18, 1, 1},
		{"two flows, of which one goes on", snapshot(8*minute, one, entry(1, 3, 0, 2*minute, 1), entry(2, 4, 0, minute/2, 1, 1)), 22, 1, 2},
		{"no answer", nil, -1, -1, -1},
		{"an answer", snapshot(9*minute, one, entry(1, 3, 0, 3*minute, 1), entry(2, 4, 0, 2*minute, 1)), 22, 61, 2},
		{"a stop filter for lack of room", snapshot(10*minute, one, stop(entry(3, 7, 0, minute/2, 1))), 29, 1, 0},
		{"the rule has no outputs any more", snapshot(10*minute, one, stopped(entry(4, 7, 0, 10*time.Second, 1))), 36, 1, 0},
		{"the rule is gone", snapshot(11*minute, []int{2}), -1, -1, -1},
		{"and comes back", snapshot(12*minute, one), 0, 0, 0},
	} {
		got := lookAt(c, s.snap)
		for name, want := range map[string]float64{"route_packets_total": s.packets, "route_idle_seconds": s.idle, "route_flows": s.flows} {
			series := "smcroute_" + name + "{main,/etc/smcroute.conf:1}"
			if v, ok := got[series]; !ok && want >= 0 || ok && v != want {
				t.Errorf("%s: %s is %v (%v), want %v", s.what, series, v, ok, want)
			}
		}
		if got["smcroute_router_up{main}"] != truth(s.snap != nil) {
			t.Errorf("%s: up is %v", s.what, got["smcroute_router_up{main}"])
		}
	}
}

// A stream that came to its end before anybody looked has its own time, and one
// that never came that of its entry.
func TestIdleBeforeFirstLook(t *testing.T) {
	c := New(Options{})
	quiet := entry(1, 5, 0, time.Hour, 1)
	quiet.Counters.Idle = 10 * time.Minute
	snap := snapshot(0, []int{1, 2}, quiet, entry(2, 0, 0, time.Hour, 2))
	snap.Rules[1].Age = time.Hour
	got := lookAt(c, snap)
	for line, want := range map[int]float64{1: 600, 2: 3600} {
		if v := got[fmt.Sprintf("smcroute_route_idle_seconds{main,/etc/smcroute.conf:%d}", line)]; v != want {
			t.Errorf("line %d is idle for %v s, want %v", line, v, want)
		}
	}
}

// What an earlier process has counted it has told.
func TestAdopted(t *testing.T) {
	c := New(Options{})
	adopted := func(packets uint64, after time.Duration) mroute.EntryView {
		e := entry(1, packets, 0, after, 1)
		e.Adopted = true
		return e
	}
	lookAt(c, snapshot(0, []int{1}, adopted(1000, 0)))
	got := lookAt(c, snapshot(time.Minute, []int{1}, adopted(1007, time.Minute)))
	if v := got["smcroute_route_packets_total{main,/etc/smcroute.conf:1}"]; v != 7 {
		t.Errorf("%v packets, want 7", v)
	}
}

// Counters never fall while their series is there, whatever becomes of entries.
func TestCountersNeverFall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := New(Options{})
		before := map[string]float64{}
		now := time.Duration(0)
		for range rapid.IntRange(2, 12).Draw(t, "looks") {
			now += time.Duration(rapid.IntRange(1, 90).Draw(t, "s")) * time.Second
			var es []mroute.EntryView
			for i := range 3 {
				if !rapid.Bool().Draw(t, "there") {
					continue
				}
				n := rapid.Uint64Range(0, 20).Draw(t, "packets")
				e := entry(i, n, min(n, rapid.Uint64Range(0, 3).Draw(t, "wrong")), time.Duration(rapid.IntRange(0, 200).Draw(t, "age"))*time.Second, 1+i%2)
				e.Table = uint32(rapid.IntRange(0, 1).Draw(t, "table"))
				if rapid.Bool().Draw(t, "stop") {
					e.Kind = mroute.StopFilter
				}
				es = append(es, e)
			}
			got := lookAt(c, snapshot(now, []int{1, 2}, es...))
			for series, v := range before {
				if strings.Contains(series, "_total{") && got[series] < v {
					t.Fatalf("%s fell from %v to %v", series, v, got[series])
				}
			}
			before = got
		}
	})
}

func TestState(t *testing.T) {
	six := mroute.SG{Source: netip.MustParseAddr("2001:db8::1"), Group: netip.MustParseAddr("ff3e::1")}
	refused, nothing, empty := entry(4, 10, 1, 0, 1), entry(5, 20, 2, 0), entry(6, 40, 0, 0, 2)
	refused.Refused = true
	for _, e := range []*mroute.EntryView{&refused, &nothing, &empty} {
		e.Kind, e.OIFs = mroute.StopFilter, nil
	}
	learned, native, exact := entry(7, 80, 80, 0, 1), entry(8, 0, 0, 0, 1), entry(10, 5, 1, 0, 2)
	exact.OIFs = nil // as a rule without outputs makes it
	learned.Kind, native.SG.Source = mroute.Learned, netip.Addr{}
	snap := snapshot(0, []int{1, 2}, entry(1, 0, 0, 0, 1), refused, nothing, empty, learned, native, exact)
	snap.Entries = append(snap.Entries, mroute.EntryView{SG: six, Kind: mroute.Learned})
	snap.Foreign = []mroute.EntryView{{SG: sg(9)}}
	snap.Links = []mroute.LinkView{{VIF: 0, MIF: mroute.NoVIF}, {VIF: 3, MIF: 1}, {VIF: mroute.NoVIF, MIF: mroute.NoVIF}}
	snap.Tables = []uint32{90000001}
	snap.Joined = []mroute.GroupView{{Match: mroute.MatchSG(six)}}
	snap.Pending = []mroute.PendingView{
		{Kind: mroute.PendingRoute, Cause: mroute.CauseNoInterface, Origin: at(3)}, {Kind: mroute.PendingGroup, Cause: mroute.CauseLimit, Origin: at(4)},
	}
	snap.Flows = mroute.FlowCounts{Limit: 100, Full: true, Evicted: 7, Refused: 8}
	m := &meter.Router{}
	m.Upcalls([]mroute.Upcall{{Kind: mroute.NoCache, SG: sg(1)}, {Kind: mroute.WrongVIF, SG: six}, {Kind: 200, SG: six}})
	m.Lose(mroute.IPv4, 3)
	m.Refuse("SetMFC", fmt.Errorf("setting it: %w", syscall.ENOBUFS))
	m.Refuse("Links", errors.New("strange"))
	m.Learn.Observe(3*time.Millisecond, 2)
	router := says(snap)
	router.Meter = m
	families := New(Options{Version: "1", Read: func() (bool, time.Time, bool) { return false, start, true }}).
		make(t.Context(), []Router{router})
	got := numbers(families)
	for series, want := range map[string]float64{
		"entries{main,ipv4,static}": 2, "entries{main,ipv4,native}": 1, "entries{main,ipv4,learned}": 1, "entries{main,ipv4,stop-filter}": 3,
		"entries{main,ipv4,foreign}": 1, "entries{main,ipv6,learned}": 1, "entries{main,ipv6,static}": 0,
		"dropped_packets_total{main,wrong_interface}": 84, "dropped_packets_total{main,flow_limit}": 9,
		"dropped_packets_total{main,no_rule}": 18, "dropped_packets_total{main,no_output}": 44,
		"vifs{main,ipv4}": 2, "vifs{main,ipv6}": 1, "vifs_limit{main,ipv4}": 64, "joins{main,ipv6}": 1, "joins{main,ipv4}": 0,
		"pending_rules{main,no_interface}": 1, "pending_rules{main,limit}": 1, "pending_rules{main,kernel}": 0, "rules{main}": 2,
		"route_flows{main,/etc/smcroute.conf:2}": 0,
		"route_flows{main,/etc/smcroute.conf:3}": 0, // it waits for an interface, and is silent
		"flows_limit{main}":                      100, "flows_limit_reached{main}": 1, "flows_evicted_total{main}": 7, "flows_refused_total{main}": 8,
		"upcalls_total{main,ipv4,nocache}": 1, "upcalls_total{main,ipv6,wrongvif}": 1, "upcalls_lost_total{main,ipv4}": 3,
		"kernel_errors_total{main,SetMFC,ENOBUFS}": 1, "kernel_errors_total{main,Links,none}": 1,
		"config_reload_success{}": 0, "config_reload_timestamp_seconds{}": float64(start.Unix()),
	} {
		if v, ok := got["smcroute_"+series]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %v", series, v, ok, want)
		}
	}
	if _, ok := got["smcroute_route_flows{main,/etc/smcroute.conf:4}"]; ok {
		t.Error("a membership that waits is taken for a route")
	}
	for _, f := range families {
		if f.Desc == learn {
			if b := f.Samples[0].Buckets; b.Count != 2 || b.Sum != 6*time.Millisecond || b.UpTo[5] != 0 || b.UpTo[6] != 2 {
				t.Errorf("learning took %+v", b)
			}
		}
	}
}

func TestFlows(t *testing.T) {
	c := New(Options{Flows: 2})
	flows := func(m map[string]float64) (all []string) {
		for series := range m {
			if rest, ok := strings.CutPrefix(series, "smcroute_flow_packets_total{main,10.0.0."); ok {
				all = append(all, strings.TrimSuffix(rest, ",232.1.1.1,eth0}"))
			}
		}
		slices.Sort(all)
		return all
	}
	const minute = time.Minute
	var now time.Duration
	for _, s := range []struct {
		what    string
		packets [3]uint64 // of flows 1 to 3
		want    []string
	}{
		{"two of three", [3]uint64{1000, 900, 100}, []string{"1", "2"}},
		{"the third is quicker, but not by much", [3]uint64{2000, 1900, 1150}, []string{"1", "2"}},
		{"and then it is", [3]uint64{3000, 2900, 3150}, []string{"1", "3"}},
	} {
		now += minute
		var es []mroute.EntryView
		for i, n := range s.packets {
			es = append(es, entry(i+1, n, 0, now, 1))
		}
		got := lookAt(c, snapshot(now, []int{1}, es...))
		if have := flows(got); !slices.Equal(have, s.want) {
			t.Errorf("%s: %v, want %v", s.what, have, s.want)
		}
		if n := got["smcroute_series_omitted{flow}"]; n != 1 {
			t.Errorf("%s: %v flows are omitted, want 1", s.what, n)
		}
	}
}

// However many routes and flows there are: so many series and no more.
func TestBounded(t *testing.T) {
	const n = 100_000
	snap := &mroute.Snapshot{Time: start}
	for i := range n {
		e := entry(i, uint64(i), 0, time.Minute, i+1)
		snap.Entries = append(snap.Entries, e)
		snap.Rules = append(snap.Rules, mroute.RuleView{Match: mroute.MatchSG(e.SG), IIF: "eth0", Origin: at(i + 1), Counters: e.Counters, Age: e.Age})
	}
	c := New(Options{Flows: 10})
	for range 2 {
		got := lookAt(c, snap)
		if len(got) > 5*MaxRoutes+4*10+200 {
			t.Errorf("%d series of %d routes", len(got), n)
		}
		if v := got["smcroute_series_omitted{route}"]; v != n-MaxRoutes {
			t.Errorf("%v routes are omitted, want %d", v, n-MaxRoutes)
		}
		if v := got["smcroute_series_omitted{flow}"]; v != n-10 {
			t.Errorf("%v flows are omitted, want %d", v, n-10)
		}
		snap.Time = snap.Time.Add(time.Minute)
	}
	// Those that have series keep them, whatever comes before them.
	first := snapshot(time.Hour, []int{n + 1})
	first.Rules = append(first.Rules, snap.Rules...)
	if got := lookAt(c, first); got["smcroute_series_omitted{route}"] != n+1-MaxRoutes || len(c.routes.order) != MaxRoutes || c.routes.order[0].line != 1 {
		t.Errorf("a new route has put others out: %v", c.routes.order[:3])
	}
}

// Routers are asked once, however many scrape at a time, and once a second.
func TestCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c := New(Options{Routers: func(ctx context.Context) []Router {
			asked++
			if _, ok := ctx.Deadline(); !ok {
				t.Error("routers have no end of time")
			}
			time.Sleep(100 * time.Millisecond)
			return []Router{says(nil), says(nil)}
		}})
		gone, cancel := context.WithCancel(t.Context())
		cancel() // and nobody else suffers from that
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if got := numbers(c.Families(gone)); got["smcroute_router_up{main}"] != 0 || len(got) < 2 {
					t.Errorf("got %v", got)
				}
			})
		}
		wg.Wait()
		time.Sleep(fresh - time.Millisecond)
		c.Families(gone)
		if asked != 1 {
			t.Errorf("asked %d times, want once", asked)
		}
		time.Sleep(time.Millisecond)
		c.Families(gone)
		if asked != 2 {
			t.Errorf("asked %d times after a second, want twice", asked)
		}
	})
}
