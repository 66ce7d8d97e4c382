package status

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

var (
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	host  = translate.Router{}
)

func route(name string) translate.Object {
	return translate.Object{Kind: translate.RouteKind, Namespace: "ns", Name: name, UID: "uid-" + name, Generation: 1, Routers: []translate.Router{host}}
}

func sg(i int) mroute.SG {
	return mroute.SG{Source: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Group: netip.MustParseAddr("232.1.1.1")}
}

func entry(flow int, packets uint64, age time.Duration, routes ...string) mroute.EntryView {
	e := mroute.EntryView{SG: sg(flow), IIF: "eth0", OIFs: []string{"eth1"}, Age: age,
		Counters: mroute.Counters{Packets: packets, Bytes: 100 * packets, WrongIf: packets / 10}}
	for _, r := range routes {
		o := route(r)
		e.Origins = append(e.Origins, mroute.Origin{Ref: o.Ref()})
	}
	return e
}

func at(after time.Duration, entries ...mroute.EntryView) map[translate.Router]mroute.RouterState {
	return map[translate.Router]mroute.RouterState{host: {Snapshot: &mroute.Snapshot{Time: start.Add(after), Entries: entries}}}
}

// Count takes the entries of the routers' snapshots.
func (l *Ledger) Count(objects []translate.Object, routers map[translate.Router]mroute.RouterState) {
	Report(objects, routers, l, Options{})
}

func TestLedger(t *testing.T) {
	a, b := route("a"), route("b")
	objects := []translate.Object{a, b}
	type step struct {
		what     string
		routers  map[translate.Router]mroute.RouterState
		packets  int64 // of a
		flows    int64
		packetsB int64
	}
	minute := time.Minute
	var l Ledger
	for _, s := range []step{
		{"nothing yet", at(0), 0, 0, 0},
		{"a new entry", at(1*minute, entry(1, 50, minute/2, "a")), 50, 1, 0},
		{"it goes on", at(2*minute, entry(1, 70, 3*minute/2, "a")), 70, 1, 0},
		{"two routes share it, one has two rules", at(3*minute, entry(1, 100, 5*minute/2, "a", "a", "b")), 100, 1, 30},
		{"made anew, and already beyond what it had", at(4*minute, entry(1, 200, minute/2, "a")), 300, 1, 30},
		{"a counter of 32 bits went round", at(5*minute, entry(1, 20, 3*minute/2, "a")), 320, 1, 30},
		{"cannot be read", at(6*minute, entry(1, 0, 5*minute/2, "a")), 320, 1, 30},
		{"can be read again", at(7*minute, entry(1, 25, 7*minute/2, "a")), 325, 1, 30},
		{"does not answer", map[translate.Router]mroute.RouterState{host: {Err: fmt.Errorf("later")}}, 325, 1, 30},
		{"answers again", at(8*minute, entry(1, 26, 9*minute/2, "a"), entry(2, 4, minute, "b")), 326, 1, 34},
		{"the flow is gone", at(9*minute, entry(2, 4, 2*minute, "b")), 326, 0, 34},
		{"nobody's flow", at(10*minute, entry(2, 4, 3*minute, "b"), entry(3, 9, minute)), 326, 0, 34},
		{"a route covers it from now on", at(11*minute, entry(2, 4, 4*minute, "b"), entry(3, 12, 2*minute, "a")), 329, 1, 34},
		{"nothing came yet", at(12*minute, entry(4, 0, minute, "a")), 329, 1, 34},
		{"and then it does", at(13*minute, entry(4, 5, 2*minute, "a")), 334, 1, 34},
	} {
		l.Count(objects, s.routers)
		if c := l.Counters(&a); c.Packets != s.packets || c.Bytes != 100*s.packets || c.Flows != s.flows {
			t.Errorf("%s: a has %d packets, %d bytes, %d flows, want %d, %d, %d", s.what, c.Packets, c.Bytes, c.Flows, s.packets, 100*s.packets, s.flows)
		}
		if c := l.Counters(&b); c.Packets != s.packetsB {
			t.Errorf("%s: b has %d packets, want %d", s.what, c.Packets, s.packetsB)
		}
	}
	if got := l.Counters(&a).LastUpdateTime; !got.Time.Equal(start.Add(13 * minute)) {
		t.Errorf("changed last at %v", got)
	}
	l.Count(objects[:1], at(14*minute))
	if c := l.Counters(&b); c.Packets != 0 {
		t.Errorf("b is gone, but has %d packets", c.Packets)
	}
}

