package plan_test

import (
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/plan"
)

// TestNative has the file's rules as they are, and all others only preferring
// it. What it says of an obstacle is the reason why the first rule is pending.
func TestNative(t *testing.T) {
	const (
		works = "static a0 -> a0 b0"
		rule  = "mroute from a0 group 225.1.1.1 native to b0\n"
	)
	for _, tt := range []struct {
		name, conf, want, reason string
	}{
		{"one rule", rule, works, ""},
		{"two of one match are united", rule + "mroute from a0 group 225.1.1.1 native to b1", "static a0 -> a0 b0 b1", ""},
		{"one that asks for nothing does too", rule + "mroute from a0 group 225.1.1.1 to b1", "static a0 -> a0 b0 b1", ""},
		{"no output", "mroute from a0 group 225.1.1.1 native", "static a0 -> a0", ""},
		{"an output that is not there", rule + "mroute from a0 group 225.1.1.1 native to ghost", works, ""},
		{"a wildcard output", "mroute from a0 group 225.1.1.1 native to a+", "static a0 -> a0 a1", ""},
		{"a wildcard input that is one", "mroute from c+ group 225.1.1.1 native to b0", "static c0 -> c0 b0", ""},
		{"a threshold", "phyint b0 ttl-threshold 9\n" + rule, "static a0 -> b0:9 a0", ""},
		{"the threshold of the input does not matter", "phyint a0 ttl-threshold 9\n" + rule, works, ""},
		{"an exact rule beside it", rule + "mroute from a0 source 10.0.0.1 group 225.1.1.1 to b1", works, ""},
		{"an exact rule from its output", rule + "mroute from b0 source 10.0.0.1 group 225.1.1.1 to a0", works, ""},
		{"a rule from a third interface", rule + "mroute from c0 group 225.1.1.1 to a0 b0", works, ""},
		{"a prefix of groups behind it", rule + "mroute from a0 group 225.1.1.0/24 to b1", works, ""},
		{"some sources behind it", rule + "mroute from a0 source 10.0.0.0/8 group 225.1.1.1 to b1", works, ""},
		{"a stop rule for its output", rule + "mroute from b0 group 225.1.1.1", works, ""},
		{"another group", rule + "mroute from b0 group 225.1.1.2 to a0", works, ""},

		{"a prefix of groups before it decides", "mroute from a0 group 225.1.1.0/24 to b1\n" + rule, "none", ""},
		{"disabled input", rule + "phyint a0 disable", "none", ""},
		{"no input", "mroute from ghost group 225.1.1.1 native to b0", "none", "no interface ghost"},

		{"several inputs", "mroute from a+ group 225.1.1.1 native to b0", "none",
			"learns its sources: packets arrive on a0 and on a1, and the kernel's (*, 225.1.1.1) entry has one inbound interface"},
		{"several rules from several inputs", rule + "mroute from a1 group 225.1.1.1 native to b0", "none",
			"learns its sources: packets arrive on a0 and on a1, and the kernel's (*, 225.1.1.1) entry has one inbound interface"},
		{"some sources before it", "mroute from a0 source 10.0.0.0/8 group 225.1.0.0/16 to b1\n" + rule, "none",
			"learns its sources: not all are treated alike, because of (10.0.0.0/8, 225.1.0.0/16) at conf:1"},
		{"an exception of another rule of its match", rule + "mroute from a0 group 225.1.1.1 except 10.0.0.1 to b1", "none",
			"learns its sources: not all are treated alike, because of (*, 225.1.1.1) at conf:2"},
		{"the other direction", rule + "mroute from b0 group 225.1.1.1 to a0", "none",
			"learns its sources: packets that arrive on b0 are forwarded as well, by (*, 225.1.1.1) at conf:2, and the kernel would not ask about them"},
		{"the other direction for some sources", rule + "mroute from b+ source 10.0.0.0/8 group 225.0.0.0/8 to a0", "none",
			"learns its sources: packets that arrive on b0 are forwarded as well, by (10.0.0.0/8, 225.0.0.0/8) at conf:2, and the kernel would not ask about them"},
		{"the other direction by the second of two for some sources", rule + "mroute from b0 source 10.0.0.0/8 group 225.1.1.1\nmroute from b0 source 10.0.0.0/16 group 225.1.0.0/16 to a0", "none",
			"learns its sources: packets that arrive on b0 are forwarded as well, by (10.0.0.0/16, 225.1.0.0/16) at conf:3, and the kernel would not ask about them"},
		{"the other direction but for an exception", rule + "mroute from b0 group 225.1.1.1 except 10.0.0.1\nmroute from b0 group 225.1.0.0/16 to a0", "none",
			"learns its sources: packets that arrive on b0 are forwarded as well, by (*, 225.1.0.0/16) at conf:3, and the kernel would not ask about them"},
		{"the other direction behind a rule for all, of a match that comes before it", rule + "mroute from b0 source 10.0.0.0/8 group 225.1.1.1\nmroute from b0 group 225.1.1.1\nmroute from b0 source 10.0.0.0/8 group 225.1.1.1 to a0", "none",
			"learns its sources: packets that arrive on b0 are forwarded as well, by (10.0.0.0/8, 225.1.1.1) at conf:4, and the kernel would not ask about them"},
		{"the same with an exception", rule + "mroute from b0 group 225.1.0.0/16 except 10.0.0.1\nmroute from b0 group 225.1.1.1\nmroute from b0 group 225.1.0.0/16 to a0", "none",
			"learns its sources: packets that arrive on b0 are forwarded as well, by (*, 225.1.0.0/16) at conf:4, and the kernel would not ask about them"},
		{"the other direction behind a rule for all", rule + "mroute from b0 group 225.1.1.1\nmroute from b0 source 10.0.0.0/8 group 225.1.1.1 to a0", works, ""},
		{"back out of its input", "mroute from a0 group 225.1.1.1 native to a0 b0", "none",
			"learns its sources: the kernel's (*, 225.1.1.1) entry does not send back out of a0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.conf, "a0 a1 b0 b1 c0")
			if got := w.entry("", "* 225.1.1.1"); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			res, v := w.resolve(mroute.MaxVIFs)
			reason := ""
			for _, p := range res.Pending(plan.Problems{VIFs: func(mroute.Family) *plan.VIFs { return v }}, nil) {
				if reason == "" && !strings.Contains(p.Reason, "ghost") || tt.want == "none" && reason == "" {
					reason = p.Reason
				}
			}
			if reason != tt.reason {
				t.Errorf("reason %q, want %q", reason, tt.reason)
			}
		})
	}
}

