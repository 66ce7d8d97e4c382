package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"

	"github.com/smcroute/kube-smcroute/test/bench/section"
	"github.com/smcroute/kube-smcroute/test/fleet"
	"github.com/smcroute/kube-smcroute/test/kubelab"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// bench is one run.
type bench struct {
	tb     netlab.TB
	until  context.Context // what is not measured then stays so
	o      options
	lab    *kubelab.Lab
	fleet  *fleet.Fleet
	status *fleet.Statuses
	meter  *meter
	phases []phase
	times  []timing
	next   int  // route that no change has made yet
	whole  bool // it came to its end
}

// phase is what happened in a time.
type phase struct {
	name          string
	before, after sample
}

// timing is how long something took each of some.
type timing struct {
	name string
	took []time.Duration
}

func newBench(tb netlab.TB, until context.Context, o options, programs, dir string) *bench {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		tb.Fatalf("%v", err)
	}
	b := &bench{tb: tb, until: until, o: o, next: o.routes}
	klog.SetLogger(logr.Discard()) // that an agent tries again is no news
	// After a restart of the API server each agent makes up to four connections, and those
	// from before it keep their ports for a while.
	netlab.Own(tb).Sysctl("ipv4/ip_local_port_range", "20000 65535")
	b.say("starting the API server")
	b.lab = kubelab.Start(tb, kubelab.Options{Programs: programs, Dir: dir, StartTimeout: 10 * time.Minute})
	return b
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format(time.TimeOnly)+" "+format+"\n", args...)
}

// sayProgress also tells how much memory there is.
func (b *bench) sayProgress(format string, args ...any) {
	free, _ := available() // 0 is as good as an answer
	b.say(format+"; available %.0f MB", append(args, free/1e6)...)
}

func (b *bench) run() {
	b.say("making %d nodes and %d routes", b.o.agents, b.o.routes)
	b.fleet = fleet.New(b.tb, b.lab, fleet.Options{
		Agents: b.o.agents, Prefix: "n", Rack: b.o.rack, Report: b.o.report, Interval: b.o.interval, Connections: b.o.connections,
		Until: b.until, Say: b.sayProgress, Leave: true,
	})
	b.fleet.Create(b.o.routes)
	args := []string{"--status-interval=10s", "--counters-interval=5m", "--leader-elect=false"}
	if b.o.controller != "" {
		args = append(args, b.o.controller)
	}
	controller := b.lab.LaunchController(b.tb, args...)
	controller.AwaitReady()
	b.meter = newMeter(b.tb, b.lab, b.fleet, controller.PID())
	b.status = b.fleet.Statuses()

	defer b.tell() // also if it ends before its time
	b.phase("start", b.start)
	b.phase("steady", b.steady)
	for _, c := range []struct {
		name string
		in   int
		old  bool
	}{{"route for all made", -1, false}, {"route for all changed", -1, true}, {"route for a rack made", 0, false}} {
		b.phase(c.name, func() { b.changes(c.name, c.in, c.old) })
	}
	if b.o.restart {
		b.phase("API server restarted", b.restart)
	}
	b.whole = true
}

// start starts the agents.
func (b *bench) start() {
	began := time.Now()
	var took []time.Duration
	func() {
		defer func() {
			b.add(fmt.Sprintf("start of an agent, %d at a time, to programmed", b.o.together), took...)
		}()
		b.fleet.Start(b.o.together, func(d time.Duration) { took = append(took, d) })
	}()
	b.add("start of all agents: all are programmed", time.Since(began))
	b.say("all agents are programmed after %v", time.Since(began).Round(time.Second))
	at := b.status.Await(b.expected(), 1)
	b.add("start of all agents: all statuses say so", at.Sub(began))
}

// add adds what some took.
func (b *bench) add(name string, took ...time.Duration) {
	b.times = append(b.times, timing{name, took})
}

// tell prints the tables, and puts them where they should be, of a run that came to its
// end.
func (b *bench) tell() {
	var text strings.Builder
	b.print(&text)
	fmt.Print(text.String())
	if b.o.write == "" || !b.whole {
		return
	}
	begin, end := fmt.Sprintf("<!-- %d agents: made by \"make fleet\" -->", b.o.agents), fmt.Sprintf("<!-- end of %d agents -->", b.o.agents)
	if err := section.Replace(b.o.write, begin, end, text.String()); err != nil {
		b.tb.Fatalf("%v", err)
	}
}

// phase measures what f does, or how far it came.
func (b *bench) phase(name string, f func()) {
	b.say("measuring: %s", name)
	p := phase{name: name, before: b.meter.sample()}
	profile := b.meter.profile(b.o.profile, name)
	whole := false
	defer func() {
		profile()
		if !whole {
			p.name += " (not to its end)"
		}
		p.after = b.meter.sample()
		b.phases = append(b.phases, p)
		b.say("%s", p.after.memory())
	}()
	f()
	whole = true
}

// expected is on how many nodes each route should be.
func (b *bench) expected() map[string]int {
	all := map[string]int{}
	for i := range b.o.routes {
		all[fmt.Sprintf("nroute-%d", i)] = b.fleet.Nodes(i)
	}
	return all
}

// steady sends packets through the routes for all nodes, so that there is something to
// report.
func (b *bench) steady() {
	end := time.Now().Add(b.o.steady)
	for time.Now().Before(end) {
		for i := 0; i < b.o.routes; i += 5 {
			b.fleet.Packet(fleet.Source, fleet.Group(i))
		}
		time.Sleep(min(10*time.Second, time.Until(end)))
	}
}

// pause is how long reports and statuses may still come from what was before.
const pause = 12 * time.Second

// changes makes routes, or gives a route another group, and measures until it is in
// the kernels, and in the status. Each comes when the one before it is over.
func (b *bench) changes(what string, in int, old bool) {
	var programmed, told []time.Duration
	nodes := b.fleet.InRack(in)
	defer func() {
		b.add(what+": in the kernels", programmed...)
		b.add(what+": in its status", told...)
	}()
	for range b.o.changes {
		group := fleet.Group(b.next)
		r := b.fleet.Route(fmt.Sprintf("nroute-%d", b.next), group, in)
		b.next++
		if old {
			r.Name = "nroute-0"
		}
		time.Sleep(pause)
		mark := b.fleet.Mark(group, nodes)
		began := time.Now()
		if err := b.fleet.Apply(r); err != nil {
			b.tb.Fatalf("%s: %v", what, err)
		}
		func() {
			defer func() { programmed = append(programmed, mark.Took()...) }()
			mark.Wait()
		}()
		at := b.status.Await(map[string]int{r.Name: nodes}, r.Generation)
		told = append(told, at.Sub(began))
	}
}

// restart ends the API server and starts it again, and measures until all agents have
// what was changed meanwhile.
func (b *bench) restart() {
	b.lab.StopServer()
	began := time.Now()
	b.lab.StartServer(b.until)
	b.add("API server restarted: until it serves", time.Since(began))
	group := fleet.Group(b.next)
	mark := b.fleet.Mark(group, b.o.agents)
	r := b.fleet.Route(fmt.Sprintf("nroute-%d", b.next), group, -1)
	netlab.Await(b.tb, time.Minute, func() bool { return b.fleet.Apply(r) == nil }, "the API server to take a route")
	defer func() { b.add("API server restarted: all agents have a new route", mark.Took()...) }()
	mark.Wait()
}