// Readings do not outlive their entries, of which there may have been many.
func TestLedgerForgetsReadings(t *testing.T) {
	var l Ledger
	second := entry(2, 7, time.Minute, "a")
	second.Table = 9
	for i, entries := range [][]mroute.EntryView{
		{entry(1, 5, 0, "a"), entry(2, 0, 0, "a"), entry(3, 0, 0)},
		{entry(1, 5, time.Minute, "a"), second},
		{entry(3, 8, time.Minute)},
		{},
	} {
		l.Count([]translate.Object{route("a")}, at(time.Duration(i)*time.Minute, entries...))
		have := 0
		for _, table := range l.last[host] {
			have += table.Len()
		}
		if have != len(entries) {
			t.Errorf("count %d left %d readings of %d entries", i+1, have, len(entries))
		}
	}
	if n := len(l.last[host]); n != 0 {
		t.Errorf("%d tables are left of none", n)
	}
}

// An entry that is made anew while others are looked at may be seen twice in a round:
// it is one flow, and all its packets count.
func TestRoundSeesEntryTwice(t *testing.T) {
	var l Ledger
	a := route("a")
	objects := []translate.Object{a}
	l.Count(objects, at(0, entry(1, 10, time.Minute, "a")))
	r := NewRound(objects, &l, Options{Flows: true})
	now := start.Add(time.Minute)
	r.Add(host, now, []mroute.EntryView{entry(1, 25, 2*time.Minute, "a")})
	r.Add(host, now.Add(2*time.Second), []mroute.EntryView{entry(1, 3, time.Second, "a"), entry(2, 1, time.Second, "a")})
	s := r.Report(map[translate.Router]mroute.RouterState{host: {Snapshot: &mroute.Snapshot{Time: now.Add(3 * time.Second)}}})
	if c := s.Routes[0].Counters; c.Packets != 29 || c.Flows != 2 || r.Entries() != 2 || s.Summary.Flows != 2 || len(s.Routes[0].Flows) != 2 {
		t.Errorf("%+v, %d entries, %+v", c, r.Entries(), s.Routes[0].Flows)
	}
}

func TestLedgerLoad(t *testing.T) {
	o := route("a")
	earlier := v1alpha1.MulticastNodeStateStatus{Routes: []v1alpha1.ObjectState{
		{Namespace: "ns", Name: "a", UID: o.UID, Counters: &v1alpha1.Counters{Packets: 7, Bytes: math.MaxInt64, WrongInterface: -3}},
		{Namespace: "ns", Name: "a", UID: "another", Counters: &v1alpha1.Counters{Packets: 1000}},
		{Namespace: "ns", Name: "b", Counters: &v1alpha1.Counters{Packets: 1000}},
		{Namespace: "ns", Name: "c", UID: "uid-c"},
	}}
	for _, loadFirst := range []bool{true, false} {
		var l Ledger
		if loadFirst {
			l.Load(&earlier)
		}
		l.Count([]translate.Object{o}, at(time.Minute, entry(1, 50, time.Second, "a")))
		l.Load(&earlier)
		l.Load(&earlier)
		c := l.Counters(&o)
		if c.Packets != 57 || c.Bytes != math.MaxInt64 || c.WrongInterface != 5 {
			t.Errorf("loaded first %v: %+v", loadFirst, c)
		}
	}
}

func adopted(e mroute.EntryView) mroute.EntryView {
	e.Adopted = true
	return e
}

// What the entries of an earlier agent had counted is in its report, too.
func TestLedgerAdopts(t *testing.T) {
	o := route("a")
	const second = time.Second
	type count = []mroute.EntryView
	load := func(packets int64) *v1alpha1.MulticastNodeStateStatus {
		return &v1alpha1.MulticastNodeStateStatus{Routes: []v1alpha1.ObjectState{
			{Namespace: "ns", Name: "a", UID: o.UID, Counters: &v1alpha1.Counters{Packets: packets, Bytes: 100 * packets}},
		}}
	}
	first := func(packets uint64) mroute.EntryView { return adopted(entry(1, packets, second, "a")) }
	for _, tt := range []struct {
		what  string
		steps []any // of Load, of Count
		want  int64
	}{
		{"all of it was reported", []any{load(100), count{first(70)}}, 100},
		{"more than was reported", []any{load(100), count{first(130)}}, 130},
		{"it counts on", []any{load(100), count{first(70)}, count{first(80)}}, 110},
		{"more of it counts on", []any{load(100), count{first(130)}, count{first(140)}}, 140},
		{"loaded late", []any{count{first(130)}, load(100), count{first(140)}}, 140},
		{"loaded late, and more", []any{count{first(130)}, count{first(140)}, load(200)}, 210},
		{"nothing was reported", []any{count{first(130)}}, 130},
		{"of two entries", []any{load(100), count{first(60), adopted(entry(2, 60, second, "a"))}}, 120},
		{"one is new", []any{load(100), count{first(70), entry(2, 5, second, "a")}}, 105},
		{"one is found late", []any{load(100), count{first(70)}, count{first(70), adopted(entry(2, 70, second, "a"))}}, 140},
		{"cannot be read at first", []any{load(100), count{first(0)}, count{first(130)}, count{first(131)}}, 131},
		{"adopted once more by the same ledger", []any{load(100), count{first(70)}, count{adopted(entry(1, 75, 0, "a"))}}, 105},
		{"made anew, and not adopted", []any{load(100), count{first(70)}, count{entry(1, 80, 0, "a")}}, 180},
	} {
		var l Ledger
		now := time.Minute
		for _, s := range tt.steps {
			switch s := s.(type) {
			case *v1alpha1.MulticastNodeStateStatus:
				l.Load(s)
			case count:
				l.Count([]translate.Object{o}, at(now, s...))
				now += time.Minute
			}
		}
		if c := l.Counters(&o); c.Packets != tt.want || c.Bytes != 100*tt.want {
			t.Errorf("%s: %d packets, %d bytes, want %d of 100 bytes", tt.what, c.Packets, c.Bytes, tt.want)
		}
	}
}

