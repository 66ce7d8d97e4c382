package capture

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

func TestOptionsThatCannotBe(t *testing.T) {
	prefix := func(s string) netip.Prefix {
		if s == "" {
			return netip.Prefix{}
		}
		return netip.MustParsePrefix(s)
	}
	for _, tt := range []struct {
		group, source string
		snap          int
		want          string
	}{
		{"192.0.2.0/24", "", 0, "expected a multicast group"},
		{"0.0.0.0/0", "", 0, "expected a multicast group"},
		{"2001:db8::/32", "", 0, "expected a multicast group"},
		{"239.1.1.1/32", "2001:db8::1/128", 0, "one family"},
		{"ff15::1/128", "192.0.2.1/32", 0, "one family"},
		{"::ffff:239.1.1.1/128", "", 0, "IPv4 in IPv6"},
		{"239.1.1.1/32", "", -1, "expected up to 65535"},
		{"239.1.1.1/32", "", 65536, "expected up to 65535"},
	} {
		_, err := Open(Options{Group: prefix(tt.group), Source: prefix(tt.source), Snap: tt.snap})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("group %q, source %q, %d bytes: got error %v, want %q in it", tt.group, tt.source, tt.snap, err, tt.want)
		}
	}
}

// A survey has a row for each source, link and direction; ranges of addresses choose.
func TestSurvey(t *testing.T) {
	for _, sg := range flows {
		t.Run(sg.Family().String(), func(t *testing.T) {
			l := newLab(t)
			l.route(sg, "in", "out")
			length := sg.Group.BitLen() - 9
			c, err := Open(Options{NetNS: l.node.Path(), Group: netip.PrefixFrom(sg.Group, length), Wide: true})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			other := mroute.SG{Source: sg.Source.Next(), Group: sg.Group.Next()}
			l.send(sg, 7, 2)
			l.send(sg, 5, 1)
			l.send(other, 1, 4)
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			go func() {
				netlab.Poll(deadline, func() bool {
					s, err := c.Stats()
					return err != nil || s.Packets == 10
				})
				cancel()
			}()
			s, err := c.Survey(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if s.Beyond != 0 || s.Stats != (Stats{Packets: 10}) {
				t.Errorf("got %+v and %d packets beyond, want 10 packets, none beyond", s.Stats, s.Beyond)
			}
			size := 28 + 16 // headers and the number
			if sg.Source.Is6() {
				size += 20
			}
			row := func(link string, d Direction, sg mroute.SG, n int, low, high uint8) Seen {
				return Seen{
					Link: l.node.Index(link), Direction: d, Source: sg.Source, Group: sg.Group,
					Packets: uint64(n), Bytes: uint64(n * size), MinTTL: low, MaxTTL: high, Largest: size,
				}
			}
			want := []Seen{row("in", In, sg, 3, 5, 7), row("in", In, other, 4, 1, 1), row("out", Out, sg, 3, 4, 6)}
			if len(s.Seen) != len(want) {
				t.Fatalf("got %d rows, want %d: %+v", len(s.Seen), len(want), s.Seen)
			}
			for i, got := range s.Seen {
				if got.First.After(got.Last) || time.Since(got.First) > time.Hour {
					t.Errorf("row %d: packets from %v to %v", i, got.First, got.Last)
				}
				got.First, got.Last = time.Time{}, time.Time{}
				if got != want[i] {
					t.Errorf("row %d: got %+v, want %+v", i, got, want[i])
				}
			}
		})
	}
}

// What the ring has no room for is counted.
func TestDropped(t *testing.T) {
	l := newLab(t)
	sg := flows[0]
	c, err := Open(Options{NetNS: l.node.Path(), Group: single(sg.Group), Buffer: 1, Snap: 65535})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const sent = 1000
	l.sender.SendBurst("eth0", netlab.Packet{Src: sg.Source, Group: sg.Group, Payload: make([]byte, 1400)}, 0, sent)
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	var s Stats
	netlab.Await(t, deadline, func() bool { s, err = c.Stats(); return err != nil || s.Packets == sent }, "all packets to be counted")
	got := uint64(0)
	if err := c.Run(ctx, func(*Packet) {
		if got++; got == sent-s.Dropped {
			cancel()
		}
	}); err != nil {
		t.Fatal(err)
	}
	if s.Dropped == 0 || got != sent-s.Dropped {
		t.Errorf("of %d packets %d were dropped and %d captured", sent, s.Dropped, got)
	}
}

// An end that comes before anything is none too early.
func TestEndAtOnce(t *testing.T) {
	l := newLab(t)
	c, err := Open(Options{NetNS: l.node.Path()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 {
		if err := c.Run(ctx, func(*Packet) {}); err != nil {
			t.Error(err)
		}
	}
}
