package status_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/smcroute/kube-smcroute/agent"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/node"
	"github.com/smcroute/kube-smcroute/controllers/translate"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

func TestMain(m *testing.M) { netlab.Main(m) }

const soon = time.Minute

// site is a node with any number of links, whose other ends, with an x before their
// names, are in one host. Its agent has no API server.
type site struct {
	*node.Programmer
	t           *testing.T
	ns, hosts   *netlab.NS
	world       node.World
	changed     chan struct{} // has room for one
	lastTelling string
}

func newSite(t *testing.T) *site {
	s := &site{t: t, ns: netlab.New(t), hosts: netlab.New(t), changed: make(chan struct{}, 1)}
	s.world.Node = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", UID: "uid-n1"}}
	open := func(at mroute.Place) (kernel.Kernel, error) {
		k, err := linux.Open(linux.Options{NetNS: s.ns.Path(), Table: at.Table})
		if err != nil {
			return nil, err // not a *linux.Kernel that is nil
		}
		return k, nil
	}
	k, err := open(mroute.Place{})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	change := func() {
		select {
		case s.changed <- struct{}{}:
		default:
		}
	}
	main := agent.New(agent.Options{Kernel: k, Logger: log, Await: []string{translate.LayerName}, OnChange: change})
	routers := agent.NewRouters(agent.RoutersOptions{Main: main, Open: open, Logger: log, OnChange: change})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	for _, run := range []func(context.Context) error{main.Run, routers.Run} {
		go func() { ended <- run(ctx) }()
	}
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	s.Programmer = node.NewProgrammer(node.Options{Routers: routers, HostNamespaces: []string{"studio"}, Full: true, Logger: log})
	return s
}

func (s *site) links(prefix string, n int) {
	for i := range n {
		s.link(fmt.Sprint(prefix, i))
	}
}

func (s *site) link(name string) { s.ns.Veth(name, s.hosts, "x"+name) }

// route adds a route of one source, for a group of its own.
func (s *site) route(name, from string, to ...string) {
	n := len(s.world.Routes)
	spec := v1alpha1.MulticastRouteSpec{
		From:    v1alpha1.RouteInput{Interface: v1alpha1.Interface(from)},
		Sources: []v1alpha1.Address{"192.0.2.1"},
		Groups:  []v1alpha1.Address{v1alpha1.Address(group(n))},
	}
	for _, o := range to {
		spec.To = append(spec.To, v1alpha1.RouteOutput{Interface: v1alpha1.Interface(o)})
	}
	s.world.Routes = append(s.world.Routes, v1alpha1.MulticastRoute{
		ObjectMeta: metav1.ObjectMeta{Namespace: "studio", Name: name, UID: types.UID("uid-" + name), Generation: 1},
		Spec:       spec,
	})
}

func group(n int) string { return fmt.Sprint("232.1.1.", n) }

func (s *site) program() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	if err := s.Program(ctx, s.world); err != nil {
		s.t.Fatal(err)
	}
}

// told awaits a report in which routes are in another state than Programmed as wanted:
// "REASON MESSAGE" by name. It has all routes.
func (s *site) told(want map[string]string) *v1alpha1.MulticastNodeStateStatus {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	wanted := fmt.Sprint(len(s.world.Routes), " routes, of which ", want)
	for {
		report, err := s.Report(ctx)
		if err != nil {
			s.t.Fatalf("%v; the last report says %v", err, s.lastTelling)
		}
		got := map[string]string{}
		for _, r := range report.Routes {
			if r.Reason != v1alpha1.ReasonProgrammed || r.Message != "" {
				got[r.Name] = r.Reason + " " + r.Message
			}
		}
		s.lastTelling = fmt.Sprint(len(report.Routes), " routes, of which ", got)
		if s.lastTelling == wanted {
			if int(report.Summary.Failed) != len(want) {
				s.t.Errorf("%d failed, by the summary: %d", len(want), report.Summary.Failed)
			}
			return report
		}
		select {
		case <-s.changed:
		case <-ctx.Done():
			s.t.Fatalf("reports say %s\nexpected %s", s.lastTelling, wanted)
		}
	}
}

