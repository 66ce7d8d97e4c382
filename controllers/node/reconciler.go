package node

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// +kubebuilder:rbac:groups=multicast.smcroute.io,resources=multicastroutes;multicastgroups,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=nodes;pods,verbs=get;list;watch
// +kubebuilder:rbac:groups=multicast.smcroute.io,resources=multicastnodestates,verbs=get;create;update

// Times after which pods' network namespaces are looked for again: soon after
// they were not found, twice as long after the next time and so on, and now
// and then in any case, since a sandbox may be made anew without a word to the
// API server.
const retryPods, recheckPods = 2 * time.Second, 15 * time.Second

// Times after which a round that broke off is tried again, doubling.
const retryBroken, retryBrokenLast = time.Second, time.Minute

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

	// Fails is told when the API server refuses to list or watch a kind, which is
	// tried again for ever. It may be nil.
	Fails cache.WatchErrorHandlerWithContext

	Logger *slog.Logger
}

// Reconciler makes a World of all that it watches, and has it programmed for every
// change that matters.
type Reconciler struct {
	o         ReconcilerOptions
	stores    stores
	informers []cache.SharedIndexInformer
	wake      chan struct{} // has room for one
	alone     bool          // the last round found no Node

	linker linker
	missed int // rounds one after the other that did not find all pods' namespaces
	broke  int // rounds one after the other that broke off
}

// NewReconciler returns a reconciler that does nothing before Run.
func NewReconciler(c *Client, o ReconcilerOptions) (*Reconciler, error) {
	r := &Reconciler{o: o, linker: linker{links: o.Links}, wake: make(chan struct{}, 1)}
	var errs []error
	add := func(i cache.SharedIndexInformer, err error) cache.Store {
		errs = append(errs, err)
		r.informers = append(r.informers, i)
		return i.GetStore()
	}
	named := func(field string) fields.Selector { return fields.OneTermEqualSelector(field, o.Node) }
	r.stores = stores{
		node:   add(informer(c.nodes, watching[*corev1.Node]{named("metadata.name"), slimNode, sameNode, r.ring, o.Fails})),
		pods:   add(informer(c.pods, watching[*corev1.Pod]{named("spec.nodeName"), slimPod, samePod, r.ring, o.Fails})),
		routes: add(informer(c.routes, watching[*v1alpha1.MulticastRoute]{nil, slimRoute, sameSpec[*v1alpha1.MulticastRoute], r.ring, o.Fails})),
		groups: add(informer(c.groups, watching[*v1alpha1.MulticastGroup]{nil, slimGroup, sameSpec[*v1alpha1.MulticastGroup], r.ring, o.Fails})),
	}
	return r, errors.Join(errs...)
}

// ring asks for a round. It never blocks.
func (r *Reconciler) ring() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// UID is that of the node's Node.
func (r *Reconciler) UID(context.Context) (types.UID, error) { return r.stores.uid(r.o.Node) }

// Crowd is how many nodes may have the same change to report: those that the route or the
// group for most nodes selects, as far as its status tells.
func (r *Reconciler) Crowd() int { return r.stores.crowd() }

// Run works until ctx is done. No round is done before all caches are filled,
// however long there is no API server.
func (r *Reconciler) Run(ctx context.Context) {
	var watching sync.WaitGroup
	defer watching.Wait()
	// The node comes first: by then there is a connection, which the others share.
	// Else each would begin one of its own, on all nodes at once if the API server
	// was away.
	for n, i := range r.informers {
		watching.Go(func() { i.RunWithContext(ctx) })
		if n == 0 && !cache.WaitForCacheSync(ctx.Done(), i.HasSynced) {
			return
		}
	}
	for _, i := range r.informers {
		if !cache.WaitForCacheSync(ctx.Done(), i.HasSynced) {
			return
		}
	}
	r.ring() // there may be nothing at all, which is worth knowing, too
	var links <-chan struct{}
	if r.o.Links != nil {
		links = r.o.Links.Changes()
	}
	again := time.NewTimer(0)
	again.Stop()
	for {
		select {
		case <-r.wake:
		case <-links:
		case <-again.C:
		case <-ctx.Done():
			return
		}
		again.Stop()
		if after := r.round(ctx); after > 0 {
			again.Reset(after)
		}
	}
}

// round is reconcile. A round that panics, as for an object that nobody thought
// of, leaves what is programmed as it is.
func (r *Reconciler) round(ctx context.Context) (again time.Duration) {
	defer func() {
		p := recover()
		if p == nil {
			r.broke = 0
			return
		}
		r.o.Logger.Error("A round broke off, which is a mistake in the program; what is programmed stays", "panic", p, "stack", string(debug.Stack()))
		again = min(retryBroken<<min(r.broke, 8), retryBrokenLast)
		r.broke++
	}()
	return r.reconcile(ctx)
}

// reconcile carries out all there is. It returns after how long it has to be done
// again without a change, or 0.
func (r *Reconciler) reconcile(ctx context.Context) (again time.Duration) {
	if r.o.Filled != nil {
		r.o.Filled()
	}
	if r.o.Begin != nil {
		select {
		case <-r.o.Begin:
		case <-ctx.Done():
			return 0
		}
	}
	w, ok := r.stores.world(r.o.Node) // as it is now
	if !ok {
		// Or it is being replaced: what is programmed stays.
		if !r.alone {
			r.o.Logger.Warn("There is no such Node: nothing changes until there is. Expected its name in --node-name", "node", r.o.Node)
		}
		r.alone = true
		return 0
	}
	r.alone = false
	r.linker.link(w.Pods, w.Routes)
	err := r.o.Programmer.Program(ctx, w)
	if r.o.Programmed != nil {
		r.o.Programmed()
	}
	if errors.Is(err, ErrPodNamespace) { // it is in the report
		again = min(retryPods<<min(r.missed, 8), recheckPods)
		r.missed++
		return again
	}
	r.missed = 0
	if r.o.Programmer.HasPodRouters() {
		return recheckPods
	}
	return 0
}
