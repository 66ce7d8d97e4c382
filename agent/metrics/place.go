package metrics

import (
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// place is what is kept of a router from one look to the next.
type place struct {
	readings mroute.Readings
	epoch    time.Time         // which times of theirs count from
	dropped  map[string]uint64 // packets, by cause
	flows    []flow            // those with the most packets since the look before
	at       time.Time         // of that look
}

// placesOf returns what is kept of each of some routers, and forgets the others.
func (c *Collector) placesOf(routers []Router) []*place {
	kept := make(map[string]*place, len(routers))
	all := make([]*place, len(routers))
	for i, r := range routers {
		p := c.places[r.Name]
		if p == nil {
			p = &place{dropped: map[string]uint64{}}
		}
		kept[r.Name], all[i] = p, p
	}
	c.places = kept
	return all
}

// forwards reports whether an entry lets packets through. That of a rule without outputs
// does not, of whatever kind it is.
func forwards(e *mroute.EntryView) bool { return e.Kind != mroute.StopFilter && len(e.OIFs) > 0 }

// drop counts packets that an entry has dropped.
func (p *place) drop(e *mroute.EntryView, more mroute.Counted) {
	if more.WrongIf > 0 {
		p.dropped[wrongInterface] += more.WrongIf
	}
	if forwards(e) || more.Packets <= more.WrongIf {
		return
	}
	cause := noRule
	switch {
	case e.Refused:
		cause = flowLimit
	case len(e.Origins) > 0:
		cause = noOutput
	}
	p.dropped[cause] += more.Packets - more.WrongIf
}
