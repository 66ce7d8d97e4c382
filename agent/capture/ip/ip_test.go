package ip

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// bytesOf reads hexadecimal digits, with white space anywhere.
func bytesOf(t testing.TB, digits string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	v4     = "45000020 12340000 4011 0000 c0000201 ef010101 " // 32 bytes
	udp    = "138c138d 000c 0000 61626364 "                   // ports 5004 and 5005, 4 bytes
	v6     = "60000000 %s %s 40 20010db8000000000000000000000001 ff150000000000000000000000000001 "
	v6hop  = "3c00 050200000100 "                    // router alert, then destination options
	v6dst  = "2c01 0104 00000000 0106 000000000000 " // 16 bytes, then a fragment header
	v6frag = "1100 0001 00abcdef "                   // the first one, more follow
)

var (
	source4, group4 = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("239.1.1.1")
	source6, group6 = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("ff15::1")
)

func sixOf(length, next string) string {
	return strings.Replace(strings.Replace(v6, "%s", length, 1), "%s", next, 1)
}

func TestDecode(t *testing.T) {
	for _, tt := range []struct {
		name, packet string
		want         Packet
		err          error
	}{
		{"UDP over IPv4", v4 + udp,
			Packet{Source: source4, Group: group4, TTL: 64, Protocol: UDP, Length: 32, ID: 0x1234, PortFrom: 5004, PortTo: 5005, Payload: []byte("abcd"), Size: 4}, nil},
		{"padding of Ethernet", v4 + udp + "0000000000000000",
			Packet{Source: source4, Group: group4, TTL: 64, Protocol: UDP, Length: 32, ID: 0x1234, PortFrom: 5004, PortTo: 5005, Payload: []byte("abcd"), Size: 4}, nil},
		{"cut off by the capture", strings.Replace(v4, "0020", "0420", 1) + strings.Replace(udp, "000c", "040c", 1),
			Packet{Source: source4, Group: group4, TTL: 64, Protocol: UDP, Length: 0x420, ID: 0x1234, PortFrom: 5004, PortTo: 5005, Payload: []byte("abcd"), Size: 0x404}, nil},
		{"options of IPv4", "46000024 12340000 4011 0000 c0000201 ef010101 94040000" + udp,
			Packet{Source: source4, Group: group4, TTL: 64, Protocol: UDP, Length: 36, ID: 0x1234, PortFrom: 5004, PortTo: 5005, Payload: []byte("abcd"), Size: 4}, nil},
		{"first fragment", strings.Replace(v4, "12340000", "12342000", 1) + strings.Replace(udp, "000c", "07d0", 1),
			Packet{Source: source4, Group: group4, TTL: 64, Protocol: UDP, Length: 32, ID: 0x1234, More: true, PortFrom: 5004, PortTo: 5005, Payload: []byte("abcd"), Size: 1992}, nil},
		{"last fragment", strings.Replace(v4, "12340000", "123400b9", 1) + udp,
			Packet{Source: source4, Group: group4, TTL: 64, Protocol: UDP, Length: 32, ID: 0x1234, Offset: 1480, Payload: bytesOf(t, udp), Size: 12}, nil},
		{"not UDP", strings.Replace(v4, "4011", "4002", 1) + udp,
			Packet{Source: source4, Group: group4, TTL: 64, Protocol: 2, Length: 32, ID: 0x1234, Payload: bytesOf(t, udp), Size: 12}, nil},
		{"UDP over IPv6", sixOf("000c", "11") + udp,
			Packet{Source: source6, Group: group6, TTL: 64, Protocol: UDP, Length: 52, PortFrom: 5004, PortTo: 5005, Payload: []byte("abcd"), Size: 4}, nil},
		{"extension headers", sixOf("002c", "00") + v6hop + v6dst + v6frag + udp,
			Packet{Source: source6, Group: group6, TTL: 64, Protocol: UDP, Length: 84, ID: 0xabcdef, More: true, PortFrom: 5004, PortTo: 5005, Payload: []byte("abcd"), Size: 4}, nil},
		{"last fragment of IPv6", sixOf("0014", "2c") + "1100 05a8 00abcdef" + udp,
			Packet{Source: source6, Group: group6, TTL: 64, Protocol: UDP, Length: 60, ID: 0xabcdef, Offset: 1448, Payload: bytesOf(t, udp), Size: 12}, nil},
		{"authentication header", sixOf("0024", "33") + "1104 0000 00000001 00000001 000000000000000000000000" + udp,
			Packet{Source: source6, Group: group6, TTL: 64, Protocol: UDP, Length: 76, PortFrom: 5004, PortTo: 5005, Payload: []byte("abcd"), Size: 4}, nil},

		{"nothing", "", Packet{}, ErrShort},
		{"ARP", "0001080006040001", Packet{}, ErrVersion},
		{"header of IPv4 cut off", v4[:30], Packet{}, ErrShort},
		{"header of 16 bytes", "44" + v4[2:] + udp, Packet{}, ErrHeader},
		{"options cut off", "4f0000ff" + v4[8:], Packet{}, ErrShort},
		{"shorter than its header", strings.Replace(v4, "0020", "0013", 1) + udp, Packet{}, ErrHeader},
		{"header of IPv6 cut off", sixOf("000c", "11")[:40], Packet{}, ErrShort},
		{"extension header beyond the packet", sixOf("0008", "3c") + "11ff 000000000000", Packet{}, ErrHeader},
		{"extension header cut off", sixOf("1000", "3c") + "11ff 000000000000", Packet{}, ErrShort},
		{"half an extension header", sixOf("0004", "3c") + "11000000", Packet{}, ErrShort},
		{"no room for UDP", strings.Replace(v4, "0020", "0018", 1) + udp[:8], Packet{}, ErrHeader},
		{"UDP cut off", v4 + udp[:8], Packet{}, ErrShort},
		{"UDP shorter than its header", v4 + strings.Replace(udp, "000c", "0007", 1), Packet{}, ErrHeader},
		{"UDP longer than the packet", v4 + strings.Replace(udp, "000c", "000d", 1), Packet{}, ErrHeader},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Decode(bytesOf(t, tt.packet))
			if !errors.Is(err, tt.err) {
				t.Fatalf("got error %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// FuzzDecode: whatever comes is read within its bounds, and what is told is possible.
func FuzzDecode(f *testing.F) {
	for _, packet := range []string{v4 + udp, sixOf("000c", "11") + udp, sixOf("002c", "00") + v6hop + v6dst + v6frag + udp, sixOf("0014", "2c") + "1100 05a8 00abcdef" + udp} {
		f.Add(bytesOf(f, packet))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Decode(b)
		if err != nil {
			if diff := cmp.Diff(Packet{}, p, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("a packet that is refused tells something: %s", diff)
			}
			return
		}
		switch {
		case p.Size < 0, p.Size > 0xffff, p.Offset < 0, p.Offset > 0xffff, p.Offset%8 != 0:
			t.Errorf("size %d and offset %d: expected 0 to 65535, offset a multiple of 8", p.Size, p.Offset)
		case len(p.Payload) > p.Size, len(p.Payload) > len(b):
			t.Errorf("%d bytes of payload, of %d of %d captured", len(p.Payload), p.Size, len(b))
		case p.Source.Is4() != p.Group.Is4(), !p.Source.IsValid():
			t.Errorf("from %v to %v", p.Source, p.Group)
		case p.Protocol != UDP && p.PortFrom|p.PortTo != 0, p.Offset > 0 && p.PortFrom|p.PortTo != 0:
			t.Errorf("ports %d and %d, without a header of UDP", p.PortFrom, p.PortTo)
		}
	})
}
