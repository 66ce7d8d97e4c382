package engine_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/engine"
	"github.com/smcroute/kube-smcroute/agent/kernel/sim"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// settler notes what is settled, and fails.
type settler struct {
	*sim.Kernel
	foreign map[mroute.Family][]mroute.SG
}

func (s *settler) Settle(f mroute.Family, foreign []mroute.SG) error {
	s.foreign[f] = foreign
	return errors.New("the disk is full")
}

// What the kernel holds stays until Complete, and what stays then is settled. An
// error is for the log.
func TestHolds(t *testing.T) {
	host := sim.New()
	a0, b0 := host.AddLink("a0"), host.AddLink("b0")
	guest, err := host.OpenGuest(0)
	if err != nil {
		t.Fatal(err)
	}
	theirs, ours := sg("10.0.0.9", "225.9.9.9"), sg("10.0.0.1", "225.1.1.1")
	entry := mroute.Entry{OIFs: mroute.OIFs{1: 1}}
	guest.Apply([]mroute.Op{
		{Kind: mroute.AddVIF, Family: mroute.IPv4, Link: mroute.LinkRef{Index: a0}},
		{Kind: mroute.AddVIF, Family: mroute.IPv4, VIF: 1, Link: mroute.LinkRef{Index: b0}},
		{Kind: mroute.SetMFC, Family: mroute.IPv4, SG: theirs, Entry: entry},
		{Kind: mroute.SetMFC, Family: mroute.IPv4, SG: ours, Entry: entry},
	})
	for _, remove := range []bool{false, true} {
		k, err := host.Open(0)
		if err != nil {
			t.Fatal(err)
		}
		s := &settler{k, map[mroute.Family][]mroute.SG{}}
		r := start(t, engine.Options{Kernel: s, RemoveForeign: remove})
		log := r.log
		if r.Holds() != remove {
			t.Errorf("holds %v, though what is foreign goes %v", !remove, remove)
		}
		r.set(route("a0", "10.0.0.1", "225.1.1.1", "b0"))
		if len(s.foreign) > 0 || !slices.Equal(host.Outputs("a0", theirs, 64), []string{"b0"}) {
			t.Errorf("before Complete: settled %v\n%v", s.foreign, host)
		}
		if err := r.Complete(context.Background()); err != nil {
			t.Fatal(err)
		}
		want := []mroute.SG{theirs}
		if remove {
			want = nil
		}
		if !slices.Equal(s.foreign[mroute.IPv4], want) || len(s.foreign) != 2 {
			t.Errorf("settled %v, want %v", s.foreign, want)
		}
		if n := log.Count("the disk is full"); n != 2 {
			t.Errorf("%d lines of errors, want 2", n)
		}
		if n := log.Count("Found 2 entries and 2 interfaces in the IPv4 table"); n != 1 {
			t.Errorf("%d lines of what was found, want 1", n)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	}
}
