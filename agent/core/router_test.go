package core_test

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/core"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/sim"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// tb is what *testing.T and *rapid.T share.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

// router is a State on a simulated kernel, without an engine: effects are
// carried out at once, and op by op so that a test can look in between.
type router struct {
	t      tb
	host   *sim.Host
	kernel *sim.Kernel
	state  *core.State
	now    time.Time
	gone   []int
	static bool // what it adds stays in the kernel by itself

	ops     []mroute.Op // all that were applied
	flows   []core.FlowChange
	strays  []core.Stray
	logs    []string
	wake    time.Duration
	lookAt  time.Time           // when a Look is due; zero: none is
	slow    bool                // counters are not read before readOn
	reads   []core.ReadCounters // which wait for that
	max     int                 // see core.Options.MaxFlows
	bounded bool                // rules may have limits as well
	mrdisc  []mroute.Link
	late    bool // nothing is prepared while ops are applied
	busy    bool // too much else to do for a Continue
	later   bool // which is wanted
	changes int  // how often the state told that it changed
	settled []core.Settle
	opened  func()             // called when another process has the table, before it does anything
	before  func()             // called before ops
	after   func(op mroute.Op) // called after each op
}

func newRouter(t tb, links ...string) *router {
	t.Helper()
	r := &router{t: t, host: sim.New(), now: time.Unix(1_700_000_000, 0)}
	for _, l := range links {
		r.host.AddLink(l)
	}
	r.begin(core.Options{})
	return r
}

// begin claims the table, and makes a state that knows the links.
func (r *router) begin(o core.Options) {
	r.t.Helper()
	k, err := r.host.OpenKept(0, r.static)
	if err != nil {
		r.t.Fatalf("open: %v", err)
	}
	r.kernel = k
	if r.opened != nil {
		r.opened()
	}
	o.FamilyErr, o.CauseOf, o.Held, o.Now = k.FamilyErr, kernel.CauseOf, k.Held, r.now
	o.MaxFlows = r.max
	r.state = core.New(o)
	if _, random := r.t.(*rapid.T); random {
		r.state.Limits(12, 3)
		r.state.Chunk(2)
	}
	r.later, r.gone, r.settled, r.reads, r.lookAt = false, nil, nil, nil, time.Time{}
	r.readLinks()
}

// restart has another process take over. Nothing was told to it yet.
func (r *router) restart(o core.Options) {
	r.t.Helper()
	if err := r.kernel.Detach(); err != nil {
		r.t.Fatalf("detach: %v", err)
	}
	r.takeOps()
	r.begin(o)
}

func (r *router) step(ev core.Event) { r.perform(r.state.Step(ev, r.now)) }

func (r *router) edit(ed mroute.Edit) error {
	effects, err := r.state.Edit(ed)
	r.perform(effects)
	return err
}

func (r *router) readLinks() {
	links, err := r.kernel.Links()
	if err != nil {
		r.t.Fatalf("links: %v", err)
	}
	gone := r.gone
	r.gone = nil
	r.step(core.LinksRead{Links: links, Gone: gone})
}

// del deletes a link; the router hears of it at the next readLinks.
func (r *router) del(name string) {
	for _, l := range r.host.Links() {
		if l.Name == name {
			r.gone = append(r.gone, l.Index)
		}
	}
	r.host.DeleteLink(name)
}

func (r *router) send(link string, sg mroute.SG) []string {
	r.now = r.now.Add(5 * time.Second)
	out := r.host.Send(link, sg, 64, r.now)
	r.answer()
	return out
}

// goOn does what has waited, and no longer is busy.
func (r *router) goOn() {
	r.busy = false
	if r.later {
		r.later = false
		r.step(core.Continue{})
	}
}

// readOn reads the counters that wait to be read.
func (r *router) readOn() {
	for len(r.reads) > 0 {
		eff := r.reads[0]
		r.reads = r.reads[1:]
		err := r.kernel.Counters(eff.Family, eff.SGs, eff.Counters)
		r.step(core.CountersRead{ReadCounters: eff, Err: err})
	}
}

