package view

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What is written by hand is what the library writes.
func TestAppendJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyState(t)
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	})
}

func anyState(t *rapid.T) *State {
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "eth0", `"rules":null,"flows":null`, `<b>&"\`, "\x1b\xff\u2028"}), rapid.String())
	texts := rapid.SliceOfN(text, 0, 3)
	flag := rapid.Bool()
	num := rapid.Uint64Max(1 << 53)
	prefix := rapid.Custom(func(t *rapid.T) Net {
		if flag.Draw(t, "zero") {
			return Net{}
		}
		a := netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "v4")))
		if flag.Draw(t, "v6") {
			a = netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "v6")))
		}
		return Net{netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "length"))}
	})
	origin := rapid.Custom(func(t *rapid.T) Origin {
		return Origin{Ref: text.Draw(t, "ref"), Line: rapid.IntRange(0, 9).Draw(t, "line"), Generation: rapid.Int64Range(0, 2).Draw(t, "generation")}
	})
	seconds := rapid.Custom(func(t *rapid.T) Seconds {
		return Seconds(rapid.Int64Range(-1, int64(1000*time.Hour)).Draw(t, "time"))
	})
	traffic := rapid.Custom(func(t *rapid.T) Traffic {
		return Traffic{Packets: num.Draw(t, "packets"), Bytes: num.Draw(t, "bytes"), WrongIf: num.Draw(t, "wrong"), Age: seconds.Draw(t, "age"), Idle: seconds.Draw(t, "idle")}
	})
	s := &State{Version: text.Draw(t, "version"), NetNS: text.Draw(t, "netns")}
	for range rapid.IntRange(0, 3).Draw(t, "rules") {
		s.Rules = append(s.Rules, Rule{
			Source: prefix.Draw(t, "source"), Group: prefix.Draw(t, "group"), Except: rapid.SliceOfN(prefix, 0, 2).Draw(t, "except"),
			IIF: text.Draw(t, "iif"), OIFs: texts.Draw(t, "oifs"), Origin: origin.Draw(t, "origin"), Traffic: traffic.Draw(t, "traffic"),
		})
	}
	for range rapid.IntRange(0, 3).Draw(t, "flows") {
		s.Flows = append(s.Flows, Flow{
			Source: prefix.Draw(t, "source"), Group: prefix.Draw(t, "group"), Kind: Kind(text.Draw(t, "kind")), IIF: text.Draw(t, "iif"),
			OIFs: texts.Draw(t, "oifs"), Adopted: flag.Draw(t, "adopted"), Refused: flag.Draw(t, "refused"),
			Table: rapid.Uint32Max(2).Draw(t, "table"), Origins: rapid.SliceOfN(origin, 0, 2).Draw(t, "origins"), Traffic: traffic.Draw(t, "traffic"),
		})
	}
	return s
}
