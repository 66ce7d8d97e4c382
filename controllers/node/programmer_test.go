package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// fakeRouters have in the kernel what they are told, but for what interfaces
// they lack.
type fakeRouters struct {
	mu      sync.Mutex
	layers  map[mroute.Place]mroute.Layer
	lacking map[mroute.IfPattern]bool
	asked   int
}

func (f *fakeRouters) SetLayers(_ context.Context, want map[mroute.Place]mroute.Layer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.layers = want
}

func (f *fakeRouters) Digests(_ context.Context, visit func(mroute.Place, time.Time, []mroute.EntryView)) map[mroute.Place]mroute.RouterState {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	out := map[mroute.Place]mroute.RouterState{}
	for place, l := range f.layers {
		snap := &mroute.Snapshot{Time: time.Now()}
		var entries []mroute.EntryView
		for r := range l.AllRoutes() {
			for _, o := range r.To {
				if f.lacking[o.If] {
					snap.Pending = append(snap.Pending, mroute.PendingView{
						Kind: mroute.PendingRoute, Cause: mroute.CauseNoInterface,
						Reason: fmt.Sprintf("no interface %s", o.If), Origin: r.Origin,
					})
				}
			}
			if visit != nil {
				entries = append(entries, mroute.EntryView{
					SG:       mroute.SG{Source: r.Match.Source.Addr(), Group: r.Match.Group.Addr()},
					Counters: mroute.Counters{Packets: 5, Bytes: 500},
					Age:      time.Hour,
					Origins:  []mroute.Origin{r.Origin},
				})
			}
		}
		if len(entries) > 0 {
			visit(place, snap.Time, entries)
		}
		out[place] = mroute.RouterState{Snapshot: snap}
	}
	return out
}

func (f *fakeRouters) lack(names ...mroute.IfPattern) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lacking = map[mroute.IfPattern]bool{}
	for _, n := range names {
		f.lacking[n] = true
	}
}

// looks is how often somebody asked for the states.
func (f *fakeRouters) looks() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func (f *fakeRouters) places() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for p, l := range f.layers {
		out = append(out, fmt.Sprintf("%v: %d", p, l.Size()))
	}
	slices.Sort(out)
	return out
}

// fakeFinder has the namespaces by UID.
type fakeFinder map[string]string

func (f fakeFinder) Find(_ context.Context, uid string, ips []netip.Addr) (mroute.Place, error) {
	if path, ok := f[uid]; ok && len(ips) > 0 {
		return mroute.Place{NetNS: path, ID: "4:" + path}, nil
	}
	return mroute.Place{}, errors.New("there is no sandbox")
}

// logged is a log whose lines have no time.
func logged() (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	return slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})), &b
}

func lines(b *bytes.Buffer) []string {
	defer b.Reset()
	text := strings.TrimSuffix(b.String(), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func fakeNode() *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", UID: "uid-n1", Labels: map[string]string{"site": "studio"}}}
}

func TestProgram(t *testing.T) {
	log, out := logged()
	routers := &fakeRouters{}
	p := NewProgrammer(Options{Routers: routers, HostNamespaces: []string{"studio"}, AgentVersion: "1.2.3", MainTable: 7, Logger: log})
	ctx := t.Context()
	if p.Ready() {
		t.Error("ready before anything was programmed")
	}
	if _, err := p.Report(ctx); !errors.Is(err, ErrNothingYet) {
		t.Errorf("a report before anything was programmed: %v", err)
	}

	w := World{Node: fakeNode(), Routes: []v1alpha1.MulticastRoute{
		route("studio", "a", nil),
		route("studio", "b", func(s *v1alpha1.MulticastRouteSpec) { s.Table = 9; s.To[0].Interface = "eth7" }),
		route("cinema", "c", nil), // not permitted
		route("studio", "d", func(s *v1alpha1.MulticastRouteSpec) {
			s.NodeSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"site": "elsewhere"}}
		}),
	}}
	routers.lack("eth7")
	if err := p.Program(ctx, w); err != nil {
		t.Fatal(err)
	}
	if !p.Ready() {
		t.Error("not ready")
	}
	if got, want := routers.places(), []string{"table 0: 1", "table 7: 0", "table 9: 1"}; !slices.Equal(got, want) {
		t.Errorf("places %q, want %q", got, want)
	}
	s, err := p.Report(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := reasons(s), "c HostInterfacesNotPermitted, a Programmed, b InterfaceNotFound"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if s.AgentVersion != "1.2.3" || state(s, "a").Counters.Packets != 5 {
		t.Errorf("%+v", s)
	}
	if got := lines(out); len(got) != 3 ||
		!slices.ContainsFunc(got, contains("Programmed", "name=a")) ||
		!slices.ContainsFunc(got, contains("WARN", "Not programmed", "name=b", "InterfaceNotFound", "eth7")) ||
		!slices.ContainsFunc(got, contains("WARN", "Not accepted", "name=c", "HostInterfacesNotPermitted")) {
		t.Errorf("log:\n%s", strings.Join(got, "\n"))
	}

	// Again, the same: no line.
	if err := p.Program(ctx, w); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Report(ctx); err != nil {
		t.Fatal(err)
	}
	if got := lines(out); got != nil {
		t.Errorf("log of no change:\n%s", strings.Join(got, "\n"))
	}

	// The interface comes, and a route goes.
	routers.lack()
	w.Routes = slices.Delete(w.Routes, 0, 1)
	if err := p.Program(ctx, w); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Report(ctx); err != nil {
		t.Fatal(err)
	}
	if got := lines(out); len(got) != 2 ||
		!slices.ContainsFunc(got, contains("Programmed", "name=b")) ||
		!slices.ContainsFunc(got, contains("No longer asked for", "name=a")) {
		t.Errorf("log:\n%s", strings.Join(got, "\n"))
	}
}

