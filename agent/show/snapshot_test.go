package show

import (
	"net/netip"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

func match(source, group string) mroute.Match {
	var m mroute.Match
	if source != "" {
		m.Source = prefix(source)
	}
	m.Group = prefix(group)
	return m
}

func prefix(s string) netip.Prefix {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p
	}
	a := netip.MustParseAddr(s)
	return netip.PrefixFrom(a, a.BitLen())
}

func sg(source, group string) mroute.SG { return match(source, group).SG() }

func link(index int, name string, vif, mif mroute.VIF) mroute.LinkView {
	return mroute.LinkView{Link: mroute.Link{Index: index, Name: name, Up: true, Multicast: vif != mroute.NoVIF}, VIF: vif, MIF: mif}
}

var unknown = mroute.Counters{Idle: -1}

// snapshots are the inputs of the golden files in testdata.
var snapshots = map[string]*mroute.Snapshot{
	"empty": {},

	// What Debian's smcrouted 2.5.6 was seen to list.
	"debian": {
		Links: []mroute.LinkView{
			link(1, "lo", mroute.NoVIF, mroute.NoVIF),
			link(2, "a2", 0, 0),
			link(3, "a1", 1, 1),
			link(4, "b2", 2, 2),
			link(5, "longname12345", 3, 3),
		},
		Rules: []mroute.RuleView{
			{Match: match("", "225.1.2.3"), IIF: "a1", OIFs: []string{"a2"}},
			{Match: match("1.2.3.4", "225.1.2.3"), IIF: "a1", OIFs: []string{"a2", "b2"}},
			{Match: match("1.2.3.0/24", "225.1.2.0/24"), IIF: "longname12345", OIFs: []string{"a2"}},
			{Match: match("1.2.3.4", "225.1.2.9"), IIF: "longname12345"},
			{Match: match("2001:db8::1", "ff05::1:2"), IIF: "a1", OIFs: []string{"a2"}},
		},
		Entries: []mroute.EntryView{
			{SG: sg("1.2.3.4", "225.1.2.3"), IIF: "a1", OIFs: []string{"a2", "b2"}},
			{SG: sg("1.2.3.4", "225.1.2.9"), IIF: "longname12345"},
			{SG: sg("2001:db8::1", "ff05::1:2"), IIF: "a1", OIFs: []string{"a2"}},
		},
		Groups: []mroute.GroupView{
			{Match: match("", "225.1.1.0/30"), If: "a1"},
			{Match: match("10.0.0.1", "232.1.1.1"), If: "a2"},
		},
		Joined: []mroute.GroupView{
			{Match: match("", "225.1.1.0/30"), If: "a1"},
			{Match: match("", "225.1.1.1/30"), If: "a1"},
			{Match: match("", "225.1.1.2/30"), If: "a1"},
			{Match: match("", "225.1.1.3/30"), If: "a1"},
			{Match: match("10.0.0.1", "232.1.1.1"), If: "a2"},
		},
	},

	// Everything that a listing can hold.
	"full": {
		Links: []mroute.LinkView{
			link(1, "lo", mroute.NoVIF, mroute.NoVIF),
			link(2, "e0", 0, mroute.NoVIF),
			link(1234567, "e1", mroute.NoVIF, 31),
		},
		Rules: []mroute.RuleView{
			{Match: match("", "::/0"), Scopes: mroute.ScopeMask{Set: true, Bits: 0xfff0}, IIF: "wpan0", OIFs: []string{"e0"}},
			{Match: match("", "239.0.0.0/8"), Except: []netip.Prefix{prefix("10.0.0.0/8"), prefix("192.0.2.1")}, IIF: "e0", OIFs: []string{"e1"}},
			{
				Match: match("10.0.0.1", "225.1.2.3"), IIF: "e0", OIFs: []string{"e1"}, Age: 3600 * time.Second,
				Counters: mroute.Counters{Packets: 1234567890123, Bytes: 99, WrongIf: 3, Idle: 1500 * time.Millisecond},
			},
			{Match: match("2001:db8:1111:2222:3333:4444:5555:6666", "ff05:1111:2222:3333:4444:5555:6666:7777"), IIF: "e0", Age: -1, Counters: unknown},
		},
		Entries: []mroute.EntryView{
			{SG: sg("10.9.9.9", "225.9.9.9"), Kind: mroute.StopFilter, IIF: "e0", Age: 50 * time.Millisecond, Counters: mroute.Counters{Packets: 1, Bytes: 100, Idle: 0}},
			{SG: sg("10.0.0.1", "225.1.2.3"), Kind: mroute.Static, IIF: "e0", OIFs: []string{"e1"}, Age: 10 * time.Second, Counters: unknown},
			{SG: sg("10.0.0.2", "239.1.1.1"), Kind: mroute.Learned, IIF: "e0", OIFs: []string{"e1", "e2"}, Counters: mroute.Counters{Packets: 7, Bytes: 700}},
		},
		Groups: []mroute.GroupView{{Match: match("", "ff05::/126"), If: "e+"}},
		Joined: []mroute.GroupView{{Match: match("", "ff05::1"), If: "e0"}},
		Pending: []mroute.PendingView{
			{Kind: mroute.PendingRoute, From: "eth9", Match: match("", "225.1.2.3"), To: []mroute.IfPattern{"e0", "e1"}, Reason: "there is no interface eth9"},
			{Kind: mroute.PendingRoute, From: "e0", Match: match("10.0.0.0/24", "225.1.0.0/16"), To: []mroute.IfPattern{"eth+"}, Reason: "no interface matches eth+"},
			{Kind: mroute.PendingRoute, From: "e0", Match: match("", "225.0.0.0/8"), Except: []netip.Prefix{prefix("10.0.0.0/8"), prefix("192.0.2.1")}},
			{Kind: mroute.PendingRoute, From: "wpan0", Match: match("", "::/0"), Scopes: mroute.ScopeMask{Set: true, Bits: 0xffc0}, To: []mroute.IfPattern{"e0"}},
			{Kind: mroute.PendingGroup, From: "eth9", Match: match("10.0.0.1", "232.1.1.1"), Reason: "there is no interface eth9"},
		},
	},

	// What another program has left, an entry of an input that is gone among it.
	"foreign": {
		Links: []mroute.LinkView{link(2, "e0", 0, 0), link(3, "e1", 1, 1)},
		Entries: []mroute.EntryView{
			{SG: sg("10.0.0.1", "225.1.2.3"), Kind: mroute.Static, IIF: "e0", OIFs: []string{"e1"}, Age: 10 * time.Second, Adopted: true},
		},
		Foreign: []mroute.EntryView{
			{SG: sg("10.0.0.9", "225.9.9.9"), IIF: "e1", OIFs: []string{"e0"}, Age: 10 * time.Second, Counters: mroute.Counters{Packets: 7, Bytes: 700}},
			{SG: sg("2001:db8::9", "ff05::9"), OIFs: []string{"e0"}, Age: 10 * time.Second, Counters: unknown},
		},
	},

	// Groups that are forwarded natively: one entry for all sources.
	"native": {
		Links: []mroute.LinkView{link(2, "e0", 0, 0), link(3, "e1", 1, 1)},
		Rules: []mroute.RuleView{
			{Match: match("", "225.1.2.3"), IIF: "e0", OIFs: []string{"e1"}, Counters: mroute.Counters{Packets: 7, Bytes: 700}, Age: 10 * time.Second},
			{Match: match("", "ff05::1"), IIF: "e0", OIFs: []string{"e1"}},
		},
		Entries: []mroute.EntryView{
			{SG: mroute.SG{Group: netip.MustParseAddr("225.1.2.3")}, Kind: mroute.Static, IIF: "e0", OIFs: []string{"e1"}, Age: 10 * time.Second, Counters: mroute.Counters{Packets: 7, Bytes: 700}},
			{SG: mroute.SG{Group: netip.MustParseAddr("ff05::1")}, Kind: mroute.Static, IIF: "e0", OIFs: []string{"e1"}, Age: 10 * time.Second},
			{SG: sg("::", "ff05::2"), Kind: mroute.StopFilter, IIF: "e0", Age: time.Second},
		},
	},

	// More interfaces than one table has room for.
	"spread": {
		Links: []mroute.LinkView{
			link(1, "lo", mroute.NoVIF, mroute.NoVIF),
			link(2, "e0", 0, 0),
			{Link: mroute.Link{Index: 3, Name: "e1"}, VIF: 1, MIF: 1, Table: 90000001},
			{Link: mroute.Link{Index: 4, Name: "e2"}, VIF: 7, MIF: mroute.NoVIF, Table: 99999999},
		},
		Tables: []uint32{90000001, 99999999},
	},

	// Names that look like markers, break JSON, or speak to terminals.
	"names": {
		Links: []mroute.LinkView{link(2, `q"\é`, 0, 0), link(3, "u_", 1, 1), link(4, "\x1b[31m", 2, 2)},
		Rules: []mroute.RuleView{
			{Match: match("", "225.1.1.1"), IIF: "\x1b[31m", OIFs: []string{"\x1b[31m", `q"\é`, "u_"}},
			{Match: match("", "225.1.1.2"), IIF: "u_", OIFs: []string{"v="}},
		},
		Groups:  []mroute.GroupView{{Match: match("", "225.1.1.1"), If: "u_"}},
		Pending: []mroute.PendingView{{Kind: mroute.PendingRoute, From: "u_", Match: match("", "225.1.1.1"), To: []mroute.IfPattern{"a\x00b", "v="}, Reason: "a\nb"}},
	},
}
