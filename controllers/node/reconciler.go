package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// +kubebuilder:rbac:groups=multicast.smcroute.io,resources=multicastroutes;multicastgroups,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=nodes;pods,verbs=get;list;watch
// +kubebuilder:rbac:groups=multicast.smcroute.io,resources=multicastnodestates,verbs=get;create;update

const (
	// forever is how long the caches may take to be filled: as long as there is
	// no API server.
	forever = 10 * 365 * 24 * time.Hour

	// Times after which pods' network namespaces are looked for again: soon after
	// they were not found, twice as long after the next time and so on, and now
	// and then in any case, since a sandbox may be made anew without a word to the
	// API server.
	retryPods, recheckPods = 2 * time.Second, 15 * time.Second
)

// ReconcilerOptions configure the reconciler of a node.
type ReconcilerOptions struct {
	Node       string // its name
	Programmer *Programmer
	Links      Links // nil: pods cannot be ends of routes

	// Begin is closed when rounds may begin. Until then caches are filled. It may
	// be nil.
	Begin <-chan struct{}

	// Filled is called before each round, and before Begin is waited for: caches
	// are filled. It may be nil.
	Filled func()

	// Programmed is called after each round. It may be nil.
	Programmed func()

	Logger *slog.Logger
}

// reconciler makes a World of all that it watches.
type reconciler struct {
	o     ReconcilerOptions
	read  client.Reader
	alone bool // the last round found no Node

	linker linker
	missed int // rounds one after the other that did not find all pods' namespaces
}

// Setup adds a controller to a manager whose cache has [CacheOptions]. It knows
// one request, the node, and carries it out for every change that matters, and
// not before all caches are filled.
func Setup(mgr manager.Manager, o ReconcilerOptions) error {
	r := &reconciler{o: o, read: mgr.GetCache(), linker: linker{links: o.Links}}
	c, err := controller.New("node", mgr, controller.Options{
		Reconciler:         r,
		CacheSyncTimeout:   forever,
		NeedLeaderElection: ptr.To(false),
		SkipNameValidation: ptr.To(true), // a manager that failed is replaced
		RateLimiter:        workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](time.Second, time.Minute),
	})
	if err != nil {
		return err
	}
	for _, src := range []source.Source{
		watch(mgr.GetCache(), o.Node, &corev1.Node{}, unless(sameNode)),
		watch(mgr.GetCache(), o.Node, &corev1.Pod{}, unless(samePod)),
		watch(mgr.GetCache(), o.Node, &v1alpha1.MulticastRoute{}, unless(sameSpec[*v1alpha1.MulticastRoute])),
		watch(mgr.GetCache(), o.Node, &v1alpha1.MulticastGroup{}, unless(sameSpec[*v1alpha1.MulticastGroup])),
		source.Func(r.watchLinks),
	} {
		if err := c.Watch(src); err != nil {
			return err
		}
	}
	return nil
}

// request is the only one.
func request(node string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: node}}
}

func watch[T client.Object](c cache.Cache, node string, of T, matters predicate.TypedPredicate[T]) source.Source {
	all := func(context.Context, T) []reconcile.Request { return []reconcile.Request{request(node)} }
	return source.Kind(c, of, handler.TypedEnqueueRequestsFromMapFunc(all), matters)
}

// watchLinks is for changes of the node's routes and links.
func (r *reconciler) watchLinks(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	if r.o.Links == nil {
		return nil
	}
	go func() {
		for {
			select {
			case <-r.o.Links.Changes():
				queue.Add(request(r.o.Node))
			case <-ctx.Done():
				return
			}
		}
	}()
	return nil
}

// UID is that of the node's Node.
func UID(ctx context.Context, read client.Reader, node string) (types.UID, error) {
	var n corev1.Node
	err := read.Get(ctx, types.NamespacedName{Name: node}, &n)
	return n.UID, err
}

// Reconcile carries out all there is.
func (r *reconciler) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	if r.o.Filled != nil {
		r.o.Filled()
	}
	if r.o.Begin != nil {
		select {
		case <-r.o.Begin:
		case <-ctx.Done():
			return reconcile.Result{}, ctx.Err()
		}
	}
	w, err := r.world(ctx) // as it is now
	switch {
	case apierrors.IsNotFound(err):
		// Without the node's labels there is no telling what is for it. Or it
		// is being replaced: what is programmed stays.
		if !r.alone {
			r.o.Logger.Warn("There is no such Node: nothing changes until there is. Expected its name in --node-name", "node", r.o.Node)
		}
		r.alone = true
		return reconcile.Result{}, nil
	case err != nil:
		return reconcile.Result{}, err
	}
	r.alone = false
	err = r.o.Programmer.Program(ctx, w)
	if r.o.Programmed != nil {
		r.o.Programmed()
	}
	if errors.Is(err, ErrPodNamespace) { // it is in the report
		after := min(retryPods<<min(r.missed, 8), recheckPods)
		r.missed++
		return reconcile.Result{RequeueAfter: after}, nil
	}
	r.missed = 0
	switch {
	case err != nil:
		return reconcile.Result{}, err
	case r.o.Programmer.HasPodRouters():
		return reconcile.Result{RequeueAfter: recheckPods}, nil
	}
	return reconcile.Result{}, nil
}

// world reads the caches.
func (r *reconciler) world(ctx context.Context) (World, error) {
	var w World
	var node corev1.Node
	if err := r.read.Get(ctx, types.NamespacedName{Name: r.o.Node}, &node); err != nil {
		return w, err
	}
	var routes v1alpha1.MulticastRouteList
	var groups v1alpha1.MulticastGroupList
	var pods corev1.PodList
	for _, list := range []client.ObjectList{&routes, &groups, &pods} {
		if err := r.read.List(ctx, list); err != nil {
			return w, fmt.Errorf("listing %T: %w", list, err)
		}
	}
	w.Node, w.Routes, w.Groups, w.Pods = &node, routes.Items, groups.Items, LivePods(pods.Items)
	r.linker.link(w.Pods, w.Routes)
	return w, nil
}
