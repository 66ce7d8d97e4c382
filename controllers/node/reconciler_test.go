package node

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/cache"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

func newReconciler(t *testing.T, of stores) (*Reconciler, *fakeRouters, func() []string) {
	t.Helper()
	log, out := logged()
	routers := &fakeRouters{}
	return &Reconciler{
		o: ReconcilerOptions{
			Node:       "n1",
			Programmer: NewProgrammer(Options{Routers: routers, HostNamespaces: []string{"*"}, Logger: log}),
			Logger:     log,
		},
		stores: of,
		wake:   make(chan struct{}, 1),
		linker: linker{links: linkMap{"10.0.0.7": {Name: "veth7", Index: 7}}},
	}, routers, func() []string { return lines(out) }
}

// objects are in the stores of their kinds.
func objects(t *testing.T, os ...object) stores {
	t.Helper()
	store := func() cache.Store { return cache.NewStore(cache.MetaNamespaceKeyFunc) }
	all := stores{store(), store(), store(), store()}
	for _, o := range os {
		to := all.groups
		switch o.(type) {
		case *corev1.Node:
			to = all.node
		case *corev1.Pod:
			to = all.pods
		case *v1alpha1.MulticastRoute:
			to = all.routes
		}
		if err := to.Add(o); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestReconcile(t *testing.T) {
	r1 := route("studio", "a", toPods)
	p1 := pod("player", 0, "10.0.0.7")
	r, routers, _ := newReconciler(t, objects(t, fakeNode(), &r1, &p1))
	if again := r.reconcile(t.Context()); again != 0 {
		t.Fatal(again)
	}
	if got, want := routers.places(), []string{"table 0: 1"}; !slices.Equal(got, want) {
		t.Fatalf("places %q, want %q", got, want)
	}
	for _, l := range routers.layers {
		if to := l.Parts[0].Routes[0].To; len(to) != 1 || to[0].If != "veth7/7" {
			t.Errorf("outputs %v", to)
		}
	}
}

// A round that breaks off leaves what is programmed, and is tried again.
func TestRoundBreaksOff(t *testing.T) {
	r1 := route("studio", "a", nil)
	r, routers, log := newReconciler(t, objects(t, fakeNode(), &r1))
	bad := true
	r.o.Filled = func() {
		if bad {
			panic("nobody thought of this")
		}
	}
	for _, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		if again := r.round(t.Context()); again != want || routers.layers != nil {
			t.Errorf("again after %v, want %v; layers %v", again, want, routers.layers)
		}
	}
	if got := log(); len(got) != 3 || !contains("nobody thought of this", "reconciler_test.go")(got[0]) {
		t.Errorf("log:\n%s", strings.Join(got, "\n"))
	}
	bad = false
	if again := r.round(t.Context()); again != 0 || len(routers.layers) != 1 || r.broke != 0 {
		t.Errorf("again after %v, layers %v", again, routers.layers)
	}
}

func TestReconcileWithoutNode(t *testing.T) {
	r1 := route("studio", "a", nil)
	r, routers, log := newReconciler(t, objects(t, &r1))
	for range 3 {
		if again := r.reconcile(t.Context()); again != 0 {
			t.Fatal(again)
		}
	}
	if _, err := r.UID(t.Context()); !apierrors.IsNotFound(err) {
		t.Errorf("UID: %v", err)
	}
	if routers.layers != nil || r.o.Programmer.Ready() {
		t.Error("programmed without a node")
	}
	if got := log(); len(got) != 1 || !contains("--node-name", "n1")(got[0]) {
		t.Errorf("log:\n%s", strings.Join(got, "\n"))
	}
	if err := r.stores.node.Add(fakeNode()); err != nil {
		t.Fatal(err)
	}
	if again := r.reconcile(t.Context()); again != 0 || len(routers.layers) != 1 {
		t.Errorf("%v, layers %v", again, routers.layers)
	}
}

func TestReconcileLooksAfterPodNamespaces(t *testing.T) {
	r1 := route("studio", "inside", inPods)
	p1 := with(pod("r", 0, "10.0.0.1"), func(p *corev1.Pod) { p.Labels = map[string]string{"app": "router"} })
	r, _, _ := newReconciler(t, objects(t, fakeNode(), &r1, &p1))
	finder := fakeFinder{}
	r.o.Programmer.o.Finder = finder
	for _, want := range []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, recheckPods, recheckPods} {
		if again := r.reconcile(t.Context()); again != want {
			t.Errorf("again after %v, want a retry after %v", again, want)
		}
	}
	finder["uid-r"] = "/run/netns/r"
	if again := r.reconcile(t.Context()); again != recheckPods {
		t.Errorf("again after %v, want another look", again)
	}
}
