package netlab

import "testing"

// What was sent before has arrived, whichever processor had it, also at the far end of a
// link that a bridge sends it on to.
func TestFlush(t *testing.T) {
	a, b, c := New(t), New(t), New(t)
	a.Veth("eth0", b, "eth0")
	b.Veth("eth1", c, "eth0")
	b.Bridge("br0", "eth0", "eth1")
	far := c.Capture("eth0")
	sent := 0
	for range 20 {
		if err := eachProcessor(func(int) error {
			a.Send("eth0", Packet{Src: flow4.Source, Group: flow4.Group})
			sent++
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		Flush(t, 2, deadline)
		if got := far.Count(flow4); got != sent {
			t.Fatalf("%d packets have arrived, want %d", got, sent)
		}
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