// world is a node whose kernel counts, for a property test: what a user may see
// in a report never goes backwards, whatever happens.
type world struct {
	now     time.Duration
	made    map[int]time.Duration // of entries
	counted map[int]uint64
	routes  map[int][]string
	adopted map[int]bool
}

func (w *world) state() map[translate.Router]mroute.RouterState {
	var es []mroute.EntryView
	for flow, made := range w.made {
		e := entry(flow, w.counted[flow], w.now-made, w.routes[flow]...)
		e.Adopted = w.adopted[flow]
		es = append(es, e)
	}
	return at(w.now, es...)
}

func TestLedgerNeverGoesBackwards(t *testing.T) {
	objects := []translate.Object{route("a"), route("b"), route("c")}
	rapid.Check(t, func(t *rapid.T) {
		w := &world{made: map[int]time.Duration{}, counted: map[int]uint64{}, routes: map[int][]string{}, adopted: map[int]bool{}}
		ledger := &Ledger{}
		reported := v1alpha1.MulticastNodeStateStatus{}
		exact := map[string]int64{} // packets
		restarted := false
		flow := rapid.IntRange(0, 3)
		t.Repeat(map[string]func(*rapid.T){
			"packets": func(t *rapid.T) {
				if f := flow.Draw(t, "flow"); w.made[f] != 0 {
					n := rapid.Uint64Range(1, 1000).Draw(t, "n")
					w.counted[f] += n
					for _, r := range w.routes[f] {
						exact[r] += int64(n)
					}
				}
			},
			"entry": func(t *rapid.T) { // made, made anew, or gone
				f := flow.Draw(t, "flow")
				delete(w.made, f)
				delete(w.counted, f)
				delete(w.adopted, f)
				if rapid.Bool().Draw(t, "made") {
					w.made[f] = w.now
					w.routes[f] = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 3, rapid.ID).Draw(t, "routes")
				}
				restarted = true // what the kernel counted since the last report is lost
			},
			"restart": func(*rapid.T) {
				ledger = &Ledger{}
				ledger.Load(&reported)
				clear(w.made)
				clear(w.counted)
				restarted = true
			},
			"adoption": func(*rapid.T) {
				ledger = &Ledger{}
				ledger.Load(&reported)
				for f := range w.made {
					w.made[f], w.adopted[f] = w.now, true
				}
				restarted = true // what was counted since the last report may not show
			},
			"silence": func(*rapid.T) {
				w.now += time.Second
				s := Report(objects, map[translate.Router]mroute.RouterState{host: {Err: fmt.Errorf("later")}}, ledger, Options{})
				check(t, &reported, &s)
				reported = s
			},
			"report": func(t *rapid.T) {
				w.now += time.Second
				s := Report(objects, w.state(), ledger, Options{})
				check(t, &reported, &s)
				for _, r := range s.Routes {
					if n := r.Counters.Packets; n > exact[r.Name] || n < exact[r.Name] && !restarted {
						t.Fatalf("%s has %d packets, want %d", r.Name, n, exact[r.Name])
					}
				}
				reported = s
			},
			"": func(*rapid.T) { w.now += time.Second },
		})
	})
}

func check(t *rapid.T, before, now *v1alpha1.MulticastNodeStateStatus) {
	for i := range before.Routes {
		a, b := before.Routes[i].Counters, now.Routes[i].Counters
		if b.Packets < a.Packets || b.Bytes < a.Bytes || b.WrongInterface < a.WrongInterface {
			t.Fatalf("%s: %+v after %+v", now.Routes[i].Name, b, a)
		}
		if a.LastUpdateTime != nil && b.LastUpdateTime.Before(a.LastUpdateTime) {
			t.Fatalf("%s: changed at %v after %v", now.Routes[i].Name, b.LastUpdateTime, a.LastUpdateTime)
		}
	}
}
