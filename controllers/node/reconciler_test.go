package node

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

func newReconciler(t *testing.T, read client.Reader) (*reconciler, *fakeRouters, func() []string) {
	t.Helper()
	log, out := logged()
	routers := &fakeRouters{}
	return &reconciler{
		o: ReconcilerOptions{
			Node:       "n1",
			Programmer: NewProgrammer(Options{Routers: routers, HostNamespaces: []string{"*"}, Logger: log}),
			Logger:     log,
		},
		read:   read,
		linker: linker{links: linkMap{"10.0.0.7": {Name: "veth7", Index: 7}}},
	}, routers, func() []string { return lines(out) }
}

func objects(os ...client.Object) client.WithWatch {
	return fake.NewClientBuilder().WithScheme(NewScheme()).WithObjects(os...).Build()
}

func TestReconcile(t *testing.T) {
	r1 := route("studio", "a", toPods)
	p1 := pod("player", 0, "10.0.0.7")
	r, routers, _ := newReconciler(t, objects(fakeNode(), &r1, &p1))
	if res, err := r.Reconcile(t.Context(), request("n1")); err != nil || res.RequeueAfter != 0 {
		t.Fatal(res, err)
	}
	if got, want := routers.places(), []string{"table 0: 1"}; !slices.Equal(got, want) {
		t.Fatalf("places %q, want %q", got, want)
	}
	for _, l := range routers.layers {
		if to := l.Routes[0].To; len(to) != 1 || to[0].If != "veth7/7" {
			t.Errorf("outputs %v", to)
		}
	}
}

// What cannot be read must not look like what is not there.
func TestReconcileKeepsWhatItCannotRead(t *testing.T) {
	r1 := route("studio", "a", nil)
	broken := errors.New("the cache is broken")
	var failing client.ObjectList
	c := interceptor.NewClient(objects(fakeNode(), &r1), interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, l client.ObjectList, opts ...client.ListOption) error {
			if failing != nil && reflect.TypeOf(l) == reflect.TypeOf(failing) {
				return broken
			}
			return c.List(ctx, l, opts...)
		},
	})
	r, routers, _ := newReconciler(t, c)
	if _, err := r.Reconcile(t.Context(), request("n1")); err != nil {
		t.Fatal(err)
	}
	for _, l := range []client.ObjectList{&v1alpha1.MulticastRouteList{}, &v1alpha1.MulticastGroupList{}, &corev1.PodList{}} {
		failing = l
		routers.layers = nil
		if _, err := r.Reconcile(t.Context(), request("n1")); !errors.Is(err, broken) {
			t.Errorf("%T: error %v", l, err)
		}
		if routers.layers != nil {
			t.Errorf("%T: programmed all the same", l)
		}
	}
}

func TestReconcileWithoutNode(t *testing.T) {
	r1 := route("studio", "a", nil)
	c := objects(&r1)
	r, routers, log := newReconciler(t, c)
	for range 3 {
		if _, err := r.Reconcile(t.Context(), request("n1")); err != nil {
			t.Fatal(err)
		}
	}
	if routers.layers != nil || r.o.Programmer.Ready() {
		t.Error("programmed without a node")
	}
	if got := log(); len(got) != 1 || !contains("--node-name", "n1")(got[0]) {
		t.Errorf("log:\n%s", strings.Join(got, "\n"))
	}
	if err := c.Create(t.Context(), fakeNode()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Reconcile(t.Context(), request("n1")); err != nil || len(routers.layers) != 1 {
		t.Errorf("%v, layers %v", err, routers.layers)
	}
}

func TestReconcileLooksAfterPodNamespaces(t *testing.T) {
	r1 := route("studio", "inside", inPods)
	p1 := with(pod("r", 0, "10.0.0.1"), func(p *corev1.Pod) { p.Labels = map[string]string{"app": "router"} })
	r, _, _ := newReconciler(t, objects(fakeNode(), &r1, &p1))
	finder := fakeFinder{}
	r.o.Programmer.o.Finder = finder
	for _, want := range []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, recheckPods, recheckPods} {
		if res, err := r.Reconcile(t.Context(), request("n1")); err != nil || res.RequeueAfter != want {
			t.Errorf("%v, %v, want a retry after %v", res, err, want)
		}
	}
	finder["uid-r"] = "/run/netns/r"
	if res, err := r.Reconcile(t.Context(), request("n1")); err != nil || res.RequeueAfter != recheckPods {
		t.Errorf("%v, %v, want another look", res, err)
	}
}