func contains(parts ...string) func(string) bool {
	return func(line string) bool {
		return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(line, p) })
	}
}

func reasons(s *v1alpha1.MulticastNodeStateStatus) string {
	var out []string
	for _, r := range s.Routes {
		out = append(out, r.Name+" "+r.Reason)
	}
	return strings.Join(out, ", ")
}

func state(s *v1alpha1.MulticastNodeStateStatus, name string) *v1alpha1.ObjectState {
	for i := range s.Routes {
		if s.Routes[i].Name == name {
			return &s.Routes[i]
		}
	}
	return &v1alpha1.ObjectState{}
}

func TestCountersGoOn(t *testing.T) {
	log, _ := logged()
	p := NewProgrammer(Options{Routers: &fakeRouters{}, HostNamespaces: []string{"*"}, Logger: log})
	p.Load(&v1alpha1.MulticastNodeStateStatus{Routes: []v1alpha1.ObjectState{
		{Namespace: "studio", Name: "a", UID: "uid-a", Counters: &v1alpha1.Counters{Packets: 100}},
	}})
	if err := p.Program(t.Context(), World{Node: fakeNode(), Routes: []v1alpha1.MulticastRoute{route("studio", "a", nil)}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s, err := p.Report(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := state(s, "a").Counters.Packets; got != 105 {
			t.Errorf("%d packets, want 105", got)
		}
		// A look without counters is nothing to the ledger.
		if _, err := p.report(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
}

func inPods(s *v1alpha1.MulticastRouteSpec) {
	s.NetworkNamespace = v1alpha1.NetworkNamespace{Type: v1alpha1.PodNamespace, PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "router"}}}
}

func TestPodNetworkNamespaces(t *testing.T) {
	log, _ := logged()
	routers := &fakeRouters{}
	finder := fakeFinder{}
	p := NewProgrammer(Options{Routers: routers, Finder: finder, HostNamespaces: []string{"*"}, Logger: log})
	router := func(name, ip string) corev1.Pod {
		return with(pod(name, 0, ip), func(p *corev1.Pod) { p.Labels = map[string]string{"app": "router"} })
	}
	w := World{
		Node:   fakeNode(),
		Routes: []v1alpha1.MulticastRoute{route("studio", "host", nil), route("studio", "inside", inPods)},
		Pods:   LivePods([]corev1.Pod{router("r1", "10.0.0.1"), router("r2", "10.0.0.2"), pod("other", 0, "10.0.0.3")}),
	}
	finder["uid-r1"] = "/run/netns/r1"
	err := p.Program(t.Context(), w)
	if !errors.Is(err, ErrPodNamespace) {
		t.Errorf("error %v, want that of r2", err)
	}
	if got, want := routers.places(), []string{"table 0 of /run/netns/r1: 1", "table 0: 1"}; !slices.Equal(got, want) {
		t.Errorf("places %q, want %q", got, want)
	}
	s, err := p.Report(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if o := state(s, "inside"); o.Reason != v1alpha1.ReasonPending || !strings.Contains(o.Message, "studio/r2") || !strings.Contains(o.Message, "there is no sandbox") {
		t.Errorf("%+v", o)
	}
	finder["uid-r2"] = "/run/netns/r2"
	if err := p.Program(t.Context(), w); err != nil {
		t.Error(err)
	}
	if s, err = p.Report(t.Context()); err != nil || reasons(s) != "host Programmed, inside Programmed" {
		t.Errorf("%s, %v", reasons(s), err)
	}
	if !p.HasPodRouters() {
		t.Error("no routers in pods")
	}
	// The container runtime does not answer: nothing stops.
	for uid := range finder {
		delete(finder, uid)
	}
	if err := p.Program(t.Context(), w); !errors.Is(err, ErrPodNamespace) {
		t.Errorf("error %v of a runtime that is away", err)
	}
	if got := routers.places(); len(got) != 3 {
		t.Errorf("places %q when the runtime is away", got)
	}
	if s, err = p.Report(t.Context()); err != nil || reasons(s) != "host Programmed, inside Programmed" {
		t.Errorf("when the runtime is away: %s, %v", reasons(s), err)
	}

	// The same namespace for two pods is wrong at least for one of them.
	finder["uid-r1"], finder["uid-r2"] = "/run/netns/r1", "/run/netns/r1"
	if err := p.Program(t.Context(), w); !errors.Is(err, ErrPodNamespace) {
		t.Errorf("error %v of two pods in one namespace", err)
	}
	if got, want := routers.places(), []string{"table 0: 1"}; !slices.Equal(got, want) {
		t.Errorf("places %q, want %q", got, want)
	}

	w.Pods = nil
	if err := p.Program(t.Context(), w); err != nil || p.HasPodRouters() {
		t.Errorf("routers without pods: %v", err)
	}
}

// The first World of which all places are known is told of, once, with these.
func TestComplete(t *testing.T) {
	log, _ := logged()
	finder := fakeFinder{"uid-r1": "/run/netns/r1"}
	var told [][]mroute.Place
	p := NewProgrammer(Options{
		Routers: &fakeRouters{}, Finder: finder, HostNamespaces: []string{"*"}, Logger: log,
		Complete: func(places []mroute.Place) { told = append(told, places) },
	})
	router := func(name, ip string) corev1.Pod {
		return with(pod(name, 0, ip), func(p *corev1.Pod) { p.Labels = map[string]string{"app": "router"} })
	}
	w := World{
		Node:   fakeNode(),
		Routes: []v1alpha1.MulticastRoute{route("studio", "inside", inPods)},
		Pods:   LivePods([]corev1.Pod{router("r1", "10.0.0.1"), router("r2", "10.0.0.2")}),
	}
	if err := p.Program(t.Context(), w); !errors.Is(err, ErrPodNamespace) || told != nil {
		t.Errorf("of one place that is not known, %v, it tells %v", err, told)
	}
	finder["uid-r2"] = "/run/netns/r2"
	for range 2 {
		if err := p.Program(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	if len(told) != 1 {
		t.Fatalf("it tells %v", told)
	}
	var got []string
	for _, place := range told[0] {
		got = append(got, place.String())
	}
	slices.Sort(got)
	if want := []string{"table 0", "table 0 of /run/netns/r1", "table 0 of /run/netns/r2"}; !slices.Equal(got, want) {
		t.Errorf("it tells of %q, want %q", got, want)
	}
}

func TestPodNetworkNamespacesAreOff(t *testing.T) {
	log, _ := logged()
	p := NewProgrammer(Options{Routers: &fakeRouters{}, HostNamespaces: []string{"*"}, Logger: log})
	if err := p.Program(t.Context(), World{Node: fakeNode(), Routes: []v1alpha1.MulticastRoute{route("studio", "inside", inPods)}}); err != nil {
		t.Fatal(err)
	}
	s, err := p.Report(t.Context())
	if err != nil || reasons(s) != "inside PodNetworkNamespacesNotPermitted" {
		t.Errorf("%s, %v", reasons(s), err)
	}
}

// Watch logs what happens without a report, and is not busy with it.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, out := logged()
		routers := &fakeRouters{}
		p := NewProgrammer(Options{Routers: routers, HostNamespaces: []string{"*"}, Logger: log})
		changed := make(chan struct{}, 1)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { p.Watch(ctx, changed); close(done) }()

		changed <- struct{}{} // nothing was programmed yet
		time.Sleep(2 * quiet)
		if err := p.Program(ctx, World{Node: fakeNode(), Routes: []v1alpha1.MulticastRoute{route("studio", "a", nil)}}); err != nil {
			t.Fatal(err)
		}
		changed <- struct{}{}
		synctest.Wait()
		if got := lines(out); len(got) != 1 || !contains("Programmed", "name=a")(got[0]) {
			t.Errorf("log:\n%s", strings.Join(got, "\n"))
		}
		asked := routers.looks()
		for range 100 {
			select {
			case changed <- struct{}{}:
			default:
			}
			time.Sleep(quiet / 10)
		}
		if n := routers.looks() - asked; n < 5 || n > 11 {
			t.Errorf("looked %d times in %v", n, 10*quiet)
		}
		cancel()
		<-done
	})
}
