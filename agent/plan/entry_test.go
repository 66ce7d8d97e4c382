package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

func TestEntry(t *testing.T) {
	const flow = "10.0.0.1 225.1.1.1"
	for _, tt := range []struct {
		name, conf, arrival, want string
	}{
		{"an exact rule before any packet", "mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0", "", "static a0 -> b0"},
		{"an exact rule of another inbound stays", "mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0\nphyint a1", "a1", "static a0 -> b0"},
		{"of two exact rules the last", "mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0\nmroute from a1 source 10.0.0.1 group 225.1.1.1 to b1", "", "static a1 -> b1"},
		{"of two exact rules the one where packets arrive", "mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0\nmroute from a1 source 10.0.0.1 group 225.1.1.1 to b1", "a0", "static a0 -> b0"},
		{"a template where packets arrive beats an exact rule elsewhere", "mroute from a0 source 10.0.0.1 group 225.1.1.1 to b0\nmroute from a1 group 225.1.1.1 to b1", "a1", "learned a1 -> b1"},
		{"a template before any packet", "mroute from a0 group 225.1.1.1 to b0", "", "none"},
		{"the first template decides", "mroute from a0 group 225.1.0.0/16 to b0\nmroute from a0 group 225.1.1.1 to b1", "a0", "learned a0 -> b0"},
		{"a stop rule first", "mroute from a0 group 225.1.1.1\nmroute from a0 group 225.1.0.0/16 to b1", "a0", "learned a0 ->"},
		{"a stop rule behind", "mroute from a0 group 225.1.0.0/16 to b1\nmroute from a0 group 225.1.1.1", "a0", "learned a0 -> b1"},
		{"same match united", "mroute from a0 group 225.1.1.1 to b0\nmroute from a0 group 225.1.1.0/24 to c0\nmroute from a+ group 225.1.1.1 to b1", "a0", "learned a0 -> b0 b1"},
		{"an exception leaves it to the next", "mroute from a0 group 225.1.1.1 except 10.0.0.0/8 to b0\nmroute from a0 group 225.1.1.0/24 to b1", "a0", "learned a0 -> b1"},
		{"no rule where packets arrive", "mroute from a0 group 225.1.1.1 to b0\nphyint a1", "a1", "stop-filter a1 ->"},
		{"packets from an interface without VIF", "mroute from a0 group 225.1.1.1 to b0", "a1", "none"},
		{"a wildcard leaves the inbound out", "mroute from a0 group 225.1.1.1 to a+", "a0", "learned a0 -> a1"},
		{"a named output may be the inbound", "mroute from a0 group 225.1.1.1 to a0 a+", "a0", "learned a0 -> a0 a1"},
		{"thresholds of phyint", "phyint b0 ttl-threshold 3\nphyint b+ ttl-threshold 7\nmroute from a0 group 225.1.1.1 to b0 b1 c0", "a0", "learned a0 -> b0:7 b1:7 c0"},
		{"a threshold behind the route counts too", "mroute from a0 group 225.1.1.1 to b0\nphyint b0 ttl-threshold 3", "a0", "learned a0 -> b0:3"},
		{"disabled output", "mroute from a0 group 225.1.1.1 to b0 b1\nphyint b0 disable", "a0", "learned a0 -> b1"},
		{"disabled before the route has no effect on it", "phyint b0 disable\nmroute from a0 group 225.1.1.1 to b0 b1", "a0", "learned a0 -> b0 b1"},
		{"disabled inbound", "mroute from a0 group 225.1.1.1 to b0\nphyint a0 disable\nmroute from a0 group 239.1.1.1 to b0", "a0", "stop-filter a0 ->"},
		{"enabled again does not bring the route back", "mroute from a0 group 225.1.1.1 to b0\nphyint a0 disable\nphyint a0 enable", "a0", "stop-filter a0 ->"},
		{"no output without MULTICAST", "mroute from a0 group 225.1.1.1 to b0 n0", "a0", "learned a0 -> b0"},
		{"no output that does not exist", "mroute from a0 group 225.1.1.1 to b0 ghost", "a0", "learned a0 -> b0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.conf, "a0 a1 b0 b1 c0 !n0")
			if got := w.entry(tt.arrival, flow); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestEntryOfIPv6(t *testing.T) {
	const masked = "mroute from a0 source :: group :: to 65472 b0\nmroute from a0 group ff04::/16 to c0"
	for _, tt := range []struct {
		name, conf, flow, want string
	}{
		{"no thresholds", "phyint b0 ttl-threshold 9\nmroute from a0 group ff05::1 to b0", "2001:db8::1 ff05::1", "learned a0 -> b0"},
		{"scope in the mask", masked, "2001:db8::1 ff06::1", "learned a0 -> b0"},
		{"scope not in the mask", masked, "2001:db8::1 ff05::1", "stop-filter a0 ->"},
		{"scope not in the mask, but another rule", masked, "2001:db8::1 ff04::1", "learned a0 -> c0"},
		{"flags do not count as scope", masked, "2001:db8::1 ff3e::1", "learned a0 -> b0"},
		{"an IPv4 flow", masked, "10.0.0.1 225.1.1.1", "stop-filter a0 ->"},
		{"a sender without address", masked, ":: ff06::1", "stop-filter a0 ->"},
		{"a sender without address in IPv4", "mroute from a0 group 225.1.1.1 to b0", "0.0.0.0 225.1.1.1", "stop-filter a0 ->"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.conf, "a0 b0 c0")
			if got := w.entry("a0", tt.flow); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// TestLayersAreUnited: each layer decides by itself, and the outputs add up.
func TestLayersAreUnited(t *testing.T) {
	w := newWorld(t, "mroute from a0 group 225.1.0.0/16 to b0\nmroute from a0 group 225.1.1.1 to b1", "a0 b0 b1 c0 c1 d0")
	k := layer(t, "mroute from a0 group 225.1.0.0/16 to c0\nmroute from a0 group 225.1.1.1 to c1\nphyint d0 disable\nphyint b0 ttl-threshold 4")
	k.Name, k.FirstMatch = "kubernetes", false
	w.in.SetLayer(k)
	if got := w.entry("a0", "10.0.0.1 225.1.1.1"); got != "learned a0 -> b0:4 c0 c1" {
		t.Error(got)
	}
	// What one layer disables, another may use.
	w.in.SetLayer(layer(t, "mroute from a0 group 225.1.1.1 to d0"))
	if got := w.entry("a0", "10.0.0.1 225.1.1.1"); got != "learned a0 -> d0 c0 c1" {
		t.Error(got)
	}
	w.in.SetLayer(mroute.Layer{Name: "kubernetes"})
	if got := w.entry("a0", "10.0.0.1 225.1.1.1"); got != "learned a0 -> d0" {
		t.Error(got)
	}
}

// TestLowestThresholdWins: an output that two rules name gets the lower one, and
// a route's own stands above that of phyint.
func TestLowestThresholdWins(t *testing.T) {
	w := newWorld(t, "phyint b0 ttl-threshold 8\nphyint b1 ttl-threshold 8\nmroute from a0 group 225.1.1.1 to b0 b1", "a0 b0 b1")
	k := layer(t, "mroute from a0 group 225.1.1.1 to b0 b1")
	k.Name = "kubernetes"
	k.Routes[0].To = []mroute.Output{{If: "b0", Threshold: 5}, {If: "b1", Threshold: 20}}
	w.in.SetLayer(k)
	if got := w.entry("a0", "10.0.0.1 225.1.1.1"); got != "learned a0 -> b0:5 b1:8" {
		t.Error(got)
	}
}

func TestWantVIFs(t *testing.T) {
	for _, tt := range []struct{ name, conf, want string }{
		{"in order of first mention", "mgroup from c0 group 225.1.1.1\nphyint b1\nmroute from b0 group 225.1.1.1 to a0 c0", "c0 b1 b0 a0"},
		{"wildcards by index", "mroute from c0 group 225.1.1.1 to b+ a0", "c0 b0 b1 a0"},
		{"not without MULTICAST", "phyint n0\nphyint a0", "a0"},
		{"disabled", "phyint a0 disable\nphyint b0", "b0"},
		{"disabled after use", "mroute from a0 group 225.1.1.1 to b0\nphyint a0 disable", "b0"},
		{"used after disabled", "phyint a+ disable\nmroute from a0 group 225.1.1.1 to b0", "a0 b0"},
		{"enabled after disabled", "phyint + disable\nphyint b0 enable", "b0"},
		{"disabled, enabled, disabled", "phyint b0 disable\nphyint b0 enable\nphyint b0 disable", ""},
		{"a lone plus", "phyint +", "a0 b0 b1 c0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.conf, "!n0 a0 b0 b1 c0")
			res, _ := w.resolve(0)
			var names []string
			for _, l := range res.WantVIFs() {
				names = append(names, l.Name)
			}
			if got := strings.Join(names, " "); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestMRDisc(t *testing.T) {
	w := newWorld(t, "phyint a+ mrdisc\nphyint a1\nphyint b0 disable mrdisc\nphyint n0 mrdisc\nphyint c0 mrdisc\nphyint c0 disable", "a0 a1 a2 b0 !n0 c0")
	res, _ := w.resolve(0)
	var names []string
	for _, l := range res.MRDisc() {
		names = append(names, l.Name)
	}
	if want := []string{"a0", "a2"}; !slices.Equal(names, want) {
		t.Errorf("%v, want %v", names, want)
	}
}

func TestRulesInOrderOfInsertion(t *testing.T) {
	w := newWorld(t, `
		mroute from b0 source 10.0.0.9 group 225.9.9.9 to a0
		mroute from a+ group 225.1.1.1 to b0
		mroute from a1 group 225.1.1.1 to c0
		mroute from ghost group 225.1.1.1 to c0
		mroute from a0 source 10.0.0.1 group 225.1.1.1
		mroute from a0 source :: group :: to 16 b0
		`, "a0 a1 b0 c0")
	w.lines("rules", w.rules(), `
		b0 (10.0.0.9, 225.9.9.9) -> a0
		a0 (*, 225.1.1.1) -> b0
		a1 (*, 225.1.1.1) -> b0 c0
		a0 (10.0.0.1, 225.1.1.1) ->
		a0 (*, *)<0010> -> b0`)
}

func TestPending(t *testing.T) {
	const text = `
		mroute from ghost group 225.1.1.1 to b0
		mroute from a0 group 225.1.1.2 to b0 ghost x+ n0
		mgroup from ghost group 225.1.1.3
		mgroup from a0 group 225.1.1.4
		mroute from a0 group 225.1.1.5 to b0
		mroute from ghost group 225.1.1.6 to ghost`
	w := newWorld(t, text, "a0 b0 !n0")
	all := `
		conf:2 mroute ghost (*, 225.1.1.1) -> b0: no interface ghost
		conf:3 mroute a0 (*, 225.1.1.2) -> b0 ghost x+ n0: no interface ghost; no interface matches x+; interface n0 is not multicast capable
		conf:7 mroute ghost (*, 225.1.1.6) -> ghost: no interface ghost
		conf:4 mgroup ghost (*, 225.1.1.3): no interface ghost`
	w.lines("pending", w.pending(mroute.MaxVIFs), all)

	w.ctl(`add a0 225.2.2.1 ghost
	       join ghost 225.2.2.2
	       remove ghost 225.1.1.6
	       remove a0 225.1.1.2 ghost
	       leave ghost 225.1.1.3`)
	w.lines("pending with edits", w.pending(mroute.MaxVIFs), `
		conf:2 mroute ghost (*, 225.1.1.1) -> b0: no interface ghost
		conf:3 mroute a0 (*, 225.1.1.2) -> b0 x+ n0: no interface matches x+; interface n0 is not multicast capable
		client mroute a0 (*, 225.2.2.1) -> ghost: no interface ghost
		client mgroup ghost (*, 225.2.2.2): no interface ghost`)
	w.ctl(`remove a0 225.2.2.1
	       leave ghost 225.2.2.2
	       add ghost 225.1.1.6 b0`)
	w.lines("pending with fewer edits", w.pending(mroute.MaxVIFs), `
		conf:2 mroute ghost (*, 225.1.1.1) -> b0: no interface ghost
		conf:3 mroute a0 (*, 225.1.1.2) -> b0 x+ n0: no interface matches x+; interface n0 is not multicast capable
		client mroute ghost (*, 225.1.1.6) -> b0: no interface ghost`)
}

// TestPendingForVIFs: a link beyond the last VIF is waited for as well.
func TestPendingForVIFs(t *testing.T) {
	w := newWorld(t, "mroute from a0 group 225.1.1.1 to b0 b1\nmroute from a0 group ff05::1 to b+", "a0 b0 b1")
	w.lines("pending", w.pending(2), `
		conf:1 mroute a0 (*, 225.1.1.1) -> b0 b1: b1 has no VIF in the IPv4 table
		conf:2 mroute a0 (*, ff05::1) -> b+: b1 has no VIF in the IPv6 table`)
	res, _ := w.resolve(0)
	if ps := res.Pending(plan.Problems{}, nil); len(ps) != 0 {
		t.Errorf("without problems VIFs do not count: %v", ps)
	}
	// One that phyint took away is not waited for.
	w.in.SetLayer(layer(t, "mroute from a0 group 225.1.1.1 to b0 b1\nphyint b1 disable"))
	w.lines("pending", w.pending(2), "")
}
