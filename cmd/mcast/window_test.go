package main

import (
	"testing"

	"pgregory.net/rapid"
)

func TestWindow(t *testing.T) {
	const w = windowSize
	for _, tt := range []struct {
		name             string
		numbers          []uint64
		lost             uint64
		late, duplicates int
	}{
		{"nothing", nil, 0, 0, 0},
		{"in order", []uint64{0, 1, 2, 3}, 0, 0, 0},
		{"joined in the middle", []uint64{700, 701}, 0, 0, 0},
		{"missing", []uint64{0, 1, 4, 6}, 3, 0, 0},
		{"late", []uint64{0, 2, 1}, 0, 1, 0},
		{"later than the first", []uint64{5, 4, 3}, 0, 2, 0},
		{"twice", []uint64{0, 1, 1, 0, 2}, 0, 0, 2},
		{"as far back as it knows", []uint64{0, w - 1, 0}, w - 2, 0, 1},
		{"begun anew", []uint64{0, 2, w + 2, 0, 1}, w, 0, 0},
		{"the ring is cleaned on the way", []uint64{1, w, w + 2, w + 1}, w - 2, 1, 0},
		{"a jump beyond the ring", []uint64{0, 5 * w, 5*w - 1}, 5*w - 2, 1, 0},
		{"the highest there is", []uint64{1<<64 - 1, 1<<64 - 1}, 0, 0, 1},
	} {
		var win window
		var lates, duplicates int
		for _, n := range tt.numbers {
			switch win.add(n) {
			case late:
				lates++
			case duplicate:
				duplicates++
			}
		}
		if win.lost() != tt.lost || lates != tt.late || duplicates != tt.duplicates {
			t.Errorf("%s: %d lost, %d late, %d duplicates, expected %d, %d, %d",
				tt.name, win.lost(), lates, duplicates, tt.lost, tt.late, tt.duplicates)
		}
	}
}

// Within the window it says what a set of all numbers would say.
func TestWindowIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.Uint64Range(0, 1<<62).Draw(t, "base")
		numbers := rapid.SliceOfN(rapid.Uint64Range(base, base+windowSize-1), 1, 200).Draw(t, "numbers")
		var w window
		seen := map[uint64]bool{}
		low, high := numbers[0], numbers[0]
		for _, n := range numbers {
			want := fresh
			switch {
			case seen[n]:
				want = duplicate
			case n < high:
				want = late
			}
			if got := w.add(n); got != want {
				t.Fatalf("%d is %v, expected %v", n, got, want)
			}
			seen[n] = true
			low, high = min(low, n), max(high, n)
		}
		if want := high - low + 1 - uint64(len(seen)); w.lost() != want {
			t.Fatalf("%d lost, expected %d", w.lost(), want)
		}
	})
}

// Whatever arrives, nothing breaks, and each packet is counted once.
func FuzzTally(f *testing.F) {
	f.Add([]byte(nil), []byte("no number"), uint64(3))
	f.Add(payload(headerSize), payload(headerSize)[:15], uint64(1<<64-1))
	f.Fuzz(func(t *testing.T, a, b []byte, n uint64) {
		c := payload(headerSize + len(b)%8)
		setNumber(c, n)
		if got, ok := number(c); !ok || got != n {
			t.Fatalf("number %d reads as %d, %v", n, got, ok)
		}
		var tt tally
		for _, p := range [][]byte{a, b, c, a, c} {
			tt.add(arrived{payload: p})
		}
		r := tt.report()
		fl := r.Flows[0]
		if r.Packets != 5 || len(r.Flows) != 1 || fl.Packets != 5 || fl.Numbered < 2 || fl.Late+fl.Duplicates > fl.Numbered {
			t.Fatalf("%+v", r)
		}
	})
}

// A host that invents sources takes no more memory than others.
func TestTallyIsBounded(t *testing.T) {
	var tt tally
	for i := range maxFlows + 5 {
		k := flowKey{group: addr4(byte(i>>8), byte(i))}
		tt.add(arrived{key: k})
	}
	if r := tt.report(); len(r.Flows) != maxFlows || r.Others != 5 || r.Packets != maxFlows+5 {
		t.Fatalf("%d flows, %d other packets of %d", len(r.Flows), r.Others, r.Packets)
	}
}
