package netlab

import "testing"

// What was sent before has arrived, whatever processor had it.
func TestFlush(t *testing.T) {
	a, b := pair(t)
	got := b.Capture("eth0")
	for n := 1; n <= 20; n++ {
		sent := 0
		if err := eachProcessor(func(int) error {
			a.Send("eth0", Packet{Src: flow4.Source, Group: flow4.Group})
			sent++
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		a.Flush("eth0", b, "eth0", deadline)
		if seen := got.Count(flow4); seen != n*sent {
			t.Fatalf("%d packets have arrived, want %d", seen, n*sent)
		}
	}
	if seen := got.Flow(In, mark); len(seen.TTLs) != 1 || seen.TTLs[1] == 0 {
		t.Errorf("marks come with TTLs %v, want 1 alone", seen.TTLs)
	}
}

// The thread may run everywhere again afterwards.
func TestInOrder(t *testing.T) {
	count := func() (n int) {
		if err := eachProcessor(func(int) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := count()
	a, b := pair(t)
	got := b.Capture("eth0")
	if err := InOrder(func() { a.SendBurst("eth0", Packet{Src: flow6.Source, Group: flow6.Group}, 0, 1000) }); err != nil {
		t.Fatal(err)
	}
	got.Await(flow6, 1000, deadline)
	if f := got.Flow(In, flow6); f.Reordered > 0 || f.Distinct() != 1000 {
		t.Errorf("of 1000 packets %d arrived, %d of them late", f.Distinct(), f.Reordered)
	}
	if now := count(); now != before {
		t.Errorf("threads may run on %d processors, and might on %d before", now, before)
	}
}
