package page

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// tables makes the table of a state, one second after another one.
func tables(before, now *view.State) *table {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	before.Time, now.Time = start, start.Add(time.Second)
	first := newReading(context.Background(), []Router{{Name: "main", Survey: before.Survey}}, Pods{}, nil)
	return newReading(context.Background(), []Router{{Name: "main", Survey: now.Survey}}, Pods{
		ByLink: map[string][]string{"out": {"studio/recorder"}}, ByAddr: map[netip.Addr]string{netip.MustParseAddr("10.0.0.1"): "studio/camera"},
	}, first.histories()).router("").table
}

// all are all rows.
func (t *table) all() []Row {
	rows, _ := t.choose(query{top: t.n})
	return rows
}

func TestStates(t *testing.T) {
	wrong := func(f view.Flow, n uint64) view.Flow {
		f.WrongIf = n
		return f
	}
	kind := func(f view.Flow, k view.Kind) view.Flow {
		f.Kind = k
		return f
	}
	minute := time.Minute
	for _, tt := range []struct {
		name        string
		before, now view.Flow
		want        State
	}{
		{"packets come", flow("10.0.0.1", "239.1.1.1", 10, 0), flow("10.0.0.1", "239.1.1.1", 20, 0), Flowing},
		{"one a while ago", flow("10.0.0.1", "239.1.1.1", 10, 0), flow("10.0.0.1", "239.1.1.1", 10, 2*time.Second), Flowing},
		{"none any more", flow("10.0.0.1", "239.1.1.1", 10, minute), flow("10.0.0.1", "239.1.1.1", 10, minute), Silent},
		{"none yet", flow("10.0.0.1", "239.1.1.1", 0, -1), flow("10.0.0.1", "239.1.1.1", 0, -1), Waiting},
		{"all by another way", flow("10.0.0.1", "239.1.1.1", 10, 0), wrong(flow("10.0.0.1", "239.1.1.1", 20, 0), 10), Wrong},
		{"some by another way", flow("10.0.0.1", "239.1.1.1", 10, 0), wrong(flow("10.0.0.1", "239.1.1.1", 20, 0), 3), Flowing},
		{"by another way once", wrong(flow("10.0.0.1", "239.1.1.1", 10, 0), 10), wrong(flow("10.0.0.1", "239.1.1.1", 20, 0), 10), Flowing},
		{"nobody wants it", view.Flow{}, kind(flow("10.0.0.1", "239.1.1.1", 20, 0), view.StopFilter), Stopped},
		{"new", view.Flow{}, flow("10.0.0.1", "239.1.1.1", 20, 0), Flowing},
		{"another one", flow("10.0.0.1", "239.1.1.1", 100, 0), flow("10.0.0.1", "239.1.1.1", 20, minute), Silent},
	} {
		got := tables(&view.State{Flows: []view.Flow{tt.before}}, &view.State{Flows: []view.Flow{tt.now}})
		if got.all()[0].State != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got.all()[0].State, tt.want)
		}
	}
}

