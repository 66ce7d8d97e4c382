package plan_test

import (
	"math"
	"slices"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/plan"
)

func TestJoins(t *testing.T) {
	for _, tt := range []struct{ name, conf, ctl, want string }{
		{"one group", "mgroup from a0 group 225.1.1.1", "", "a0 (*, 225.1.1.1)"},
		{"one source", "mgroup from a0 source 10.0.0.1 group 232.1.1.1", "", "a0 (10.0.0.1, 232.1.1.1)"},
		{"sources times groups, host bits ignored", "mgroup from a0 source 10.0.0.3/31 group 232.1.1.1/31", "",
			`a0 (10.0.0.2, 232.1.1.0)
			 a0 (10.0.0.3, 232.1.1.0)
			 a0 (10.0.0.2, 232.1.1.1)
			 a0 (10.0.0.3, 232.1.1.1)`},
		{"the last addresses there are", "mgroup from a0 group 239.255.255.254/31\nmgroup from a0 group ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/127", "",
			`a0 (*, 239.255.255.254)
			 a0 (*, 239.255.255.255)
			 a0 (*, ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe)
			 a0 (*, ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff)`},
		{"a wildcard", "mgroup from a+ group ff05::1", "",
			`a0 (*, ff05::1)
			 a1 (*, ff05::1)`},
		{"not without MULTICAST", "mgroup from n0 group 225.1.1.1", "", ""},
		{"disabled by a line behind", "mgroup from a+ group 225.1.1.1\nphyint a0 disable", "", "a1 (*, 225.1.1.1)"},
		{"clients join in order, behind the file", "mgroup from a0 group 225.1.1.9",
			`join a0 225.1.1.3
			 join a0 225.1.1.1
			 join a1 225.1.1.2
			 join a1 225.1.1.2`,
			`a0 (*, 225.1.1.9)
			 a0 (*, 225.1.1.3)
			 a0 (*, 225.1.1.1)
			 a1 (*, 225.1.1.2)`},
		{"leave what a client joined", "",
			`join a0 225.1.1.1
			 leave a0 225.1.1.1
			 ! leave a0 225.1.1.1`, ""},
		{"leave what the file joined", "mgroup from a0 group 225.1.1.1",
			`leave a0 225.1.1.1
			 ! leave a0 225.1.1.1`, ""},
		{"leave what both joined", "mgroup from a0 group 225.1.1.1",
			`join a0 225.1.1.1
			 leave a0 225.1.1.1`, ""},
		{"join again", "mgroup from a0 group 225.1.1.1\nmgroup from a0 group 225.1.1.2",
			`leave a0 225.1.1.1
			 join a1 225.1.1.3
			 join a0 225.1.1.1`,
			`a0 (*, 225.1.1.2)
			 a1 (*, 225.1.1.3)
			 a0 (*, 225.1.1.1)`},
		{"leave repeats what was joined", "mgroup from a+ group 225.1.1.0/31",
			`! leave a0 225.1.1.0/31
			 ! leave a+ 225.1.1.0
			 ! leave a+ 10.0.0.1 225.1.1.0/31
			 leave a+ 225.1.1.1/31`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.conf, "a0 a1 !n0")
			before := w.joins()
			w.ctl(tt.ctl)
			w.lines("joins", w.joins(), tt.want)
			w.in.DropEdits()
			w.lines("joins after a reload", w.joins(), before)
		})
	}
}

// The same line in several layers is gone over once, if it stands for many.
func TestSameJoinsTwice(t *testing.T) {
	w := newWorld(t, "mgroup from a0 group 225.1.0.0/24\nmgroup from a0 group 225.1.0.0/25", "a0")
	for _, name := range []string{"kubernetes", "more"} {
		l := layer(t, "mgroup from a0 group 225.1.0.7/24")
		l.Name = name
		w.in.SetLayer(l)
	}
	w.ctl("join a0 225.1.0.0/24")
	res, _ := w.resolve(0)
	n := 0
	res.Joins(func(plan.Membership) bool { n++; return true })
	if n != 256+128 {
		t.Errorf("%d memberships came by, want %d", n, 256+128)
	}
}

func TestJoined(t *testing.T) {
	w := newWorld(t, "mgroup from a+ group 225.1.1.0/30\nmgroup from a0 group 225.1.1.1\nmgroup from a0 source 10.0.0.0/30 group 232.1.1.1", "a0 a1")
	joined := func(ifindex int, m string) bool {
		res, _ := w.resolve(0)
		sg := match(m).SG()
		return res.Joined(plan.Membership{Ifindex: ifindex, SG: sg})
	}
	for _, tt := range []struct {
		ifindex int
		m       string
		want    bool
	}{
		{1, "* 225.1.1.3", true}, {2, "* 225.1.1.3", true}, {1, "* 225.1.1.4", false}, {3, "* 225.1.1.3", false},
		{1, "10.0.0.1 225.1.1.3", false}, // of one source
		{1, "10.0.0.3 232.1.1.1", true}, {1, "10.0.0.4 232.1.1.1", false}, {1, "* 232.1.1.1", false}, {2, "10.0.0.3 232.1.1.1", false},
	} {
		if got := joined(tt.ifindex, tt.m); got != tt.want {
			t.Errorf("%s on link %d joined: %v", tt.m, tt.ifindex, got)
		}
	}
	w.ctl("leave a+ 225.1.1.0/30")
	if !joined(1, "* 225.1.1.1") || joined(2, "* 225.1.1.1") || joined(1, "* 225.1.1.2") {
		t.Error("another rule that overlaps one which is left must keep what is its own")
	}
}

// TestGroups: as they were asked for.
func TestGroups(t *testing.T) {
	w := newWorld(t, "mgroup from a0 group 225.1.1.1\nmgroup from a+ group 225.1.1.0/31", "a0 a1")
	w.ctl("join a0 225.1.1.0")
	res, _ := w.resolve(0)
	var got []string
	for _, g := range res.Groups() {
		got = append(got, g.If+" "+g.Match.String())
	}
	if want := []string{"a0 (*, 225.1.1.1)", "a+ (*, 225.1.1.0/31)", "a0 (*, 225.1.1.0)"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestPrefixSize(t *testing.T) {
	for _, tt := range []struct {
		p     string
		limit uint64
		want  uint64
	}{
		{"225.1.1.1", 16, 1}, {"225.1.1.0/28", 16, 16}, {"ff05::/120", 1 << 16, 256}, {"225.0.0.0/8", 1 << 24, 1 << 24},
		{"ff00::/65", math.MaxUint64 - 1, 1 << 63},
	} {
		if got := plan.PrefixSize(prefix(tt.p), tt.limit); got != tt.want {
			t.Errorf("%s holds %d addresses, want %d", tt.p, got, tt.want)
		}
	}
	for _, tt := range []struct {
		p     string
		limit uint64
	}{{"225.1.1.0/27", 16}, {"225.1.1.0/24", 16}, {"ff00::/8", 16}, {"ff00::/64", 1 << 63}, {"ff00::/64", math.MaxUint64 - 1}} {
		if got := plan.PrefixSize(prefix(tt.p), tt.limit); got != tt.limit+1 {
			t.Errorf("%s is within %d: %d", tt.p, tt.limit, got)
		}
	}
}
