package show

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"pgregory.net/rapid"
)

func TestParseWhat(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want What
	}{
		{nil, Routes},
		{[]string{""}, Routes},
		{[]string{"routes"}, Routes},
		{[]string{"bogus"}, Routes},
		{[]string{"g"}, Groups},
		{[]string{"groups", "x"}, Groups},
		{[]string{"gulp"}, Groups},
		{[]string{"iface"}, Interfaces},
		{[]string{"pend"}, Pending},
	} {
		if got := ParseWhat(tt.args); got != tt.want {
			t.Errorf("ParseWhat(%q) = %v, want %v", tt.args, got, tt.want)
		}
	}
}

// anySnapshot draws a snapshot with hostile names.
func anySnapshot(t *rapid.T) *mroute.Snapshot {
	name := rapid.OneOf(rapid.SampledFrom([]string{"a_", "b=", "\x00", "\x1b[0m", `"`, `\`, "eth0", "\xff", "é\n"}), rapid.StringN(1, 15, 15))
	names := rapid.SliceOfN(name, 0, 4)
	addr := rapid.Custom(func(t *rapid.T) netip.Addr {
		if rapid.Bool().Draw(t, "v6") {
			return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "addr")))
		}
		return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "addr")))
	})
	pref := rapid.Custom(func(t *rapid.T) netip.Prefix {
		a := addr.Draw(t, "prefix")
		return netip.PrefixFrom(a, rapid.IntRange(1, a.BitLen()).Draw(t, "bits"))
	})
	anyMatch := rapid.Custom(func(t *rapid.T) mroute.Match {
		m := mroute.Match{Group: pref.Draw(t, "group")}
		if rapid.Bool().Draw(t, "source") {
			m.Source = pref.Draw(t, "source")
		}
		return m
	})
	snap := &mroute.Snapshot{}
	for i := range rapid.IntRange(0, 3).Draw(t, "n") {
		m := anyMatch.Draw(t, "match")
		counters := mroute.Counters{Packets: rapid.Uint64().Draw(t, "packets"), Idle: time.Duration(rapid.Int64().Draw(t, "idle"))}
		snap.Rules = append(snap.Rules, mroute.RuleView{Match: m, IIF: name.Draw(t, "iif"), OIFs: names.Draw(t, "oifs"), Counters: counters})
		snap.Entries = append(snap.Entries, mroute.EntryView{
			SG:  mroute.SG{Source: addr.Draw(t, "source"), Group: addr.Draw(t, "group")},
			IIF: name.Draw(t, "iif"), OIFs: names.Draw(t, "oifs"), Counters: counters,
		})
		snap.Groups = append(snap.Groups, mroute.GroupView{Match: m, If: name.Draw(t, "if")})
		snap.Joined = append(snap.Joined, mroute.GroupView{Match: m, If: name.Draw(t, "if")})
		snap.Links = append(snap.Links, mroute.LinkView{Link: mroute.Link{Index: i, Name: name.Draw(t, "link")}, VIF: mroute.NoVIF})
		p := mroute.PendingView{Kind: mroute.PendingRoute, Match: m, From: mroute.IfPattern(name.Draw(t, "from")), Reason: name.Draw(t, "reason")}
		for _, n := range names.Draw(t, "to") {
			p.To = append(p.To, mroute.IfPattern(n))
		}
		snap.Pending = append(snap.Pending, p)
	}
	return snap
}

// TestOnlyHeadingsEndInMarkers: no row can be taken for a heading, whatever
// the interfaces are called, and no text breaks the protocol or a terminal.
func TestOnlyHeadingsEndInMarkers(t *testing.T) {
	headings := []string{
		"(*,G) Template Rules_", "(S,G) Rules_", "Kernel MFC Table_", "Group Memberships Table_", "Kernel Group Membership Table_",
		"OIFS=", "IIF             =", "VIF  MIF=",
	}
	rapid.Check(t, func(t *rapid.T) {
		snap := anySnapshot(t)
		for _, l := range listings {
			if l.json {
				continue
			}
			text := Text(snap, l.what, l.detail)
			for line := range strings.Lines(text) {
				line, ok := strings.CutSuffix(line, "\n")
				if !ok {
					t.Fatalf("%s: last line has no newline: %q", l.name, line)
				}
				if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
					t.Fatalf("%s: control character in %q", l.name, line)
				}
				if !strings.HasSuffix(line, "_") && !strings.HasSuffix(line, "=") {
					continue
				}
				known := false
				for _, h := range headings {
					known = known || strings.HasSuffix(line, h)
				}
				if !known {
					t.Fatalf("%s: a row ends in a marker: %q", l.name, line)
				}
			}
		}
	})
}

// TestJSONSaysWhatTheSnapshotSays decodes the JSON and compares names and counts.
func TestJSONSaysWhatTheSnapshotSays(t *testing.T) {
	type row struct {
		Source           *string
		Group, IIF, Kind string
		OIFs             []string
		Packets          *uint64
		Age, Idle        *float64
	}
	rapid.Check(t, func(t *rapid.T) {
		snap := anySnapshot(t)
		for _, l := range listings {
			text := JSON(snap, l.what)
			if line, ok := strings.CutSuffix(text, "\n"); !ok || strings.Contains(line, "\n") || !json.Valid([]byte(line)) {
				t.Fatalf("%s: not one line of JSON: %q", l.name, text)
			}
		}
		var got struct {
			Routes struct{ ASM, SSM, Kernel []row }
		}
		if err := json.Unmarshal([]byte(JSON(snap, Routes)), &got); err != nil {
			t.Fatal(err)
		}
		if n := len(got.Routes.ASM) + len(got.Routes.SSM); n != len(snap.Rules) {
			t.Fatalf("%d rules, want %d", n, len(snap.Rules))
		}
		for i, e := range snap.Entries {
			r := got.Routes.Kernel[i]
			if r.Group != e.SG.Group.String() || *r.Source != e.SG.Source.String() || *r.Packets != e.Counters.Packets || r.Kind != "static" {
				t.Fatalf("entry %d: got %+v, want %+v", i, r, e)
			}
			if (r.Idle == nil) != (e.Counters.Idle < 0) || r.Age == nil || len(r.OIFs) != len(e.OIFs) {
				t.Fatalf("entry %d: got %+v, want %+v", i, r, e)
			}
			if utf8.ValidString(e.IIF) && r.IIF != e.IIF {
				t.Fatalf("entry %d: iif %q, want %q", i, r.IIF, e.IIF)
			}
			if r.Idle != nil {
				if d := *r.Idle - e.Counters.Idle.Seconds(); d > 1e-3+1e-6 || d < -1e-3-1e-6 {
					t.Fatalf("entry %d: idle %v, want %v", i, *r.Idle, e.Counters.Idle)
				}
			}
		}
	})
}

func manyRoutes(n int) *mroute.Snapshot {
	snap := &mroute.Snapshot{Links: []mroute.LinkView{link(2, "eth0", 0, 0), link(3, "eth1", 1, 1)}}
	oifs := []string{"eth1", "eth2", "eth3"}
	for i := range n {
		e := mroute.EntryView{
			SG:  mroute.SG{Source: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), Group: netip.AddrFrom4([4]byte{225, byte(i >> 16), byte(i >> 8), byte(i)})},
			IIF: "eth0", OIFs: oifs, Age: 12345 * time.Millisecond, Counters: mroute.Counters{Packets: uint64(i), Bytes: uint64(i) * 1400},
		}
		snap.Entries = append(snap.Entries, e)
	}
	return snap
}

func BenchmarkRoutes(b *testing.B) {
	snap := manyRoutes(100_000)
	for _, detail := range []bool{false, true} {
		b.Run(fmt.Sprintf("text/detail=%v", detail), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Text(snap, Routes, detail)
			}
		})
	}
	b.Run("json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			JSON(snap, Routes)
		}
	})
}

// TestAllocationsDoNotGrowWithRows: a listing allocates its text and little else.
func TestAllocationsDoNotGrowWithRows(t *testing.T) {
	snap := manyRoutes(10_000)
	for name, list := range map[string]func(){
		"text": func() { Text(snap, Routes, true) },
		"json": func() { JSON(snap, Routes) },
	} {
		if n := testing.AllocsPerRun(3, list); n > 50 { // memory that doubles
			t.Errorf("%s: %v allocations for 10,000 rows, want a handful", name, n)
		}
	}
}
