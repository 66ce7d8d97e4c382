package uapi

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"reflect"
	"testing"
)

func u16(v uint16) []byte { return binary.NativeEndian.AppendUint16(nil, v) }
func u32(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }
func u64(v uint64) []byte { return binary.NativeEndian.AppendUint64(nil, v) }
func cat(p ...[]byte) []byte {
	return bytes.Join(p, nil)
}

func attr(typ uint16, payload ...[]byte) []byte {
	p := cat(payload...)
	b := cat(u16(uint16(4+len(p))), u16(typ), p)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func upcall4(typ, proto, vifLo, vifHi byte, dst ...byte) []byte {
	return cat([]byte{0x45, 0, 0, 28, 0, 0, 0, 0, typ, proto, vifLo, vifHi, 10, 0, 0, 1}, dst)
}

func TestDecodeUpcall4(t *testing.T) {
	src, grp := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("225.1.2.3")
	g := []byte{225, 1, 2, 3}
	for _, tt := range []struct {
		name string
		in   []byte
		want Upcall
		ok   bool
	}{
		{"no cache", cat(upcall4(1, 0, 5, 0, g...), make([]byte, 8)), Upcall{1, 5, src, grp}, true},
		{"wrong VIF, high bits", upcall4(2, 0, 5, 1, g...), Upcall{2, 0x105, src, grp}, true},
		{"IGMP packet", upcall4(1, 2, 5, 0, g...), Upcall{}, false},
		{"type 0", upcall4(0, 0, 5, 0, g...), Upcall{}, false},
		{"type 5", upcall4(5, 0, 5, 0, g...), Upcall{}, false},
		{"cut short", upcall4(1, 0, 5, 0, g...)[:19], Upcall{}, false},
		{"empty", nil, Upcall{}, false},
	} {
		if u, ok := DecodeUpcall4(tt.in); ok != tt.ok || ok && u != tt.want {
			t.Errorf("%s: %v %v, want %v %v", tt.name, u, ok, tt.want, tt.ok)
		}
	}
	if _, ok := DecodeUpcall4(upcall4(1, 0, 5, 0, 10, 0, 0, 2)); ok {
		t.Error("accepted a destination that is not multicast")
	}
}

func upcall6(mbz, typ byte, mif uint16, src, dst string) []byte {
	return cat([]byte{mbz, typ}, u16(mif), make([]byte, 4), netip.MustParseAddr(src).AsSlice(), netip.MustParseAddr(dst).AsSlice())
}

func TestDecodeUpcall6(t *testing.T) {
	want := Upcall{1, 31, netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("ff0e::5")}
	good := upcall6(0, 1, 31, "2001:db8::1", "ff0e::5")
	if u, ok := DecodeUpcall6(good); !ok || u != want {
		t.Errorf("got %v %v, want %v", u, ok, want)
	}
	for name, in := range map[string][]byte{
		"ICMPv6 message": upcall6(143, 1, 31, "2001:db8::1", "ff0e::5"),
		"type 0":         upcall6(0, 0, 31, "2001:db8::1", "ff0e::5"),
		"type 5":         upcall6(0, 5, 31, "2001:db8::1", "ff0e::5"),
		"unicast":        upcall6(0, 1, 31, "2001:db8::1", "2001:db8::2"),
		"cut short":      good[:39],
		"empty":          nil,
	} {
		if _, ok := DecodeUpcall6(in); ok {
			t.Errorf("accepted %s", name)
		}
	}
}

func TestDecodeSGReq(t *testing.T) {
	for _, w := range []Word{4, 8} {
		for _, grp := range []string{"225.0.0.1", "ff05::1"} {
			b := AppendSGReq(nil, netip.Addr{}, netip.MustParseAddr(grp), w)
			counters := b[len(b)-3*int(w):]
			for i, v := range []uint64{11, 22, 33} {
				if w == 4 {
					binary.NativeEndian.PutUint32(counters[4*i:], uint32(v))
				} else {
					binary.NativeEndian.PutUint64(counters[8*i:], v)
				}
			}
			if c, err := DecodeSGReq(b, w); err != nil || c != (SGCount{11, 22, 33}) {
				t.Errorf("word %d, %s: %v %v", w, grp, c, err)
			}
		}
	}
	if _, err := DecodeSGReq(make([]byte, 31), 8); err == nil {
		t.Error("accepted 31 bytes")
	}
}

func routePayload(family byte, attrs ...[]byte) []byte {
	return cat([]byte{family, 32, 32, 0, 250, 17, 0, 5}, u32(rtnhUnresolved), cat(attrs...))
}

func hop(n uint16, ttl byte, ifindex uint32) []byte { return cat(u16(n), []byte{0, ttl}, u32(ifindex)) }

func TestDecodeRoute(t *testing.T) {
	in := routePayload(FamilyIPMR,
		attr(rtaTable, u32(1000)),
		attr(rtaSrc, []byte{10, 0, 0, 1}),
		attr(rtaDst, []byte{225, 0, 0, 1}),
		attr(rtaIif, u32(4)),
		attr(rtaMultipath, hop(8, 1, 5), hop(8, 64, 6)),
		attr(rtaMFCStats, u64(1), u64(2), u64(3)),
		attr(rtaExpires|0x4000, u64(250)), // NLA_F_NET_BYTEORDER is masked
		attr(99, []byte("later kernel")),
	)
	want := Route{
		Table: 1000, Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("225.0.0.1"),
		Iif: 4, Unresolved: true, NumHops: 2, SGCount: SGCount{1, 2, 3}, Expires: 250,
	}
	want.Hops[0], want.Hops[1] = Nexthop{1, 5}, Nexthop{64, 6}
	var got Route
	if err := DecodeRoute(in, &got); err != nil || got != want {
		t.Errorf("got  %+v %v\nwant %+v", got, err, want)
	}
	in[5] = rtprotStatic
	want.Static = true
	if err := DecodeRoute(in, &got); err != nil || got != want {
		t.Errorf("got  %+v %v\nwant %+v", got, err, want)
	}
	if err := DecodeRoute(routePayload(FamilyIP6MR), &got); err != nil || got.Src != netip.IPv6Unspecified() || got.Table != 250 {
		t.Errorf("got %+v %v", got, err)
	}
}

func TestDecodeRouteErrors(t *testing.T) {
	many := bytes.Repeat(hop(8, 1, 5), 33)
	for _, tt := range []struct {
		name, want string
		in         []byte
	}{
		{"short", "struct rtmsg: 3 bytes, expected at least 12", []byte{128, 0, 0}},
		{"family", "rtm_family: 2, expected 128 or 129", routePayload(2)},
		{"half attribute", "struct rtattr: 2 bytes, expected at least 4", routePayload(128, []byte{8, 0})},
		{"attribute too long", "rta_len: 200, expected 4 to 8", routePayload(128, cat(u16(200), u16(1), u32(1)))},
		{"attribute too short", "rta_len: 3, expected 4 to 8", routePayload(128, cat(u16(3), u16(1), u32(1)))},
		{"table", "attribute 15: 2 bytes, expected at least 4", routePayload(128, attr(rtaTable, u16(1)))},
		{"address", "address: 16 bytes, expected 4", routePayload(128, attr(rtaDst, make([]byte, 16)))},
		{"stats", "struct rta_mfc_stats: 8 bytes, expected at least 24", routePayload(128, attr(rtaMFCStats, u64(1)))},
		{"expires", "RTA_EXPIRES: 4 bytes, expected at least 8", routePayload(128, attr(rtaExpires, u32(1)))},
		{"half next hop", "struct rtnexthop: 4 bytes, expected at least 8", routePayload(128, attr(rtaMultipath, u32(8)))},
		{"next hop of no length", "rtnh_len: 0, expected 8 to 8", routePayload(128, attr(rtaMultipath, hop(0, 1, 1)))},
		{"33 next hops", "RTA_MULTIPATH: more than 32 outputs", routePayload(128, attr(rtaMultipath, many))},
	} {
		var r Route
		if err := DecodeRoute(tt.in, &r); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestNextMessage(t *testing.T) {
	one := cat(u32(19), u16(RTMNewLink), u16(2), u32(7), u32(0), []byte{1, 2, 3, 0})
	two := cat(u32(20), u16(NLMsgError), u16(0), u32(8), u32(0), u32(uint32(0xfffffffe))) // -ENOENT
	m, rest, err := NextMessage(cat(one, two))
	if err != nil || !reflect.DeepEqual(m, Message{RTMNewLink, 2, 7, []byte{1, 2, 3}}) {
		t.Fatalf("got %+v %v", m, err)
	}
	m, rest, err = NextMessage(rest)
	if err != nil || m.Seq != 8 || len(rest) != 0 {
		t.Fatalf("got %+v, rest %x, %v", m, rest, err)
	}
	if e, err := m.Errno(); e != 2 || err != nil {
		t.Errorf("errno %d %v, want 2", e, err)
	}
	for _, in := range [][]byte{one[:15], one[:18], cat(u32(15), one[4:]), cat(u32(1<<31), one[4:])} {
		if _, _, err := NextMessage(in); err == nil {
			t.Errorf("accepted %x", in)
		}
	}
	if _, err := (Message{Type: NLMsgError}).Errno(); err == nil {
		t.Error("accepted an NLMSG_ERROR without a number")
	}
}

func TestDecodeLink(t *testing.T) {
	info := cat([]byte{0, 0}, u16(1), u32(42), u32(IFFUp|IFFMulticast), u32(0))
	l, err := DecodeLink(cat(info, attr(iflaIfname, []byte("eth0\x00"))))
	if want := (Link{42, IFFUp | IFFMulticast, "eth0"}); err != nil || l != want {
		t.Errorf("got %+v %v, want %+v", l, err, want)
	}
	for _, in := range [][]byte{nil, info, cat(info, []byte{1})} {
		if _, err := DecodeLink(in); err == nil {
			t.Errorf("accepted %x", in)
		}
	}
}

func TestDecodeGone(t *testing.T) {
	msg := func(typ uint16, family byte) []byte {
		return cat(u32(1000), u16(typ), u16(0), u32(0), u32(0), []byte{family, 0}, u16(1), u32(42), u32(0), u32(0))
	}
	if ifindex, ok := DecodeGone(msg(RTMDelLink, 0)); !ok || ifindex != 42 {
		t.Errorf("got %d %v, want 42", ifindex, ok)
	}
	for name, in := range map[string][]byte{
		"RTM_NEWLINK":         msg(RTMNewLink, 0),
		"a port of a bridge":  msg(RTMDelLink, 7), // AF_BRIDGE
		"a message cut short": msg(RTMDelLink, 0)[:31],
	} {
		if _, ok := DecodeGone(in); ok {
			t.Errorf("accepted %s", name)
		}
	}
}

func TestNoticeOf(t *testing.T) {
	msg := func(typ uint16, family byte, attrs ...[]byte) []byte {
		return cat(u32(1000), u16(typ), u16(0), u32(0), u32(0), []byte{family, 0, 0, 0}, cat(attrs...))
	}
	all, forwarding := attr(netconfaIfindex, u32(netconfaAll)), attr(netconfaMCForwarding, u32(1))
	for _, tt := range []struct {
		name string
		msg  []byte
		want Notice
	}{
		{"a rule of IPv4", msg(rtmNewRule, FamilyIPMR), NoticeRules},
		{"a rule of IPv6 that is gone", msg(rtmDelRule, FamilyIP6MR), NoticeRules},
		{"a rule of unicast", msg(rtmNewRule, 2), NoticeVoid},
		{"a router", msg(rtmNewNetconf, 2, all, forwarding), NoticeRouter},
		{"one link of a router", msg(rtmNewNetconf, 2, attr(netconfaIfindex, u32(7)), forwarding), NoticeVoid},
		{"another setting of all", msg(rtmNewNetconf, 10, all, attr(2, u32(1))), NoticeVoid},
		{"settings of a link that is gone", msg(rtmDelNetconf, 2, all), NoticeVoid},
		{"a link", msg(RTMNewLink, 0), NoticeOther},
		{"a message cut short", msg(rtmNewRule, FamilyIPMR)[:16], NoticeOther},
		{"settings cut short", msg(rtmNewNetconf, 2, all, forwarding)[:26], NoticeVoid},
	} {
		if got := NoticeOf(tt.msg); got != tt.want {
			t.Errorf("%s: %d, expected %d", tt.name, got, tt.want)
		}
	}
}

func TestDecodeVIFs(t *testing.T) {
	vif := func(id, ifindex uint32) []byte {
		return attr(ipmraVIF, attr(ipmraVIFAIfindex, u32(ifindex)), attr(ipmraVIFAID, u32(id)))
	}
	table := func(vifs ...[]byte) []byte {
		return cat(make([]byte, sizeIfinfo), attr(iflaAFSpec, attr(ipmraTableID, u32(253)), attr(ipmraTableVIFs, vifs...)))
	}
	v, err := DecodeVIFs(table(vif(0, 7), vif(31, 9)))
	if want := (VIFs{Table: 253, Ifindex: [MaxVIFs]int32{0: 7, 31: 9}}); err != nil || v != want {
		t.Errorf("got %+v %v, want %+v", v, err, want)
	}
	for _, in := range [][]byte{nil, table(vif(32, 7)), table([]byte{4})} {
		if _, err := DecodeVIFs(in); err == nil {
			t.Errorf("accepted %x", in)
		}
	}
}

// The same words as struct fib_rule_hdr and the attributes of linux/fib_rules.h have.
func TestDecodeRule(t *testing.T) {
	header := func(table, action byte, flags uint32) []byte {
		return cat([]byte{FamilyIPMR, 0, 0, 0, table, 0, 0, action}, u32(flags))
	}
	for _, tt := range []struct {
		name string
		in   []byte
		want Rule
	}{
		{"the table of the header", header(253, 1, 0), Rule{Action: RuleToTable, Table: 253}},
		{
			"all selectors", cat(header(252, 1, 2), attr(15, u32(700)), attr(6, u32(5)), attr(3, []byte("eth0\x00")), attr(17, []byte("eth1\x00")),
				attr(10, u32(3)), attr(16, u32(255)), attr(12, []byte{0, 0, 0, 0, 0, 0, 0, 9}), attr(20, u32(4), u32(6)), attr(19, []byte{1}), attr(21, []byte{17})),
			Rule{
				Action: RuleToTable, Priority: 5, Table: 700, Invert: true, IIF: "eth0", OIF: "eth1", Mark: 3, Mask: 255, TunID: 9, L3MDev: true,
				Protocol: 17, HasUID: true, FirstUID: 4, FinalUID: 6,
			},
		},
		{"goto nowhere", cat(header(0, 2, 4), attr(4, u32(100))), Rule{Action: RuleGoto, Goto: 100, Unresolved: true}},
		{"blackhole", header(0, 6, 8), Rule{Action: RuleBlackhole}},
	} {
		if got, err := DecodeRule(tt.in); err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v, expected %+v", tt.name, got, err, tt.want)
		}
	}
	for name, in := range map[string][]byte{
		"no header":     header(0, 1, 0)[:11],
		"short mark":    cat(header(0, 1, 0), attr(10, []byte{1})),
		"short tunnel":  cat(header(0, 1, 0), attr(12, u32(1))),
		"short UIDs":    cat(header(0, 1, 0), attr(20, u32(1))),
		"half an attr":  cat(header(0, 1, 0), []byte{8, 0}),
		"a long length": cat(header(0, 1, 0), []byte{9, 0, 15, 0, 1, 0, 0, 0}),
	} {
		if r, err := DecodeRule(in); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestRuleAsMet(t *testing.T) {
	for _, tt := range []struct {
		name       string
		rule, want Rule
	}{
		{"what all meet", Rule{Action: RuleToTable, Table: 7, IIF: "in", Invert: true}, Rule{Action: RuleToTable, Table: 7, IIF: "in", Invert: true}},
		{"a tunnel", Rule{Action: RuleToTable, Table: 7, TunID: 5}, Rule{Action: RuleNop, Table: 7}},
		{"no tunnel", Rule{Action: RuleToTable, Table: 7, TunID: 5, IIF: "in", OIF: "out", Mark: 1, Mask: 3, Invert: true}, Rule{Action: RuleToTable, Table: 7}},
		{"another user", Rule{Action: RuleProhibit, HasUID: true, FirstUID: 1, FinalUID: 9}, Rule{Action: RuleNop}},
		{"no other user", Rule{Action: RuleProhibit, HasUID: true, FirstUID: 1, FinalUID: 9, Invert: true}, Rule{Action: RuleProhibit}},
		{"root", Rule{Action: RuleProhibit, IIF: "in", HasUID: true, FinalUID: 9}, Rule{Action: RuleProhibit, IIF: "in"}},
		{"not root", Rule{Action: RuleProhibit, HasUID: true, FinalUID: 9, Invert: true}, Rule{Action: RuleProhibit, Invert: true}}, // all but all
		{"nowhere", Rule{Action: RuleGoto, Goto: 9, Unresolved: true}, Rule{Action: RuleNop, Goto: 9, Unresolved: true}},
		{"nowhere, of no tunnel", Rule{Action: RuleGoto, Unresolved: true, TunID: 5, Invert: true}, Rule{Action: RuleNop, Unresolved: true}},
	} {
		if got := tt.rule.Met(); got != tt.want {
			t.Errorf("%s: %+v, expected %+v", tt.name, got, tt.want)
		}
	}
}

func FuzzDecodeUpcall(f *testing.F) {
	f.Add(upcall4(1, 0, 5, 0, 225, 1, 2, 3))
	f.Add(upcall6(0, 2, 31, "2001:db8::1", "ff0e::5"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if u, ok := DecodeUpcall4(b); ok && (!u.Dst.Is4() || !u.Dst.IsMulticast() || u.Type < 1 || u.Type > 4) {
			t.Errorf("%x gave %+v", b, u)
		}
		if u, ok := DecodeUpcall6(b); ok && (!u.Dst.Is6() || !u.Dst.IsMulticast() || u.Type < 1 || u.Type > 4) {
			t.Errorf("%x gave %+v", b, u)
		}
	})
}

func FuzzNetlink(f *testing.F) {
	route := routePayload(FamilyIPMR, attr(rtaTable, u32(1000)), attr(rtaMultipath, hop(8, 1, 5)))
	f.Add(cat(u32(uint32(16+len(route))), u16(RTMNewRoute), u16(2), u32(7), u32(0), route))
	f.Add(AppendDumpLinks(AppendDumpVIFs(nil, 1), 2))
	f.Add(AppendDelRule(nil, 1, FamilyIPMR, 7))
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			m, rest, err := NextMessage(b)
			if err != nil {
				return
			}
			if len(rest) >= len(b) {
				t.Fatal("no progress")
			}
			b = rest
			_, _ = m.Errno()
			_, _ = DecodeGone(b)
			_ = NoticeOf(b)
			var r Route
			if err := DecodeRoute(m.Payload, &r); err == nil && r.Src.BitLen() != r.Dst.BitLen() {
				t.Errorf("families mixed: %+v", r)
			}
			_, _ = DecodeLink(m.Payload)
			_, _ = DecodeRule(m.Payload)
			_, _ = DecodeVIFs(m.Payload)
		}
	})
}
