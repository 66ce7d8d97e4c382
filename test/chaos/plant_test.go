package chaos

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// plant is the network, its router, and all that flows through it.
type plant struct {
	t     *testing.T
	dir   string
	began time.Time

	router, far *netlab.NS
	flows       []*flow
	seen        map[string]*netlab.Capture // by output of the router
	third       string                     // the name of the interface to far, "" while there is none

	daemon  *process     // nil while it is away
	keepers []*process   // the first is the active one
	pods    []*netlab.NS // where keepers run, one in each at most
	holds   int          // descriptors that a keeper holds when all is well
}

func newPlant(t *testing.T) *plant {
	p := &plant{t: t, dir: t.TempDir(), began: time.Now(), flows: flows(), seen: map[string]*netlab.Capture{}}
	studio, left, right := netlab.New(t), netlab.New(t), netlab.New(t)
	p.router, p.far = netlab.New(t), netlab.New(t)
	studio.Veth("s0", p.router, "in")
	p.router.Veth("out0", left, "c0")
	p.router.Veth("out1", right, "c0")
	p.router.AddAddr("in", netip.MustParsePrefix("10.0.0.254/24"))
	p.seen["out0"], p.seen["out1"] = left.Capture("c0"), right.Capture("c0")
	p.pods = []*netlab.NS{netlab.New(t), netlab.New(t), netlab.New(t)}
	p.connect("flap")
	for _, link := range []string{"in", "out0", "out1", "flap"} {
		p.router.AwaitReady(link)
	}
	p.write()
	p.keepers = []*process{p.startKeeper()}
	p.startDaemon()
	if p.holds, _ = p.holding(p.keepers[0]); p.holds == 0 {
		t.Fatal("the keeper holds nothing")
	}
	for _, f := range p.flows {
		f.stream = studio.Stream(context.Background(), "s0", netlab.Packet{Src: f.sg.Source, Group: f.sg.Group}, rate)
	}
	for _, f := range p.flows {
		p.beginAll(f)
	}
	return p
}

// log tells what is done, with the time since the beginning.
func (p *plant) log(format string, args ...any) {
	p.t.Logf("%7.2fs "+format, append([]any{time.Since(p.began).Seconds()}, args...)...)
}

func (p *plant) path(name string) string { return filepath.Join(p.dir, name) }

// write writes the configuration.
func (p *plant) write() {
	var b strings.Builder
	b.WriteString("mgroup from in group 225.1.1.1\nmgroup from in source 10.0.0.1 group 232.1.1.1\nmgroup from in group ff3e::1:1\n")
	for _, f := range p.flows {
		if f.on {
			b.WriteString(f.line + "\n")
		}
	}
	if err := os.WriteFile(p.path("conf"), []byte(b.String()), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// connect makes the third interface.
func (p *plant) connect(name string) {
	p.router.Veth(name, p.far, "c0")
	p.seen[name] = p.far.Capture("c0")
	p.third = name
}

// disconnect deletes it.
func (p *plant) disconnect() {
	for _, f := range p.flows {
		p.check(f.end(p.t, p.third, p.seen[p.third]))
	}
	p.seen[p.third].Stop()
	p.strangers(p.third)
	delete(p.seen, p.third)
	p.router.Delete(p.third)
	p.third = ""
}

// beginAll begins spans of a flow at all of its outputs that are there.
func (p *plant) beginAll(f *flow) {
	for _, out := range f.outs {
		p.begin(f, out)
	}
}

// begin begins a span at an output, if that is there. What is wanted must come
// through once before all of it is held to that: an interface has to be found,
// and a flow to be learned.
func (p *plant) begin(f *flow, out string) {
	seen := p.seen[out]
	if seen == nil {
		return
	}
	if f.on {
		next := f.stream.Sent() + 1
		if !netlab.Poll(arrives, func() bool { return seen.Flow(netlab.In, f.sg).Highest > next }) {
			p.t.Errorf("%s (%v): nothing came out of %s within %v", f.name, f.sg, out, arrives)
			return
		}
	}
	f.begin(out, f.on)
}

// endAll checks a flow at all of its outputs.
func (p *plant) endAll(f *flow) {
	for _, out := range f.outs {
		if seen := p.seen[out]; seen != nil {
			p.check(f.end(p.t, out, seen))
		}
	}
}

func (p *plant) check(err error) {
	if err != nil {
		p.t.Errorf("%7.2fs %v", time.Since(p.began).Seconds(), err)
	}
}

// strangers looks for flows at an output that no line ever sent there.
func (p *plant) strangers(out string) {
	for sg, got := range p.seen[out].Flows(netlab.In) {
		known := slices.ContainsFunc(p.flows, func(f *flow) bool { return f.sg == sg && slices.Contains(f.outs, out) })
		if !known {
			p.t.Errorf("%d packets of %v came out of %s, where no line ever sent them", got.Packets, sg, out)
		}
	}
}

// members checks that the router is in its groups.
func (p *plant) members() {
	got := fmt.Sprint(p.router.Memberships("in"))
	for _, want := range []string{"225.1.1.1", "232.1.1.1", "ff3e::1:1"} {
		if !strings.Contains(got, want) {
			p.t.Errorf("%7.2fs the router is not in group %s: %s", time.Since(p.began).Seconds(), want, got)
		}
	}
}

// finish checks all there is.
func (p *plant) finish() {
	for _, f := range p.flows {
		p.endAll(f)
	}
	for _, f := range p.flows {
		sent, err := f.stream.Stop()
		if err != nil {
			p.t.Errorf("%s: the sender failed: %v", f.name, err)
		}
		p.log("%s: %d packets sent, %d lost to an entry being rewritten, which %d times was possible", f.name, sent, f.lost, len(f.rewrites))
	}
	for out, seen := range p.seen {
		if n := seen.Dropped(); n > 0 {
			p.t.Errorf("the capture behind %s lost %d packets itself: this machine is too slow for the test", out, n)
		}
		p.strangers(out)
	}
}
