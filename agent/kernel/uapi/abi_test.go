package uapi

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
)

// The golden bytes are little-endian, as are amd64, arm64 and 386.
func TestABISizesAndOffsets(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the golden bytes are little-endian; run on amd64, arm64 or 386")
	}
	s4, g4 := netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("225.4.5.6")
	s6, g6 := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("ff2e::9")
	ttls := [MaxVIFs]uint8{1: 7, 31: 255}

	const (
		sin4S = "0200 0000 0a010203 0000000000000000"
		sin4G = "0200 0000 e1040506 0000000000000000"
		sin6S = "0a00 0000 00000000 20010db8000000000000000000000001 00000000"
		sin6G = "0a00 0000 00000000 ff2e0000000000000000000000000009 00000000"
		sin60 = "0a00 0000 00000000 00000000000000000000000000000000 00000000"
	)
	pad := func(n int) string { return strings.Repeat("00", n) }
	for _, tt := range []struct {
		name string
		got  []byte
		size int // sizeof in C
		want string
	}{
		{
			"vifctl", Vifctl{VIF: 0x1f, Flags: VIFFUseIfindex, Threshold: 1, Ifindex: 0x010203}.Append(nil), 16,
			"1f00 08 01 00000000 03020100 00000000",
		},
		{
			"mif6ctl", Mif6ctl{MIF: 0x1f, Threshold: 1, Ifindex: 0x0203}.Append(nil), 12,
			"1f00 00 01 0302 0000 00000000",
		},
		{"mifi_t", AppendMIF(nil, 0x0102), 2, "0201"},
		{
			"mfcctl", (&MFC{Origin: s4, Group: g4, Parent: 0x1e, TTLs: ttls}).Append(nil), 60,
			"0a010203 e1040506 1e00 0007" + pad(29) + "ff" + pad(18),
		},
		{
			"mfcctl any source", (&MFC{Group: g4}).Append(nil), 60,
			"00000000 e1040506" + pad(52),
		},
		{
			"mf6cctl", (&MFC{Origin: s6, Group: g6, Parent: 0x1e, TTLs: ttls}).Append(nil), 92,
			sin6S + sin6G + "1e00 0000 02000080" + pad(28),
		},
		{
			"mf6cctl any source", (&MFC{Group: g6}).Append(nil), 92,
			sin60 + sin6G + pad(36),
		},
		{"sioc_vif_req 64", AppendVIFReq(nil, 0x1f, 8), 40, "1f00" + pad(38)},
		{"sioc_vif_req 32", AppendVIFReq(nil, 0x1f, 4), 20, "1f00" + pad(18)},
		{"sioc_sg_req 64", AppendSGReq(nil, s4, g4, 8), 32, "0a010203 e1040506" + pad(24)},
		{"sioc_sg_req 32", AppendSGReq(nil, s4, g4, 4), 20, "0a010203 e1040506" + pad(12)},
		{"sioc_sg_req6 64", AppendSGReq(nil, s6, g6, 8), 80, sin6S + sin6G + pad(24)},
		{"sioc_sg_req6 32", AppendSGReq(nil, s6, g6, 4), 68, sin6S + sin6G + pad(12)},
		{"group_req 64", AppendGroupReq(nil, 0x0102, g4, 8), 136, "02010000 00000000" + sin4G + pad(112)},
		{"group_req 32", AppendGroupReq(nil, 0x0102, g4, 4), 132, "02010000" + sin4G + pad(112)},
		{"group_req IPv6", AppendGroupReq(nil, 0x0102, g6, 8), 136, "02010000 00000000" + sin6G + pad(100)},
		{
			"group_source_req 64", AppendGroupSourceReq(nil, 2, s4, g4, 8), 264,
			"02000000 00000000" + sin4G + pad(112) + sin4S + pad(112),
		},
		{
			"group_source_req 32", AppendGroupSourceReq(nil, 2, s6, g6, 4), 260,
			"02000000" + sin6G + pad(100) + sin6S + pad(100),
		},
		{
			"RTM_NEWROUTE", (&RouteRequest{Table: 253, Src: s4, Dst: g4, Iif: 5, TTLs: [MaxVIFs]uint8{2: 9}}).AppendNewRoute(nil, 7, NLMFAck), 88,
			"58000000 1800 0500 07000000 00000000" + "80 20 20 00 00 11 00 05 00000000" +
				"0800 0200 0a010203" + "0800 0100 e1040506" + "0800 0f00 fd000000" + "0800 0300 05000000" +
				"1c00 0900" + "0800 00 00 00000000" + "0800 00 00 00000000" + "0800 00 09 00000000",
		},
		{
			"RTM_NEWROUTE without outputs", (&RouteRequest{Table: 253, Src: s4, Dst: g4, Iif: 5, Static: true}).AppendNewRoute(nil, 7, 0), 60,
			"3c000000 1800 0100 07000000 00000000" + "80 20 20 00 00 04 00 05 00000000" +
				"0800 0200 0a010203" + "0800 0100 e1040506" + "0800 0f00 fd000000" + "0800 0300 05000000",
		},
		{
			"RTM_DELROUTE", (&RouteRequest{Table: 1000, Dst: g4}).AppendDelRoute(nil, 8, 0), 52,
			"34000000 1900 0100 08000000 00000000" + "80 20 20 00 00 11 00 05 00000000" +
				"0800 0200 00000000" + "0800 0100 e1040506" + "0800 0f00 e8030000",
		},
		{
			"RTM_GETROUTE", AppendGetRoute(nil, 9, 254, s6, g6), 76,
			"4c000000 1a00 0100 09000000 00000000" + "81 80 80 00 00 00 00 00 00000000" +
				"1400 0200 20010db8000000000000000000000001" + "1400 0100 ff2e0000000000000000000000000009" +
				"0800 0f00 fe000000",
		},
		{
			"RTM_GETROUTE dump", AppendDumpRoutes(nil, 9, FamilyIPMR, 253), 36,
			"24000000 1a00 0103 09000000 00000000" + "80 00 00 00 00 00 00 00 00000000" + "0800 0f00 fd000000",
		},
		{
			"RTM_GETLINK dump", AppendDumpLinks(nil, 1), 40,
			"28000000 1200 0103 01000000 00000000" + pad(16) + "0800 1d00 08000000",
		},
		{
			"RTM_GETLINK dump of VIFs", AppendDumpVIFs(nil, 1), 32,
			"20000000 1200 0103 01000000 00000000" + "80" + pad(15),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if len(tt.got) != tt.size {
				t.Errorf("%d bytes, sizeof is %d", len(tt.got), tt.size)
			}
			want, err := hex.DecodeString(strings.ReplaceAll(tt.want, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(tt.got, want) {
				t.Errorf("got  %x\nwant %x", tt.got, want)
			}
		})
	}
}