// Who asks: NativeSources is stronger than LearnSources, and that than
// PreferNative, which is no reason to wait.
func TestNativeOfSeveral(t *testing.T) {
	const learn, native, prefer = mroute.LearnSources, mroute.NativeSources, mroute.PreferNative
	for _, tt := range []struct {
		asks []mroute.AnySource
		want bool
	}{
		{[]mroute.AnySource{learn}, false},
		{[]mroute.AnySource{native}, true},
		{[]mroute.AnySource{prefer}, true},
		{[]mroute.AnySource{prefer, prefer}, true},
		{[]mroute.AnySource{prefer, learn}, false},
		{[]mroute.AnySource{learn, native}, true},
		{[]mroute.AnySource{prefer, native, learn}, true},
	} {
		w := newWorld(t, "", "a0 b0")
		l := mroute.Layer{Name: "kubernetes"}
		for i, a := range tt.asks {
			l.Routes = append(l.Routes, mroute.Route{
				From: "a0", Match: match("* 225.1.1.1"), To: []mroute.Output{{If: "b0"}}, AnySource: a, Origin: mroute.Origin{Seq: i + 1},
			})
		}
		w.in.SetLayer(l)
		if got := w.entry("", "* 225.1.1.1") != "none"; got != tt.want {
			t.Errorf("%v: native %v, want %v", tt.asks, got, tt.want)
		}
	}
	w := newWorld(t, "", "a0 a1 b0")
	w.in.SetLayer(mroute.Layer{Name: "kubernetes", Routes: []mroute.Route{{From: "a+", Match: match("* 225.1.1.1"), AnySource: prefer}}})
	res, v := w.resolve(mroute.MaxVIFs)
	if p := res.Pending(plan.Problems{VIFs: func(mroute.Family) *plan.VIFs { return v }}, nil); len(p) > 0 {
		t.Errorf("pending: %+v", p)
	}
}

// TestNativeSaysWhatRulesDo: where a group is forwarded natively the model, which
// looks at every rule for one source at a time, has the same outputs for every
// source on the input, and none on the outputs.
func TestNativeSaysWhatRulesDo(t *testing.T) {
	sources := map[mroute.Family][]string{
		mroute.IPv4: {"10.0.0.1", "10.0.0.7", "10.0.1.1", "10.9.0.1", "192.0.2.1"},
		mroute.IPv6: {"2001:db8::1", "2001:db8:1::1", "2001::9"},
	}
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		m := drawModel(t)
		in, res, vifs := m.resolver()
		for _, f := range mroute.Families {
			in.NativeGroups(f.Multicast(), func(any mroute.SG) {
				e, ok := res.Entry(any, 0, vifs)
				if !ok {
					return
				}
				found++
				for _, s := range sources[f] {
					sg := mroute.SG{Source: netip.MustParseAddr(s), Group: any.Group}
					for _, l := range m.links {
						vif, ok := m.vifs[l.Index]
						o, covered := m.template(sg, l)
						switch {
						case !ok:
						case vif == e.IIF:
							o[vif] = 1
							if !covered || o != e.OIFs {
								t.Fatalf("%v on %s goes to %v, %v, natively to %v\n%v", sg, l.Name, o, covered, e.OIFs, m)
							}
						case e.OIFs[vif] != 0 && !o.Empty():
							t.Fatalf("%v on %s goes to %v, natively it is an output\n%v", sg, l.Name, o, m)
						}
					}
				}
			})
		}
	})
	if found == 0 {
		t.Error("nothing was forwarded natively")
	}
}

// Of two layers' rules for some sources from an output, the one that forwards
// counts, wherever it stands.
func TestNativeAndRulesForSomeSourcesInLayers(t *testing.T) {
	for _, forwards := range []int{0, 1} {
		w := newWorld(t, "mroute from a0 group 225.1.1.1 native to b0", "a0 b0")
		for i, m := range []string{"10.0.0.0/8 225.1.1.1", "10.0.0.0/24 225.1.0.0/16"} {
			rt := mroute.Route{From: "b0", Match: match(m), Origin: mroute.Origin{Seq: 1}}
			if i == forwards {
				rt.To = []mroute.Output{{If: "a0"}}
			}
			w.in.SetLayer(mroute.Layer{Name: []string{"client2", "kubernetes"}[i], Routes: []mroute.Route{rt}})
		}
		if got := w.entry("", "* 225.1.1.1"); got != "none" {
			t.Errorf("layer %d forwards: %s, want none", forwards, got)
		}
	}
}
