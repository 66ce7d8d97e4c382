package conf_test

import (
	"net/netip"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/conf"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// TestFormatParse: what Format writes of a layer, Parse reads back as the very
// same layer, without an error.
func TestFormatParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawLayer(t)
		text := conf.Format(want)
		got, diagnostics := parse(text)
		for _, d := range diagnostics {
			if d.Severity == conf.Error {
				t.Errorf("%v", d)
			}
		}
		if !reflect.DeepEqual(normal(got), normal(want)) {
			t.Fatalf("%s\ngot  %+v\nwant %+v", text, got, want)
		}
	})
}

// normal makes empty slices nil.
func normal(l mroute.Layer) mroute.Layer {
	if len(l.Phyints) == 0 {
		l.Phyints = nil
	}
	if len(l.Routes) == 0 {
		l.Routes = nil
	}
	if len(l.Joins) == 0 {
		l.Joins = nil
	}
	return l
}

// drawLayer makes a layer such as a file can hold, with origins as if it came
// from the file that Format writes.
func drawLayer(t *rapid.T) mroute.Layer {
	l := mroute.Layer{Name: conf.LayerName, FirstMatch: true}
	joined := map[mroute.Join]bool{}
	for seq := 1; seq <= rapid.IntRange(0, 12).Draw(t, "lines"); {
		origin := mroute.Origin{Ref: "test.conf", Line: seq, Seq: seq}
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 0:
			l.Phyints = append(l.Phyints, mroute.Phyint{
				If:        drawName(t),
				State:     rapid.SampledFrom([]mroute.PhyintState{mroute.PhyintEnabled, mroute.PhyintDisabled}).Draw(t, "state"),
				MRDisc:    rapid.Bool().Draw(t, "mrdisc"),
				Threshold: mroute.Threshold(rapid.Uint8().Draw(t, "threshold")),
				Origin:    origin,
			})
		case 1:
			l.Routes = append(l.Routes, drawRoute(t, origin))
		case 2:
			join := mroute.Join{If: drawName(t), Match: drawMatch(t, 8)}
			key := join
			key.Match.Group = key.Match.Group.Masked()
			if key.Match.Source.IsValid() {
				key.Match.Source = key.Match.Source.Masked()
			}
			if joined[key] {
				continue
			}
			joined[key] = true
			join.Origin = origin
			l.Joins = append(l.Joins, join)
		}
		seq++
	}
	return l
}

func drawRoute(t *rapid.T, origin mroute.Origin) mroute.Route {
	r := mroute.Route{From: drawName(t), Match: drawMatch(t, 128), Origin: origin}
	if rapid.IntRange(0, 5).Draw(t, "all groups") == 0 {
		r.Match = mroute.Match{Group: netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
		r.Scopes = mroute.ScopeMask{Set: true, Bits: rapid.Uint16().Draw(t, "mask")}
	}
	if !r.Match.IsExact() {
		for range rapid.IntRange(0, 3).Draw(t, "excepts") {
			r.Except = append(r.Except, drawSource(t, r.Match.Family(), 128))
		}
	}
	if !r.Match.IsExact() && rapid.Bool().Draw(t, "flows") {
		r.MaxFlows = rapid.IntRange(1, 1_000_000).Draw(t, "at most")
	}
	if !r.Match.Source.IsValid() && r.Match.Group.IsSingleIP() && len(r.Except) == 0 && rapid.Bool().Draw(t, "native") {
		r.AnySource = mroute.NativeSources
	}
	seen := map[mroute.IfPattern]bool{}
	for range rapid.IntRange(0, 40).Draw(t, "outputs") {
		if name := drawName(t); !seen[name] {
			seen[name] = true
			r.To = append(r.To, mroute.Output{If: name})
		}
	}
	return r
}

func drawName(t *rapid.T) mroute.IfPattern {
	return mroute.IfPattern(rapid.StringMatching(`[a-z#][a-z0-9.:_-]{0,6}\+?|\+|to|from|225\.1\.1\.1|12`).Draw(t, "name"))
}

// drawMatch makes a match whose prefixes are at most open bits shorter than the
// full length, each.
func drawMatch(t *rapid.T, open int) mroute.Match {
	f := rapid.SampledFrom(mroute.Families[:]).Draw(t, "family")
	group := drawAddr(t, f)
	if f == mroute.IPv4 {
		b := group.As4()
		b[0] = 224 | b[0]&0xf
		group = netip.AddrFrom4(b)
	} else {
		b := group.As16()
		b[0] = 0xff
		group = netip.AddrFrom16(b)
	}
	m := mroute.Match{Group: netip.PrefixFrom(group, drawLength(t, f, open))}
	if rapid.Bool().Draw(t, "has source") {
		m.Source = drawSource(t, f, open)
	}
	return m
}

// drawSource makes a prefix of length 1 or more that is not of 0.0.0.0 or ::.
func drawSource(t *rapid.T, f mroute.Family, open int) netip.Prefix {
	a := drawAddr(t, f)
	if a.IsUnspecified() {
		a = a.Next()
	}
	return netip.PrefixFrom(a, drawLength(t, f, open))
}

func drawLength(t *rapid.T, f mroute.Family, open int) int {
	return rapid.OneOf(rapid.Just(f.Bits()), rapid.IntRange(max(1, f.Bits()-open), f.Bits())).Draw(t, "length")
}

// drawAddr prefers small numbers, so that addresses meet.
func drawAddr(t *rapid.T, f mroute.Family) netip.Addr {
	b := make([]byte, f.Bits()/8)
	for i := range b {
		b[i] = byte(rapid.Uint8Range(0, 255).Draw(t, "byte"))
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
