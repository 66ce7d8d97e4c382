package mroute_test

import (
	"net/netip"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

func addr(s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(s)
}

func prefix(s string) netip.Prefix {
	if s == "" {
		return netip.Prefix{}
	}
	return netip.MustParsePrefix(s)
}

func TestIfPatternMatches(t *testing.T) {
	for _, tt := range []struct {
		pattern mroute.IfPattern
		name    string
		want    bool
	}{
		{"eth0", "eth0", true},
		{"eth0", "eth01", false},
		{"eth+", "eth0", true},
		{"eth+", "eth", true},
		{"eth+", "et", false},
		{"eth+", "veth0", false},
		{"+", "anything", true},
		{"+eth", "eth", false},   // only at the end
		{"eth0:1", "eth0", true}, // an alias stands for its parent
		{"eth0:1", "eth0:1", true},
		{"eth0:1", "eth1", false},
		{"eth*", "eth0", false}, // no other wildcard
		{"", "eth0", false},
	} {
		if got := tt.pattern.Matches(tt.name, 1); got != tt.want {
			t.Errorf("%q matches %q: %v, want %v", tt.pattern, tt.name, got, tt.want)
		}
	}
}

func TestPinned(t *testing.T) {
	p := mroute.Pinned("cali+", 17)
	if p != "cali+/17" || p.IsWildcard() || p.Name() != "cali+" {
		t.Errorf("%q, called %q, wildcard %v", p, p.Name(), p.IsWildcard())
	}
	if i, ok := p.Pin(); i != 17 || !ok {
		t.Errorf("pinned to %d, %v", i, ok)
	}
	for _, tt := range []struct {
		pattern mroute.IfPattern
		name    string
		index   int
		want    bool
	}{
		{"eth0/17", "eth0", 17, true},
		{"eth0/17", "eth0", 18, false}, // another of that name
		{"eth0/17", "eth1", 17, false}, // renamed
		{"eth0/17", "eth", 17, false},
		{"eth0/17", "eth0/17", 18, true}, // that no link can be called
		{"eth+/17", "eth0", 17, false},   // not a wildcard
		{"eth+/17", "eth+", 17, true},
		{"eth0/x", "eth0", 0, false},
		{"eth0/", "eth0", 0, false},
		{"eth0:1/17", "eth0", 17, false},
		{"/17", "eth0", 17, false},
	} {
		if got := tt.pattern.Matches(tt.name, tt.index); got != tt.want {
			t.Errorf("%q matches %q %d: %v, want %v", tt.pattern, tt.name, tt.index, got, tt.want)
		}
	}
}

func TestWithin(t *testing.T) {
	for _, tt := range []struct {
		p, q mroute.IfPattern
		want bool
	}{
		{"eth0", "eth0", true},
		{"eth0", "eth+", true},
		{"eth0+", "eth+", true},
		{"eth+", "eth0", false},
		{"eth+", "eth0+", false},
		{"eth0/17", "eth0/17", true},
		{"eth0/17", "eth0/18", false},
		{"eth0/17", "eth0", true},
		{"eth0/17", "eth+", true},
		{"eth0/17", "+", true},
		{"eth0", "eth0/17", false},
		{"eth+", "eth0/17", false},
	} {
		if got := tt.p.Within(tt.q); got != tt.want {
			t.Errorf("%q within %q: %v, want %v", tt.p, tt.q, got, tt.want)
		}
	}
}

func TestCommon(t *testing.T) {
	for _, tt := range []struct{ p, q, want mroute.IfPattern }{
		{"eth0", "eth0", "eth0"},
		{"eth0", "eth+", "eth0"},
		{"eth1+", "eth+", "eth1+"},
		{"eth0/17", "eth0", "eth0/17"},
		{"eth0", "eth1", ""},
		{"eth0+", "eth1+", ""},
		{"eth0/17", "eth0/18", ""},
	} {
		for range 2 {
			if got, ok := tt.p.Common(tt.q); got != tt.want || ok != (tt.want != "") {
				t.Errorf("%q and %q: %q, %v, want %q", tt.p, tt.q, got, ok, tt.want)
			}
			tt.p, tt.q = tt.q, tt.p
		}
	}
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		source, group string // of the match
		text          string
		exact         bool
		in, out       [2]string // an (S,G) under the match, and one that is not
	}{
		{"10.0.0.1/32", "225.1.1.1/32", "(10.0.0.1, 225.1.1.1)", true, [2]string{"10.0.0.1", "225.1.1.1"}, [2]string{"10.0.0.2", "225.1.1.1"}},
		{"", "225.1.1.1/32", "(*, 225.1.1.1)", false, [2]string{"10.0.0.2", "225.1.1.1"}, [2]string{"10.0.0.2", "225.1.1.2"}},
		// Host bits are shown, but do not count.
		{"10.0.0.7/24", "225.1.2.3/16", "(10.0.0.7/24, 225.1.2.3/16)", false, [2]string{"10.0.0.1", "225.1.9.9"}, [2]string{"10.0.1.7", "225.1.2.3"}},
		{"", "ff05::/16", "(*, ff05::/16)", false, [2]string{"2001:db8::1", "ff05::1"}, [2]string{"2001:db8::1", "ff04::1"}},
		// (*,*) is a group of length 0.
		{"", "::/0", "(*, *)", false, [2]string{"2001:db8::1", "ff05::1"}, [2]string{"10.0.0.1", "225.1.1.1"}},
	} {
		m := mroute.Match{Source: prefix(tt.source), Group: prefix(tt.group)}
		if got := m.String(); got != tt.text {
			t.Errorf("%v, want %s", got, tt.text)
		}
		if m.IsExact() != tt.exact {
			t.Errorf("%v: exact %v", m, m.IsExact())
		}
		if sg := (mroute.SG{Source: addr(tt.in[0]), Group: addr(tt.in[1])}); !m.Contains(sg) {
			t.Errorf("%v does not contain %v", m, sg)
		}
		if sg := (mroute.SG{Source: addr(tt.out[0]), Group: addr(tt.out[1])}); m.Contains(sg) {
			t.Errorf("%v contains %v", m, sg)
		}
	}
}

