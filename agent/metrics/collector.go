package metrics

import (
	"context"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/meter"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Router is a router at one moment.
type Router struct {
	Name  string             // the label "router", one for each
	State mroute.RouterState // with counters
	Meter *meter.Router      // nil: it has never worked
}

// MaxRoutes is how many routes of a program have series of their own.
const MaxRoutes = 1000

// MaxFlows is the most that [Options.Flows] may be.
const MaxFlows = 10_000

// fresh is for how long numbers are given again. A Prometheus does not ask more
// often, but several may ask.
const fresh = time.Second

// patience is how long routers may take to answer. Prometheus waits for 10 s.
const patience = 8 * time.Second

// Options configure a [Collector].
type Options struct {
	// Routers tells of all routers, until ctx is done at the latest.
	Routers func(ctx context.Context) []Router

	// Read tells whether the configuration file was read without an error the last
	// time, and when it was for the last time, zero for never; ok is false if there is
	// none. It may be nil.
	Read func() (success bool, at time.Time, ok bool)

	// Ref is what people call what [mroute.Origin.Ref] names; nil: that.
	Ref func(ref string) string

	// Made is called when numbers were made, with how many rules and entries there
	// were. It may be nil.
	Made func(rows int)

	// Flows is how many flows have series of their own, those with the most packets.
	// 0: none. Whoever can send packets chooses what series there are.
	Flows int

	Version string // of the program
}

// Collector makes numbers. Its methods may be called from any goroutine.
type Collector struct {
	o    Options
	turn chan struct{} // has room for who makes or takes numbers

	// Of that one:

	made time.Time // when families were
	list []Family

	routes  routes
	places  map[string]*place
	entries int // of all routers that answered
	rows    int // rules as well
}

// New returns a collector that has asked nobody yet.
func New(o Options) *Collector {
	if o.Ref == nil {
		o.Ref = func(ref string) string { return ref }
	}
	return &Collector{
		o: o, turn: make(chan struct{}, 1), places: map[string]*place{},
		routes: routes{most: MaxRoutes, ref: o.Ref, accounts: map[routeKey]*account{}},
	}
}

// Families returns all metrics that have samples. Who asks while others do, or up
// to a second after, gets what they get.
func (c *Collector) Families(ctx context.Context) []Family {
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	if c.list == nil || time.Since(c.made) >= fresh {
		// What others wait for goes on if the one who asked is gone.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		c.list = c.make(distinct(c.o.Routers(ctx)), time.Now())
		c.made = time.Now()
		if c.o.Made != nil {
			c.o.Made(c.rows)
		}
	}
	return c.list
}

// distinct drops all but the first router of a name: Prometheus refuses all numbers
// if two are of the same series.
func distinct(routers []Router) []Router {
	seen := map[string]bool{}
	return slices.DeleteFunc(routers, func(r Router) bool {
		was := seen[r.Name]
		seen[r.Name] = true
		return was
	})
}

// make makes the numbers of routers. now is for those that have no snapshot.
func (c *Collector) make(routers []Router, now time.Time) []Family {
	fs := families{}
	fs.add(buildInfo, 1, c.o.Version, runtime.Version())
	c.count(routers)
	var flows []flow
	for i := range routers {
		r := &routers[i]
		snap := r.State.Snapshot
		fs.add(routerUp, truth(snap != nil), r.Name)
		if r.Meter != nil {
			meters(fs, r.Name, r.Meter)
		}
		if snap == nil {
			continue
		}
		state(fs, r.Name, snap)
		p := c.places[r.Name]
		for _, cause := range []string{flowLimit, noOutput, noRule, wrongInterface} {
			fs.add(dropped, float64(p.dropped[cause]), r.Name, cause)
		}
		flows = append(flows, p.flows...)
	}
	c.routes.tell(fs, routers, now)
	c.tellFlows(fs, flows)
	if c.o.Read != nil {
		if success, at, ok := c.o.Read(); ok {
			fs.add(reloadOK, truth(success))
			if !at.IsZero() {
				fs.add(reloadTime, float64(at.UnixMilli())/1000)
			}
		}
	}
	return fs.list()
}

// meters adds what was counted as it happened.
func meters(fs families, name string, m *meter.Router) {
	for _, f := range mroute.Families {
		for _, k := range upcallKinds {
			fs.add(upcalls, float64(m.Asked(f, k.kind)), name, familyWord(f), k.word)
		}
		fs.add(upcallsLost, float64(m.Lost(f)), name, familyWord(f))
	}
	fs.addHistogram(learn, &m.Learn, name)
	fs.addHistogram(install, &m.Install, name)
	m.Refused(func(x meter.Refusal, n uint64) {
		errno := unix.ErrnoName(x.Errno)
		if x.Errno == 0 {
			errno = "none"
		}
		fs.add(kernelErrs, float64(n), name, x.Op, errno)
	})
}

var upcallKinds = []struct {
	kind mroute.UpcallKind
	word string
}{{mroute.NoCache, "nocache"}, {mroute.WrongVIF, "wrongvif"}, {mroute.WholePkt, "wholepkt"}, {mroute.WrVIFWhole, "wrvifwhole"}}

func familyWord(f mroute.Family) string {
	if f == mroute.IPv6 {
		return "ipv6"
	}
	return "ipv4"
}

// Words of the label kind of smcroute_entries.
var entryKinds = []string{"static", "native", "learned", "stop-filter", "foreign"}

// entryKind is that of an entry which is not foreign.
func entryKind(e *mroute.EntryView) string {
	if !e.SG.Source.IsValid() && e.Kind == mroute.Static {
		return "native"
	}
	return e.Kind.String()
}

// state adds what a snapshot says at a look.
func state(fs families, name string, snap *mroute.Snapshot) {
	type of struct {
		family mroute.Family
		kind   string
	}
	kinds := map[of]int{}
	for i := range snap.Entries {
		e := &snap.Entries[i]
		kinds[of{e.SG.Family(), entryKind(e)}]++
	}
	for i := range snap.Foreign {
		kinds[of{snap.Foreign[i].SG.Family(), "foreign"}]++
	}
	used, joined := map[mroute.Family]int{}, map[mroute.Family]int{}
	for i := range snap.Links {
		if snap.Links[i].VIF != mroute.NoVIF {
			used[mroute.IPv4]++
		}
		if snap.Links[i].MIF != mroute.NoVIF {
			used[mroute.IPv6]++
		}
	}
	for i := range snap.Joined {
		joined[snap.Joined[i].Match.Family()]++
	}
	for _, f := range mroute.Families {
		word := familyWord(f)
		fs.add(vifs, float64(used[f]), name, word)
		fs.add(vifsLimit, float64(mroute.MaxVIFs*(1+len(snap.Tables))), name, word)
		fs.add(joins, float64(joined[f]), name, word)
		for _, kind := range entryKinds {
			fs.add(entries, float64(kinds[of{f, kind}]), name, word, kind)
		}
	}
	fs.add(flowsLimit, float64(snap.Flows.Limit), name)
	fs.add(flowsReached, truth(snap.Flows.Full), name)
	fs.add(flowsEvicted, float64(snap.Flows.Evicted), name)
	fs.add(flowsRefused, float64(snap.Flows.Refused), name)
	fs.add(rules, float64(len(snap.Rules)), name)
	why := map[mroute.Cause]int{}
	for i := range snap.Pending {
		why[snap.Pending[i].Cause]++
	}
	for _, cause := range mroute.Causes() {
		fs.add(pending, float64(why[cause]), name, cause.String())
	}
}

// place is what is kept of a router from one look to the next.
type place struct {
	readings mroute.Readings
	epoch    time.Time         // which times of theirs count from
	dropped  map[string]uint64 // packets, by cause
	flows    []flow            // those with the most packets since the look before
	at       time.Time         // of that look
}

// count adds up what entries have counted since the last look.
func (c *Collector) count(routers []Router) {
	here := make(map[string]bool, len(routers))
	for i := range routers {
		here[routers[i].Name] = true
	}
	for name := range c.places {
		if !here[name] {
			delete(c.places, name)
		}
	}
	c.routes.look(routers)
	c.entries, c.rows = 0, 0
	for i := range routers {
		r := &routers[i]
		p := c.places[r.Name]
		if p == nil {
			p = &place{dropped: map[string]uint64{}}
			c.places[r.Name] = p
		}
		if r.State.Snapshot != nil {
			c.countAt(p, r.Name, r.State.Snapshot)
		}
	}
}

func (c *Collector) countAt(p *place, name string, snap *mroute.Snapshot) {
	var accounts []*account
	top := newTop(c.o.Flows, p, snap)
	if p.readings == nil {
		p.readings, p.epoch = mroute.Readings{}, snap.Time
	}
	now := snap.Time.Sub(p.epoch)
	for i := range snap.Entries {
		e := &snap.Entries[i]
		more, first, _ := p.readings.Take(e, now, now)
		if first {
			more = mroute.Counted{} // the process before has told of these
		}
		p.drop(e, more)
		accounts = c.routes.of(accounts[:0], name, e.Origins)
		for i, a := range accounts {
			if !slices.Contains(accounts[:i], a) {
				a.count(e, more, first, snap.Time)
			}
		}
		top.add(name, e, more)
	}
	p.readings.Forget(now)
	p.flows, p.at = top.list(), snap.Time
	c.entries += len(snap.Entries)
	c.rows += len(snap.Entries) + len(snap.Rules)
}

// drop counts packets that an entry has dropped.
func (p *place) drop(e *mroute.EntryView, more mroute.Counted) {
	if more.WrongIf > 0 {
		p.dropped[wrongInterface] += more.WrongIf
	}
	if e.Kind != mroute.StopFilter || more.Packets <= more.WrongIf {
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
