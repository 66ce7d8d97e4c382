package netlab

import (
	"encoding/hex"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// groupSourceReq is struct group_source_req of linux/in.h for IPv4, as the
// kernel lays it out on 64-bit machines.
func groupSourceReq(index int, group, source netip.Addr) string {
	b := make([]byte, 8+128+128)
	b[0], b[1] = byte(index), byte(index>>8)
	b[8], b[8+128] = unix.AF_INET, unix.AF_INET
	copy(b[8+4:], group.AsSlice())
	copy(b[8+128+4:], source.AsSlice())
	return string(b)
}

func TestFrame(t *testing.T) {
	mac := [6]byte{2, 0, 0, 0, 0, 1}
	for _, c := range []struct {
		name string
		p    Packet
		want string
	}{
		{
			"IPv4: the group's top bits are not in the MAC address",
			Packet{Src: netip.MustParseAddr("192.0.2.1"), Group: netip.MustParseAddr("239.129.2.3"), TTL: 5, Payload: []byte("x")},
			"01005e010203" + "020000000001" + "0800" +
				"4500001d000000000511024bc0000201ef810203" + "138913890009ad43" + "78",
		},
	} {
		f, err := c.p.frame(mac)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := hex.EncodeToString(f); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
	for _, p := range []Packet{
		{},
		{Src: netip.MustParseAddr("192.0.2.1"), Group: netip.MustParseAddr("192.0.2.2")},
		{Src: netip.MustParseAddr("192.0.2.1"), Group: netip.MustParseAddr("ff15::1")},
		{Src: netip.MustParseAddr("::ffff:192.0.2.1"), Group: netip.MustParseAddr("::ffff:225.1.2.3")},
		{Src: netip.MustParseAddr("192.0.2.1"), Group: netip.MustParseAddr("225.1.2.3"), Payload: make([]byte, 65508)},
	} {
		if _, err := p.frame(mac); err == nil {
			t.Errorf("%v to %v with %d bytes: no error", p.Src, p.Group, len(p.Payload))
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, sg := range [][2]string{{"192.0.2.1", "225.1.2.3"}, {"2001:db8::1", "ff15::1"}} {
		frame, err := Packet{Src: netip.MustParseAddr(sg[0]), Group: netip.MustParseAddr(sg[1]), TTL: 3, Payload: sequencePayload(77)}.frame([6]byte{})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		r, ok := decode(frame)
		if ok && (!r.sg.Group.IsMulticast() || r.sg.Source.BitLen() != r.sg.Group.BitLen() || r.payload > len(frame)) {
			t.Errorf("decoded %+v", r)
		}
	})
}

func TestDecodeWhatFrameMakes(t *testing.T) {
	for _, sg := range [][2]string{{"192.0.2.1", "225.1.2.3"}, {"2001:db8::1", "ff15::1"}} {
		p := Packet{Src: netip.MustParseAddr(sg[0]), Group: netip.MustParseAddr(sg[1]), TTL: 3, Payload: sequencePayload(77)}
		frame, err := p.frame([6]byte{})
		if err != nil {
			t.Fatal(err)
		}
		r, ok := decode(frame)
		if !ok || r.sg.Source != p.Src || r.sg.Group != p.Group || r.ttl != 3 || r.payload != 16 || r.seq != 77 || !r.numbered {
			t.Errorf("got %+v, %v", r, ok)
		}
	}
}
