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

// Router is a router to ask.
type Router struct {
	Name  string        // the label "router", one for each
	Meter *meter.Router // nil: it has never worked

	// Survey asks it, and returns when ctx is done at the latest. The state has the
	// snapshot, or says why there is none.
	Survey func(ctx context.Context, asked mroute.Survey) mroute.RouterState
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
	// Routers are all routers. It returns when ctx is done at the latest.
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

	routes routes
	places map[string]*place
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
		c.list = c.make(ctx, distinct(c.o.Routers(ctx)))
		c.made = time.Now()
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

// make makes the numbers of routers.
func (c *Collector) make(ctx context.Context, routers []Router) []Family {
	fs := families{}
	fs.add(buildInfo, 1, c.o.Version, runtime.Version())
	looks := c.look(ctx, routers)
	var flows []flow
	entries, rows := 0, 0
	for _, l := range looks {
		fs.add(routerUp, truth(l.up()), l.Name)
		if l.Meter != nil {
			meters(fs, l.Name, l.Meter)
		}
		if !l.up() {
			continue
		}
		l.tell(fs)
		for _, cause := range []string{flowLimit, noOutput, noRule, wrongInterface} {
			fs.add(dropped, float64(l.place.dropped[cause]), l.Name, cause)
		}
		flows = append(flows, l.place.flows...)
		entries += l.entries
		rows += l.entries + l.rules
	}
	c.routes.tell(fs, looks)
	c.tellFlows(fs, flows, entries)
	if c.o.Read != nil {
		if success, at, ok := c.o.Read(); ok {
			fs.add(reloadOK, truth(success))
			if !at.IsZero() {
				fs.add(reloadTime, float64(at.UnixMilli())/1000)
			}
		}
	}
	if c.o.Made != nil {
		c.o.Made(rows)
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
