package trace

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// from returns numbers from first to last, around the end of 16 bits.
func from(first, last int) (seqs []uint16) {
	for n := first; n <= last; n++ {
		seqs = append(seqs, uint16(n))
	}
	return seqs
}

func TestSequence(t *testing.T) {
	join := func(parts ...[]uint16) []uint16 { return slices.Concat(parts...) }
	for _, tt := range []struct {
		name string
		seqs []uint16
		want Sequence
	}{
		{"in order", from(0, 999), Sequence{Packets: 1000}},
		{"around the end", from(65000, 66000), Sequence{Packets: 1001}},
		{"three missing", join(from(0, 99), from(102, 199), from(201, 999)),
			Sequence{Packets: 997, Missing: 3, Which: []Range{{100, 101}, {200, 200}}}},
		{"missing at the end of 16 bits", join(from(65000, 65534), from(65537, 66000)),
			Sequence{Packets: 999, Missing: 2, Which: []Range{{65535, 0}}}},
		{"missing at the very end", join(from(0, 99), from(101, 102)), Sequence{Packets: 102, Missing: 1, Which: []Range{{100, 100}}}},
		{"more missing than the window", join(from(0, 99), from(600, 999)),
			Sequence{Packets: 500, Missing: 500, Which: []Range{{100, 599}}}},
		{"two gaps, then more than the window", join(from(0, 9), from(11, 19), from(600, 999)),
			Sequence{Packets: 419, Missing: 581, Which: []Range{{10, 10}, {20, 599}}}},
		{"late, but there", join(from(0, 49), from(51, 140), from(50, 50), from(141, 200)), Sequence{Packets: 201, Reordered: 1}},
		{"twice", join(from(0, 50), from(50, 50), from(20, 20), from(51, 99)), Sequence{Packets: 102, Duplicates: 2}},
		{"from before the beginning", join(from(100, 110), from(99, 99), from(111, 120)), Sequence{Packets: 22, Reordered: 1}},
		{"the sender begins anew", join(from(100, 199), from(20000, 20099)), Sequence{Packets: 200, Leaps: 1}},
		{"a forged number", join(from(100, 199), from(40000, 40000), from(200, 299)), Sequence{Packets: 201}},
		{"chance", []uint16{9, 500, 22, 7000, 60000}, Sequence{Packets: 5}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := sequence{dropout: maxDropout}
			for _, n := range tt.seqs {
				s.rtp(n)
			}
			got := s.view(0xffff)
			if !slices.Equal(got.Which, tt.want.Which) {
				t.Errorf("missing are %v, want %v", got.Which, tt.want.Which)
			}
			got.Which, tt.want.Which = nil, nil
			if got.Packets != tt.want.Packets || got.Missing != tt.want.Missing || got.Reordered != tt.want.Reordered ||
				got.Duplicates != tt.want.Duplicates || got.Leaps != tt.want.Leaps {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if valid := tt.name != "chance"; s.valid() != valid {
				t.Errorf("it is RTP: %v, want %v", s.valid(), valid)
			}
		})
	}
}

// Whatever is lost, repeated or comes late, but not too late: exactly what was lost is
// missing.
func TestSequenceProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.IntRange(0, 65535).Draw(t, "first")
		total := rapid.IntRange(4, 2000).Draw(t, "total")
		type sent struct{ at, n int }
		var stream []sent
		missing, repeated := []int{}, 0
		for n := range total {
			kind := rapid.IntRange(0, 19).Draw(t, "fate")
			at := n
			switch {
			case n < 3 || n == total-1: // known for RTP, and the last one ends the stream
			case kind == 0:
				missing = append(missing, n)
				continue
			case kind == 1:
				at = min(n+rapid.IntRange(0, 60).Draw(t, "late"), total-2)
			case kind == 2:
				stream = append(stream, sent{min(n+rapid.IntRange(0, 60).Draw(t, "again"), total-2), n})
				repeated++
			}
			stream = append(stream, sent{at, n})
		}
		slices.SortStableFunc(stream, func(a, b sent) int { return a.at - b.at })
		s := sequence{dropout: maxDropout}
		for _, p := range stream {
			s.rtp(uint16(first + p.n))
		}
		s.settle()
		var got []int
		for _, r := range s.missing.list {
			for n := r.First; n <= r.Last; n++ {
				got = append(got, int(uint16(n-uint64(first))))
			}
		}
		slices.Sort(got)
		if s.missing.count != uint64(len(missing)) || !s.missing.full && !slices.Equal(got, missing) {
			t.Fatalf("%d missing: %v; want %v", s.missing.count, got, missing)
		}
		if s.duplicates != uint64(repeated) || s.leaps != 0 {
			t.Fatalf("%d duplicates and %d leaps, want %d and none", s.duplicates, s.leaps, repeated)
		}
	})
}

func TestNumbersText(t *testing.T) {
	list := []Range{{5, 7}, {9, 9}, {11, 12}, {20, 30}}
	for most, want := range map[int]string{4: "5-7, 9, 11, 12, 20-30", 2: "5-7, 9, ..."} {
		if got := Numbers(list, most); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
