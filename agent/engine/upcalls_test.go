package engine_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// curious has so many questions more, one at a time.
type curious struct {
	name        byte // of its sources
	more, asked int
	done        chan struct{}
}

func (c *curious) question() []mroute.Upcall {
	c.asked++
	return []mroute.Upcall{{Kind: mroute.NoCache, SG: mroute.SG{
		Source: netip.AddrFrom4([4]byte{10, c.name, byte(c.asked >> 8), byte(c.asked)}), Group: netip.MustParseAddr("239.1.1.1"),
	}}}
}

func (c *curious) More() ([]mroute.Upcall, time.Time) {
	if c.more == 0 {
		return nil, time.Time{}
	}
	c.more--
	return c.question(), time.Now()
}

func (c *curious) Done() { c.done <- struct{}{} }

// All that was read is answered, and however many questions there are others have
// their turn.
func TestMoreQuestions(t *testing.T) {
	k, e, stop := learner(t)
	for i, more := range []int{0, 3, 1000} {
		c := &curious{name: byte(i), more: more, done: make(chan struct{}, 2)}
		before := k.set
		k.asks <- kernel.Upcalls{List: c.question(), From: c}
		select {
		case <-c.done:
		case <-time.After(soon):
			t.Fatal("Done is not called")
		}
		if err := e.Started(t.Context()); err != nil {
			t.Fatal(err)
		}
		if more < 1000 && c.more > 0 {
			t.Errorf("%d of %d questions were not asked for", c.more, more)
		}
		if more == 1000 && c.asked > 100 {
			t.Errorf("%d questions were answered before anybody else had a turn", c.asked)
		}
		if set := k.set - before; set != c.asked {
			t.Errorf("%d entries set for %d questions", set, c.asked)
		}
		if len(c.done) > 0 {
			t.Error("Done was called twice")
		}
	}
	stop()
}