func TestMatchSGIsItsOwnInverse(t *testing.T) {
	for _, sg := range []mroute.SG{
		{Source: addr("10.0.0.1"), Group: addr("225.1.1.1")},
		{Group: addr("ff05::1")},
	} {
		m := mroute.MatchSG(sg)
		if m.SG() != sg || m.IsExact() != sg.Source.IsValid() || m.Family() != sg.Family() {
			t.Errorf("%v became %v and %v", sg, m, m.SG())
		}
	}
}

// The masks of the Thread border routers that use the rule.
func TestScopeMaskAllows(t *testing.T) {
	for _, tt := range []struct {
		bits  uint16
		group string
		want  bool
	}{
		{0xfff0, "ff03::1", false},
		{0xfff0, "ff04::1", true},
		{0xffe0, "ff04::1", false},
		{0xffe0, "ff15::1", true}, // the flags do not matter
		{0xffc0, "ff05::1", false},
		{0xffff, "ff0e::1", true},
		{0x4000, "ff0e::1", true}, // all four bits of the scope count
		{0x4000, "ff06::1", false},
		{0, "ff0e::1", false},
		{0xffff, "225.1.1.1", false},
	} {
		s := mroute.ScopeMask{Set: true, Bits: tt.bits}
		if got := s.Allows(addr(tt.group)); got != tt.want {
			t.Errorf("%v allows %s: %v", s, tt.group, got)
		}
	}
	if !(mroute.ScopeMask{}).Allows(addr("225.1.1.1")) {
		t.Error("an absent mask allows nothing")
	}
	if got := (mroute.ScopeMask{Set: true, Bits: 0xf0}).String(); got != "<00F0>" {
		t.Error(got)
	}
}

func TestOriginString(t *testing.T) {
	for _, tt := range []struct {
		origin mroute.Origin
		want   string
	}{
		{mroute.Origin{Ref: "/etc/smcroute.conf", Line: 7, Seq: 3}, "/etc/smcroute.conf:7"},
		{mroute.Origin{Ref: "studio/a", Generation: 3}, "studio/a@3"},
		{mroute.Origin{Ref: "client", Seq: 1}, "client"},
	} {
		if got := tt.origin.String(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