func TestSizeConstants(t *testing.T) {
	all := RouteRequest{Dst: netip.MustParseAddr("225.0.0.1")}
	for i := range MaxNetlinkVIFs {
		all.TTLs[i] = 1
	}
	for _, tt := range []struct {
		name      string
		got, want int
	}{
		{"SizeVifctl", SizeVifctl, len(Vifctl{}.Append(nil))},
		{"SizeMif6ctl", SizeMif6ctl, len(Mif6ctl{}.Append(nil))},
		{"SizeMfcctl", SizeMfcctl, len((&MFC{Group: all.Dst}).Append(nil))},
		{"SizeMf6cctl", SizeMf6cctl, len((&MFC{Group: netip.MustParseAddr("ff05::1")}).Append(nil))},
		{"SizeNewRoute", SizeNewRoute, len(all.AppendNewRoute(nil, 1, 0))},
		{"SizeGetRoute", SizeGetRoute, len(AppendGetRoute(nil, 1, 1, netip.Addr{}, netip.MustParseAddr("ff05::1")))},
	} {
		if tt.got != tt.want {
			t.Errorf("%s is %d, want %d", tt.name, tt.got, tt.want)
		}
	}
}

// AppendSameRoute writes what AppendNewRoute does.
func TestAppendSameRoute(t *testing.T) {
	r := RouteRequest{
		Table: 253, Src: netip.MustParseAddr("10.1.2.3"), Dst: netip.MustParseAddr("225.4.5.6"),
		Iif: 5, TTLs: [MaxVIFs]uint8{2: 9},
	}
	first := r.AppendNewRoute([]byte("before"), 7, NLMFAck)
	for _, src := range []netip.Addr{netip.MustParseAddr("10.255.0.1"), {}} {
		r.Src, r.Dst = src, netip.MustParseAddr("239.255.255.250")
		want := r.AppendNewRoute(first, 0x01020304, 0)
		if got := AppendSameRoute(first, len("before"), 0x01020304, 0, r.Src, r.Dst); !bytes.Equal(got, want) {
			t.Errorf("got  %x\nwant %x", got, want)
		}
	}
}

func TestEncodersDoNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 512)
	m := MFC{Group: netip.MustParseAddr("ff05::1")}
	r := RouteRequest{Dst: netip.MustParseAddr("225.0.0.1"), TTLs: [MaxVIFs]uint8{30: 1}}
	n := testing.AllocsPerRun(100, func() {
		m.Append(buf)
		r.AppendNewRoute(buf, 1, 0)
		r.AppendDelRoute(buf, 1, 0)
		AppendGetRoute(buf, 1, 1, netip.Addr{}, m.Group)
		AppendSGReq(buf, netip.Addr{}, m.Group, NativeWord)
		AppendGroupSourceReq(buf, 1, netip.Addr{}, m.Group, NativeWord)
	})
	if n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