// passes sends a packet of the n-th route, and awaits it.
func (s *site) passes(n int, from, to string) {
	s.t.Helper()
	sg := mroute.SG{Source: netip.MustParseAddr("192.0.2.1"), Group: netip.MustParseAddr(group(n))}
	c := s.hosts.Capture("x" + to)
	defer c.Stop()
	s.hosts.Send("x"+from, netlab.Packet{Src: sg.Source, Group: sg.Group})
	c.Await(sg, 1, soon)
}

// Routes from more interfaces than a table of the kernel has are programmed, and no
// word is said of tables. Each counts its own packets, and the busiest table is what
// the summary tells of.
func TestManyInterfaces(t *testing.T) {
	s := newSite(t)
	s.links("n", 40)
	s.link("out")
	for i := range 40 {
		s.route(fmt.Sprint("r", i), fmt.Sprint("n", i), "out")
	}
	s.program()
	s.told(nil)
	for i := range 40 {
		s.passes(i, fmt.Sprint("n", i), "out")
	}
	report := s.told(nil)
	for _, r := range report.Routes {
		if r.Counters == nil || r.Counters.Packets != 1 || r.Counters.Flows != 1 || len(r.Flows) != 1 {
			t.Errorf("%s: counters %+v, flows %+v", r.Name, r.Counters, r.Flows)
		}
	}
	if sum := report.Summary; sum.VIFs != mroute.MaxVIFs || sum.Flows != 40 || sum.Routes != 40 {
		t.Errorf("summary: %+v", sum)
	}
}

// A route with more outputs than there is room for beside its input is told apart from
// all others, and which way it lacks something; it has what it can have.
func TestManyOutputs(t *testing.T) {
	s := newSite(t)
	s.links("o", 33)
	s.link("in")
	s.link("other")
	var outputs []string
	for i := range 33 {
		outputs = append(outputs, fmt.Sprint("o", i))
	}
	s.route("fine", "other", "o32", "o1")
	s.route("big", "in", outputs...)
	s.program()
	full := map[string]string{
		"big": "VIFTableFull packets that arrive on in need 34 interfaces on this node with the outputs, and a table of the kernel has 32: they do not leave by 2 of the outputs",
	}
	s.told(full)
	s.passes(0, "other", "o32")
	s.passes(1, "in", "o7")

	// Neither of two routes is too big, but both are, since they have one input. Of each
	// is told whether it lacks something.
	s.world.Routes = s.world.Routes[:1]
	s.route("left", "in", outputs[:20]...)
	s.route("right", "in", outputs[13:]...)
	s.program()
	s.told(map[string]string{"right": "VIFTableFull in needs 34 interfaces with the outputs: a table of the kernel has 32"})

	s.world.Routes = s.world.Routes[:1]
	s.route("big", "in", outputs[:31]...)
	s.program()
	s.told(nil)
	s.passes(0, "other", "o32")
	s.passes(1, "in", "o30")
}

// A rule of another program that leads packets away makes a route fail, with a word
// that says which, until it is gone.
func TestPacketsDiverted(t *testing.T) {
	s := newSite(t)
	s.links("n", 2)
	s.link("out")
	for i := range 2 {
		s.route(fmt.Sprint("r", i), fmt.Sprint("n", i), "out")
	}
	other, err := linux.Open(linux.Options{NetNS: s.ns.Path(), Table: 77})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	s.program()
	s.told(nil)
	change := func(do func(*netlink.Rule) error) {
		t.Helper()
		if err := s.ns.Do(func() error {
			r := netlink.NewRule()
			r.Family, r.IifName, r.Table, r.Priority = uapi.FamilyIPMR, "n1", 77, 5
			return do(r)
		}); err != nil {
			t.Fatal(err)
		}
	}
	change(netlink.RuleAdd)
	s.told(map[string]string{
		"r1": "PacketsDiverted packets that arrive on n1 do not come to the router: the IPv4 rule of priority 5 leads to table 77",
	})
	s.passes(0, "n0", "out")
	change(netlink.RuleDel)
	s.told(nil)
	s.passes(1, "n1", "out")

	// To another table no packet goes by itself.
	s.world.Routes[1].Spec.Table = 7
	s.world.Routes[1].Generation++
	s.program()
	s.told(map[string]string{
		"r1": "PacketsDiverted packets that arrive on n1 do not come to the router: the IPv4 rule of priority 32767 leads to the default table",
	})
}