// pass lets time pass, and the router look again if it wants to.
func (r *router) pass(d time.Duration) {
	r.now = r.now.Add(d)
	r.host.Send("lo", mroute.SG{Source: netip.MustParseAddr("10.0.0.1"), Group: netip.MustParseAddr("224.0.0.1")}, 64, r.now) // the host's clock
	if !r.lookAt.IsZero() && !r.now.Before(r.lookAt) {
		r.lookAt = time.Time{}
		r.step(core.Look{})
	}
}

// answer lets the router see the kernel's questions.
func (r *router) answer() {
	if ups := r.host.Upcalls(); len(ups) > 0 {
		r.step(core.Upcalls(ups))
	}
}

func (r *router) perform(effects []core.Effect) {
	for _, eff := range effects {
		switch eff := eff.(type) {
		case core.Apply:
			r.apply(eff)
		case core.ReadCounters:
			if r.reads = append(r.reads, eff); !r.slow {
				r.readOn()
			}
		case core.LookAgain:
			r.lookAt = r.now.Add(eff.After)
		case core.FlowsChanged:
			r.flows = append(r.flows, eff...)
		case core.Strays:
			r.strays = append(r.strays, eff...)
		case core.Log:
			r.logs = append(r.logs, eff.Message)
		case core.Wake:
			r.wake = eff.After
		case core.MRDisc:
			r.mrdisc = eff.Links
		case core.Later:
			if r.later = r.busy; !r.busy {
				r.step(core.Continue{})
			}
		case core.Settle:
			r.settled = append(r.settled, eff)
			if err := r.kernel.Settle(eff.Family, eff.Foreign); err != nil {
				r.t.Fatalf("settle: %v", err)
			}
		case core.Changed:
			r.changes++
		}
	}
}

func (r *router) apply(a core.Apply) {
	ops := a.Ops
	var errs []error
	if a.More && !r.late {
		r.state.Prepare()
	}
	if r.before != nil {
		r.before()
	}
	for i, op := range ops {
		if e := r.kernel.Apply([]mroute.Op{op}); e != nil {
			if errs == nil {
				errs = make([]error, len(ops))
			}
			errs[i] = e[0]
		}
		r.ops = append(r.ops, op)
		if r.after != nil {
			r.after(op)
		}
	}
	r.step(core.Applied{Errs: errs})
}

// out says where a packet would leave, "-" for nowhere.
func (r *router) out(link string, sg mroute.SG) string {
	if !r.has(link) {
		return "-"
	}
	o := r.host.Outputs(link, sg, 64)
	if len(o) == 0 {
		return "-"
	}
	slices.Sort(o)
	return strings.Join(o, " ")
}

func (r *router) has(name string) bool {
	return slices.ContainsFunc(r.host.Links(), func(l mroute.Link) bool { return l.Name == name })
}

// dump is what the kernel holds.
func (r *router) dump() map[mroute.SG]mroute.Entry {
	all := make(map[mroute.SG]mroute.Entry)
	for _, f := range mroute.Families {
		d, err := r.kernel.Dump(f)
		if err != nil {
			r.t.Fatalf("dump: %v", err)
		}
		maps.Copy(all, d.Entries)
	}
	return all
}

// takeOps returns the ops since the last call.
func (r *router) takeOps() []mroute.Op {
	ops := r.ops
	r.ops = nil
	return ops
}

func format(ops []mroute.Op) string {
	var b strings.Builder
	for _, op := range ops {
		fmt.Fprintf(&b, "%v %v vif=%d link=%d sg=%v iif=%d oifs=%v\n", op.Family, op.Kind, op.VIF, op.Link.Index, op.SG, op.Entry.IIF, op.Entry.OIFs)
	}
	return b.String()
}