// All there is has its row, once: entries, rules without one, what is pending.
func TestRows(t *testing.T) {
	vif := 3
	origin, none := view.Origin{Ref: "/etc/smcroute.conf", Line: 7}, view.Traffic{Age: -1, Idle: -1}
	s := view.State{
		Links: []view.Link{{Name: "in", Index: 2, Up: true, VIF: &vif}, {Name: "out", Index: 3}},
		Rules: []view.Rule{
			{Group: prefix("239.1.0.0/16"), IIF: "in", OIFs: []string{"out"}, Origin: origin, Traffic: none},                        // of the entry
			{Source: prefix("10.0.0.1"), Group: prefix("239.1.1.1"), IIF: "in", OIFs: []string{"out"}},                              // of the entry
			{Group: prefix("239.2.0.0/16"), IIF: "in", OIFs: []string{"out"}, Origin: origin, Traffic: none},                        // of none
			{Group: prefix("239.1.0.0/16"), IIF: "out", OIFs: []string{"in"}, Origin: origin, Traffic: none},                        // of none there
			{Source: prefix("10.1.0.0/16"), Group: prefix("239.1.1.1"), IIF: "in", OIFs: []string{}, Origin: origin, Traffic: none}, // of none
		},
		Flows: []view.Flow{
			flow("10.0.0.1", "239.1.1.1", 10, 0),
			{Source: prefix("10.0.0.4"), Group: prefix("239.4.4.4"), Kind: view.Static, IIF: "in", Traffic: view.Traffic{Packets: 44}}, // of what is pending
		},
		Foreign: []view.Flow{flow("10.0.0.9", "239.9.9.9", 10, 0)},
		Pending: []view.Pending{{Kind: "mroute", Source: prefix("10.0.0.4"), Group: prefix("239.4.4.4"), IIF: "in", OIFs: []string{"gone"}, Reason: "no interface gone"}, {Kind: "mroute", Group: prefix("239.3.3.3"), IIF: "gone", OIFs: []string{"out"}, Cause: "no_interface", Reason: "no interface gone"}},
	}
	got := tables(&view.State{}, &s)
	var rows []string
	for _, r := range got.all() {
		rows = append(rows, fmt.Sprintf("%s %s %s %s", r.State, r.Source, r.Group, r.IIF.Name))
	}
	slices.Sort(rows)
	want := []string{
		"flowing 10.0.0.1 239.1.1.1 in",
		"foreign 10.0.0.9 239.9.9.9 in",
		"pending * 239.3.3.3 gone",
		"pending 10.0.0.4 239.4.4.4 in",
		"waiting * 239.1.0.0/16 out",
		"waiting * 239.2.0.0/16 in",
		"waiting 10.1.0.0/16 239.1.1.1 in",
	}
	if !slices.Equal(rows, want) {
		t.Errorf("rows: %q, want %q", rows, want)
	}
	if all := got.all(); all[0].Group != "239.3.3.3" || all[0].Reason != "no interface gone" || all[1].Group != "239.4.4.4" || all[1].Packets != 44 {
		t.Errorf("first: %+v, %+v", all[0], all[1])
	}
	all := got.all()
	i := slices.IndexFunc(all, func(r Row) bool { return r.State == Flowing })
	if r := all[i]; r.Sender != "studio/camera" || !r.OIFs[0].Down || r.OIFs[0].Pods[0] != "studio/recorder" || r.IIF.Down {
		t.Errorf("the entry: %+v", r)
	}
	if got.total.VIFs != 1 || got.total.MIFs != 0 || got.total.States[Waiting] != 3 {
		t.Errorf("totals: %+v", got.total)
	}
}

