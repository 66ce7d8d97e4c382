package view

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// What is written by hand, some rules and flows at a time, is what the library writes of
// the whole.
func TestWriter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		snap := anySnapshot(t)
		head := Head{Version: anyText.Draw(t, "version"), NetNS: anyText.Draw(t, "netns"), Table: rapid.Uint32Max(3).Draw(t, "table")}
		s := From(snap)
		s.Version, s.Table, s.NetNS = head.Version, head.Table, head.NetNS
		s.Links[0].Pods = []string{"default/a"}
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		w := NewWriter(&got, head)
		for some := range slices.Chunk(snap.Rules, rapid.IntRange(1, 3).Draw(t, "rules at a time")) {
			w.Rules(some)
		}
		for some := range slices.Chunk(snap.Entries, rapid.IntRange(1, 3).Draw(t, "flows at a time")) {
			w.Entries(some)
		}
		if err := w.End(snap, func(s *State) { s.Links[0].Pods = []string{"default/a"} }); err != nil {
			t.Fatal(err)
		}
		if got.String() != string(want)+"\n" {
			t.Fatalf("got  %s\nwant %s", got.String(), want)
		}
	})
}

var anyText = rapid.OneOf(rapid.SampledFrom([]string{"", "eth0", `"rules":null,"flows":null`, `<b>&"\`, "\x1b\xff\u2028"}), rapid.String())

func anySnapshot(t *rapid.T) *mroute.Snapshot {
	texts := rapid.SliceOfN(anyText, 0, 3)
	flag := rapid.Bool()
	addr := rapid.Custom(func(t *rapid.T) netip.Addr {
		if flag.Draw(t, "v6") {
			return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "v6")))
		}
		return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "v4")))
	})
	prefix := rapid.Custom(func(t *rapid.T) netip.Prefix {
		a := addr.Draw(t, "address")
		return netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "length"))
	})
	source := rapid.Custom(func(t *rapid.T) (a netip.Addr) {
		if flag.Draw(t, "a source") {
			a = addr.Draw(t, "source")
		}
		return a
	})
	origin := rapid.Custom(func(t *rapid.T) mroute.Origin {
		return mroute.Origin{Ref: anyText.Draw(t, "ref"), Line: rapid.IntRange(0, 9).Draw(t, "line"), Generation: rapid.Int64Range(0, 2).Draw(t, "generation")}
	})
	age := rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.Int64Range(-1, int64(1000*time.Hour)).Draw(t, "time"))
	})
	counters := rapid.Custom(func(t *rapid.T) mroute.Counters {
		n := rapid.Uint64Max(1 << 53)
		return mroute.Counters{Packets: n.Draw(t, "packets"), Bytes: n.Draw(t, "bytes"), WrongIf: n.Draw(t, "wrong"), Idle: age.Draw(t, "idle")}
	})
	snap := &mroute.Snapshot{
		Time: time.Unix(1_700_000_000, 5).UTC(), Links: []mroute.LinkView{{Link: mroute.Link{Name: "eth0"}, VIF: mroute.NoVIF}},
		Tables: []uint32{7}, Sizes: mroute.Sizes{Rules: 8, Entries: 9},
	}
	for range rapid.IntRange(0, 4).Draw(t, "rules") {
		m := mroute.Match{Group: prefix.Draw(t, "group")}
		if flag.Draw(t, "a source") {
			m.Source = prefix.Draw(t, "source")
		}
		snap.Rules = append(snap.Rules, mroute.RuleView{
			Match: m, Except: rapid.SliceOfN(prefix, 0, 2).Draw(t, "except"), IIF: anyText.Draw(t, "iif"), OIFs: texts.Draw(t, "oifs"),
			Origin: origin.Draw(t, "origin"), Counters: counters.Draw(t, "counters"), Age: age.Draw(t, "age"),
		})
	}
	entry := rapid.Custom(func(t *rapid.T) mroute.EntryView {
		return mroute.EntryView{
			SG: mroute.SG{Source: source.Draw(t, "source"), Group: addr.Draw(t, "group")}, Kind: mroute.EntryKind(rapid.IntRange(0, 2).Draw(t, "kind")),
			IIF: anyText.Draw(t, "iif"), OIFs: texts.Draw(t, "oifs"), Adopted: flag.Draw(t, "adopted"), Refused: flag.Draw(t, "refused"),
			Table: rapid.Uint32Max(2).Draw(t, "table"), Origins: rapid.SliceOfN(origin, 0, 2).Draw(t, "origins"),
			Counters: counters.Draw(t, "counters"), Age: age.Draw(t, "age"),
		}
	})
	snap.Entries, snap.Foreign = rapid.SliceOfN(entry, 0, 4).Draw(t, "entries"), rapid.SliceOfN(entry, 0, 1).Draw(t, "foreign")
	return snap
}

// full has room for so many bytes.
type full int

var errFull = errors.New("no room")

func (f *full) Write(p []byte) (int, error) {
	if *f -= full(len(p)); *f < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// Text is written as it comes, and nothing after an error.
func TestWriterFlushes(t *testing.T) {
	rules := []mroute.RuleView{{Match: mroute.Match{Group: netip.MustParsePrefix("232.1.1.1/32")}, IIF: "eth0"}}
	for _, room := range []full{100 << 10, 1 << 30} {
		left := room
		w := NewWriter(&left, Head{})
		for range 1000 {
			w.Rules(rules)
		}
		if left == room && w.Err() == nil {
			t.Error("nothing was written of 1,000 rules")
		}
		for range 1000 {
			w.Rules(rules)
		}
		if err := w.End(&mroute.Snapshot{}, nil); errors.Is(err, errFull) != (room < 1<<20) || err != w.Err() {
			t.Errorf("with room for %d bytes: %v", room, err)
		}
	}
}

func TestParseAbout(t *testing.T) {
	for _, c := range []struct{ words, want, again string }{
		{"", "", ""}, {"232.1.1.1", "", "* 232.1.1.1"}, {"* 232.0.0.0/8", "", "* 232.0.0.0/8"}, {"10.0.0.1 232.1.1.1", "", "10.0.0.1 232.1.1.1"},
		{"::/0", "", "* ::/0"}, {"0.0.0.0/0", "", "* 0.0.0.0/0"},
		{"10.0.0.1", "10.0.0.1 is no multicast group, 224.0.0.0/4 or ff00::/8", ""},
		{"10.0.0.1 ff15::1", "source 10.0.0.1 and group ff15::1 are of different families", ""},
		{"x", `"x" is neither an address nor a prefix`, ""}, {"1 2 3", "found 3 arguments, expected a group, or a source and a group", ""},
	} {
		a, err := ParseAbout(strings.Fields(c.words))
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text != c.want {
			t.Errorf("%q: %q, want %q", c.words, text, c.want)
		}
		if again := strings.Join(a.Words(), " "); err == nil && again != c.again {
			t.Errorf("%q: as words it is %q, want %q", c.words, again, c.again)
		}
		if b, err := ParseAbout(a.Words()); c.want == "" && (err != nil || b != a) {
			t.Errorf("%q: its words are read as %v, %v", c.words, b, err)
		}
	}
}
