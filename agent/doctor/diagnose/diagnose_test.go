package diagnose

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/view"
)

var (
	source = netip.MustParseAddr("192.0.2.1")
	group  = netip.MustParseAddr("239.1.1.1")
)

// healthy are facts about a node on which all is well: a stream comes in and
// leaves.
func healthy() *Facts {
	state := func(packets uint64) *view.State {
		return &view.State{
			Rules: []view.Rule{{Source: view.NetOf(source), Group: view.NetOf(group), IIF: "in", OIFs: []string{"out"}, Origin: view.Origin{Ref: "a.conf", Line: 1}}},
			Flows: []view.Flow{{Source: view.NetOf(source), Group: view.NetOf(group), Kind: view.Static, IIF: "in", OIFs: []string{"out"}, Traffic: view.Traffic{Packets: packets}}},
		}
	}
	link := func(name string) Link {
		return Link{Name: name, Kind: "veth", Up: true, Carrier: true, Multicast: true, MTU: 1500, Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.254/24")}}
	}
	return &Facts{
		Group: group, Window: 2 * time.Second, Before: state(10), After: state(20), Captured: true,
		Links: []Link{link("in"), link("out")},
		Seen: []Seen{
			{Link: "in", Source: source, Group: group, Packets: 10, TTLMin: 64, TTLMax: 64, LargestB: 100},
			{Link: "out", Out: true, Source: source, Group: group, Packets: 10, TTLMin: 63, TTLMax: 63, LargestB: 100},
		},
		Sysctls: map[string]string{}, Risen: map[string]uint64{},
	}
}

// What cannot be made for real in a namespace, or not by root.
func TestDiagnose(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Facts)
		want   []ID
		blind  bool
	}{
		{"healthy", func(*Facts) {}, nil, false},
		{"permission", func(f *Facts) {
			f.Before, f.After, f.Daemon = nil, nil, Daemon{Error: "permission denied", Refused: true}
		}, []ID{NotPermitted}, true},
		{"conntrack", func(f *Facts) {
			f.After.Flows[0].Packets = 10
			f.Risen["conntrack drop"] = 10
		}, []ID{ConntrackFull}, false},
		{"XDP", func(f *Facts) {
			f.After.Flows[0].Packets, f.Seen = 10, nil
			f.Joined = []view.Membership{{Group: view.NetOf(group), If: "in"}}
			f.Links[0].Programs = []Program{{Kind: "xdp"}}
		}, []ID{NoPackets, CNIDrop}, false},
		{"no capture, and the entry counts", func(f *Facts) { f.Captured, f.Seen = false, nil }, nil, false},
		{"no capture, and it does not", func(f *Facts) {
			f.Captured, f.Seen, f.After.Flows[0].Packets = false, nil, 10
		}, []ID{NoPackets, NotJoined}, false},
		{"no daemon after the window", func(f *Facts) {
			f.After, f.Daemon = nil, Daemon{Error: "it has ended"}
		}, []ID{NotRunning}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := healthy()
			tt.change(f)
			r := Diagnose(f)
			var got []string
			for i := range r.Findings {
				got = append(got, string(r.Findings[i].ID))
			}
			var want []string
			for _, id := range tt.want {
				want = append(want, string(id))
			}
			if strings.Join(got, " ") != strings.Join(want, " ") || r.Blind != tt.blind {
				t.Errorf("found %q, blind: %v; want %q, %v\n%s", got, r.Blind, want, tt.blind, r.Text(true))
			}
		})
	}
}

// Of all rules each flow has one finding, and so many are examined and no more.
func TestAllRules(t *testing.T) {
	f := healthy()
	f.Group, f.Seen = netip.Addr{}, nil
	g := group
	f.After.Rules, f.After.Flows = nil, nil
	for range MaxFlows + 5 {
		f.After.Rules = append(f.After.Rules, view.Rule{Group: view.NetOf(g), IIF: "in", OIFs: []string{"out"}})
		g = g.Next()
	}
	r := Diagnose(f)
	if r.Examined != MaxFlows || len(r.Findings) != MaxFlows || r.Broken() {
		t.Errorf("%d examined, %d findings, broken: %v; want %d of each, not broken", r.Examined, len(r.Findings), r.Broken(), MaxFlows)
	}
	if len(r.Unseen) != 1 || !strings.Contains(r.Unseen[0].Why, "5 more were not") {
		t.Errorf("not looked at: %v, want 5 rules", r.Unseen)
	}
}

// A stop rule does what it is for, unless somebody asks about its group. Of a flow
// that several rules take there is one finding.
func TestStopRule(t *testing.T) {
	for _, tt := range []struct {
		asked bool
		seen  bool
		want  Severity // or nothing
	}{
		{asked: false, seen: true, want: Note},
		{asked: false, seen: false},
		{asked: true, seen: true, want: Broken},
		{asked: true, seen: false, want: Broken},
	} {
		f := healthy()
		if f.Seen = f.Seen[:1]; !tt.seen {
			f.Seen, f.After.Flows[0].Packets = nil, 10
		}
		if !tt.asked {
			f.Group = netip.Addr{}
		}
		wide := f.After.Rules[0]
		wide.Source, wide.Group = view.Net{}, view.Net{Prefix: netip.MustParsePrefix("239.0.0.0/8")}
		f.After.Rules[0].OIFs, f.After.Flows[0].OIFs = nil, nil
		f.After.Rules = append(f.After.Rules, wide)
		r := Diagnose(f)
		var got Severity
		if len(r.Findings) > 0 {
			got = r.Findings[0].Severity
		}
		if tt.want == "" && len(r.Findings) > 0 || got != tt.want || !tt.asked && len(r.Findings) > 1 {
			t.Errorf("asked: %v, packets seen: %v: want %q, of one finding\n%s", tt.asked, tt.seen, tt.want, r.Text(true))
		}
		if tt.seen && !strings.Contains(r.Text(true), "a.conf, line 1 is a stop rule: (192.0.2.1, 239.1.1.1) goes nowhere") {
			t.Errorf("the stop rule is not told:\n%s", r.Text(true))
		}
	}
}

// Names of interfaces come from elsewhere, and may be made to fool a terminal.
func TestTextIsClean(t *testing.T) {
	f := healthy()
	f.After.Rules[0].IIF, f.Links[0].Name, f.Links[0].Up = "\x1b[2J", "\x1b[2J", false
	f.Seen = nil
	r := Diagnose(f)
	text := r.Text(true)
	if strings.ContainsRune(text, '\x1b') || !strings.Contains(text, "?[2J") {
		t.Errorf("the report has control characters: %q", text)
	}
}