// What is pending has one row, though its rule or its entry is in the kernel: packets
// may be led away, or an output be missing. Other rules, and entries whose packets
// come, have theirs.
func TestPendingRows(t *testing.T) {
	none := view.Traffic{Age: -1, Idle: -1}
	at := func(line int) view.Origin { return view.Origin{Ref: "/etc/smcroute.conf", Line: line} }
	rule := func(line int, source, group, iif string) view.Rule {
		r := view.Rule{Group: prefix(group), IIF: iif, OIFs: []string{"out"}, Origin: at(line), Traffic: none}
		if source != "" {
			r.Source = prefix(source)
		}
		return r
	}
	pending := func(r view.Rule, cause string) view.Pending {
		return view.Pending{Kind: "mroute", Source: r.Source, Group: r.Group, IIF: r.IIF, OIFs: r.OIFs, Origin: r.Origin, Cause: cause, Reason: cause}
	}
	s := view.State{
		Rules: []view.Rule{
			rule(1, "", "239.1.1.1", "in"), rule(2, "", "239.1.1.1", "in"), rule(1, "", "239.1.1.1", "in2"),
			rule(3, "", "239.2.2.2", "in"), rule(4, "", "239.3.3.3", "in"),
		},
		Flows: []view.Flow{flow("10.0.0.1", "239.4.4.4", 20, 0), flow("10.0.0.1", "239.5.5.5", 20, 0), flow("10.0.0.1", "239.6.6.6", 20, 0)},
		Pending: []view.Pending{
			pending(rule(1, "", "239.1.1.1", "in"), "diverted"),
			pending(rule(1, "", "239.1.1.1", "in3"), "no_interface"),
			pending(rule(3, "", "239.2.2.2", "in"), "no_interface"),
			pending(rule(5, "10.0.0.1", "239.4.4.4", "in"), "diverted"),
			pending(rule(6, "10.0.0.1", "239.5.5.5", "in"), "no_interface"),
			pending(rule(7, "10.0.0.1", "239.6.6.6", "other"), "diverted"),
		},
	}
	got := tables(&view.State{}, &s)
	var rows []string
	for _, r := range got.all() {
		rows = append(rows, fmt.Sprintf("%s %s %s %s %d", r.State, r.Source, r.Group, r.IIF.Name, r.Packets))
	}
	slices.Sort(rows)
	want := []string{
		"flowing 10.0.0.1 239.5.5.5 in 20",
		"flowing 10.0.0.1 239.6.6.6 in 20",
		"pending * 239.1.1.1 in 0",
		"pending * 239.1.1.1 in3 0",
		"pending * 239.2.2.2 in 0",
		"pending 10.0.0.1 239.4.4.4 in 20",
		"pending 10.0.0.1 239.5.5.5 in 0",
		"pending 10.0.0.1 239.6.6.6 other 0",
		"waiting * 239.1.1.1 in 0",
		"waiting * 239.1.1.1 in2 0",
		"waiting * 239.3.3.3 in 0",
	}
	if !slices.Equal(rows, want) {
		t.Errorf("rows: %q, want %q", rows, want)
	}
}

// Of many streams those in trouble and the largest are chosen, and it is said how
// many others there are.
func TestManyStreams(t *testing.T) {
	var before, now view.State
	for i := range 10_000 {
		source := fmt.Sprintf("10.%d.%d.1", i/250, i%250)
		before.Flows = append(before.Flows, flow(source, "239.1.1.1", 0, -1))
		f := flow(source, "239.1.1.1", uint64(i), 0)
		if i%2 == 1 {
			before.Flows[i] = flow(source, "239.1.1.1", uint64(i), 0)
			f.Idle = view.Seconds(time.Minute)
		}
		now.Flows = append(now.Flows, f)
	}
	got := tables(&before, &now)
	rows, omitted := got.choose(query{top: 200})
	if len(rows) != 200 || omitted != 9800 {
		t.Errorf("%d rows, and %d others", len(rows), omitted)
	}
	if rows[99].State != Silent || rows[100].State != Flowing || rows[100].Source != "10.39.248.1" {
		t.Errorf("rows 99 and 100: %+v, %+v", rows[99], rows[100])
	}
	rows, omitted = got.choose(query{top: 200, state: Flowing})
	if len(rows) != 200 || omitted != 4799 || *rows[0].PacketRate != 9998 || *rows[199].PacketRate != 9600 {
		t.Errorf("flowing: %d rows, and %d others, from %v to %v", len(rows), omitted, *rows[0].PacketRate, *rows[199].PacketRate)
	}
	rows, omitted = got.choose(query{top: 200, text: "10.7.7."})
	if len(rows) != 1 || omitted != 0 {
		t.Errorf("10.7.7.: %d rows, and %d others", len(rows), omitted)
	}
}

func BenchmarkDocument(b *testing.B) {
	var s view.State
	for i := range 10_000 {
		s.Flows = append(s.Flows, flow(fmt.Sprintf("10.%d.%d.1", i/250, i%250), "239.1.1.1", uint64(i), 0))
		s.Rules = append(s.Rules, view.Rule{Source: s.Flows[i].Source, Group: s.Flows[i].Group, IIF: "in"})
	}
	for b.Loop() {
		tables(&s, &s).choose(query{top: 200})
	}
}
