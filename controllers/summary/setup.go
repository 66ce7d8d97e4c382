package summary

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/status"
)

// +kubebuilder:rbac:groups=multicast.smcroute.io,resources=multicastroutes;multicastgroups;multicastnodestates,verbs=get;list;watch
// +kubebuilder:rbac:groups=multicast.smcroute.io,resources=multicastroutes/status;multicastgroups/status,verbs=update
// +kubebuilder:rbac:groups="",resources=nodes,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// workers is how many objects are looked at together: each waits for the API
// server most of the time.
const workers = 4

// Options configure the controller.
type Options struct {
	// StatusInterval is the least time between two writes of one status; 0: 10 s.
	StatusInterval time.Duration
	// CountersInterval is the least time between two of them if only counters
	// changed; 0: 300 s.
	CountersInterval time.Duration
	// Events is how many watch events a second writes may cause, those of all agents
	// together; 0: 10,000. See [pace].
	Events int

	// Metrics gets those of nodes and routes; nil: nobody asks.
	Metrics prometheus.Registerer

	Logger *slog.Logger
}

// Setup adds the controller to a manager whose cache has [CacheOptions].
func Setup(mgr manager.Manager, o Options) error {
	if o.StatusInterval <= 0 {
		o.StatusInterval = 10 * time.Second
	}
	if o.CountersInterval <= 0 {
		o.CountersInterval = 300 * time.Second
	}
	if o.Events <= 0 {
		o.Events = 10_000
	}
	b := newBook(o.StatusInterval, o.CountersInterval, float64(o.Events))
	c, err := controller.NewTyped("summary", mgr, controller.TypedOptions[status.Object]{
		Reconciler: &reconciler{
			book:   b,
			read:   mgr.GetCache(),
			write:  mgr.GetClient().Status(),
			events: mgr.GetEventRecorder("smcroute-controller"),
			log:    o.Logger,
		},
		MaxConcurrentReconciles: workers,
		NeedLeaderElection:      ptr.To(true),
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[status.Object](time.Second, time.Minute),
	})
	if err != nil {
		return err
	}
	cache := mgr.GetCache()
	if o.Metrics != nil {
		if err := o.Metrics.Register(&collector{b, cache}); err != nil {
			return err
		}
	}
	// Nothing is written before all four have told what there is.
	for _, src := range []source.TypedSource[status.Object]{
		source.TypedKind(cache, &corev1.Node{}, b.allNodes()),
		source.TypedKind(cache, &v1alpha1.MulticastNodeState{}, b.nodeStates()),
		source.TypedKind(cache, &v1alpha1.MulticastRoute{}, b.routes()),
		source.TypedKind(cache, &v1alpha1.MulticastGroup{}, b.groups()),
	} {
		if err := c.Watch(src); err != nil {
			return err
		}
	}
	return nil
}
