package mrdisc

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBytesOnTheWire(t *testing.T) {
	for _, tt := range []struct {
		name   string
		family mroute.Family
		msg    Message
		want   string
	}{
		// The first row is what SMCRoute sends.
		{"IPv4 advertisement", mroute.IPv4, Message{Type: Advertisement, Interval: 20}, "30 14 cf eb 00 00 00 00"},
		{"IPv4 advertisement of a querier", mroute.IPv4, Message{Type: Advertisement, Interval: 180, QueryInterval: 125, Robustness: 2}, "30 b4 ce cc 00 7d 00 02"},
		{"IPv4 solicitation", mroute.IPv4, Message{Type: Solicitation}, "31 00 ce ff"},
		{"IPv4 termination", mroute.IPv4, Message{Type: Termination}, "32 00 cd ff"},
		{"IPv6 advertisement", mroute.IPv6, Message{Type: Advertisement, Interval: 20}, "97 14 00 00 00 00 00 00"},
		{"IPv6 solicitation", mroute.IPv6, Message{Type: Solicitation}, "98 00 00 00"},
		{"IPv6 termination", mroute.IPv6, Message{Type: Termination}, "99 00 00 00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := unhex(t, tt.want)
			got := Append([]byte("before"), tt.family, tt.msg)
			if !bytes.Equal(got, append([]byte("before"), want...)) {
				t.Errorf("Append: % x, want % x", got[len("before"):], want)
			}
			back, err := Parse(tt.family, want)
			if err != nil || back != tt.msg {
				t.Errorf("Parse: %+v, %v; want %+v", back, err, tt.msg)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		family mroute.Family
		bytes  string
		want   error
	}{
		{"nothing", mroute.IPv4, "", ErrShort},
		{"half a termination", mroute.IPv6, "99 00 00", ErrShort},
		{"half an advertisement", mroute.IPv4, "30 14 cf eb", ErrShort},
		{"an IGMP query", mroute.IPv4, "11 00 ee ff 00 00 00 00", ErrType},
		{"a type too high", mroute.IPv4, "33 00 cc ff", ErrType},
		{"the other family's type", mroute.IPv6, "30 14 cf eb 00 00 00 00", ErrType},
		{"a flipped bit", mroute.IPv4, "30 15 cf eb 00 00 00 00", ErrChecksum},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Parse(tt.family, unhex(t, tt.bytes))
			if !errors.Is(err, tt.want) {
				t.Errorf("got %+v, %v; want %v", m, err, tt.want)
			}
		})
	}
}

// SMCRoute's Termination has 8 bytes where RFC 4286 has 4.
func TestParseAcceptsLongTermination(t *testing.T) {
	m, err := Parse(mroute.IPv4, unhex(t, "32 00 cd ff 00 00 00 00"))
	if err != nil || m.Type != Termination {
		t.Errorf("got %+v, %v", m, err)
	}
}

// By hand: fe80 + 1 (source) + ff02 + 6a (destination) + 4 (length) + 3a (next
// header) + 9900 (message) = 2972b, folded 972d, inverted 68d2.
func TestChecksumCoversIPv6Addresses(t *testing.T) {
	src, dst := netip.MustParseAddr("fe80::1"), netip.MustParseAddr("ff02::6a")
	b := Append(nil, mroute.IPv6, Message{Type: Termination})
	if got, want := Checksum(b, src, dst), uint16(0x68d2); got != want {
		t.Fatalf("got %#04x, want %#04x", got, want)
	}
	b[2], b[3] = 0x68, 0xd2
	if got := Checksum(b, src, dst); got != 0 {
		t.Errorf("over a valid message: %#04x, want 0", got)
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.SampledFrom(mroute.Families[:]).Draw(t, "family")
		m := Message{Type: Type(rapid.IntRange(0, 2).Draw(t, "type"))}
		if m.Type == Advertisement {
			m.Interval = rapid.Uint8().Draw(t, "interval")
			m.QueryInterval = rapid.Uint16().Draw(t, "query interval")
			m.Robustness = rapid.Uint16().Draw(t, "robustness")
		}
		got, err := Parse(f, Append(nil, f, m))
		if err != nil || got != m {
			t.Fatalf("got %+v, %v; want %+v", got, err, m)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "30 14 cf eb 00 00 00 00", "32 00 cd ff", "97 14 00 00 00 00 00 00", "99 00 00 00 01"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, family := range mroute.Families {
			m, err := Parse(family, b)
			if err != nil {
				continue
			}
			again, err := Parse(family, Append(nil, family, m))
			if err != nil || again != m {
				t.Errorf("%v: % x gave %+v, which comes back as %+v, %v", family, b, m, again, err)
			}
		}
	})
}
