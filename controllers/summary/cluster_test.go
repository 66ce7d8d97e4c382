package summary

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/status"
)

// cluster is an API server and what watches it, in simulated time: the handlers
// and the reconciler are the real ones, and so is the queue.
type cluster struct {
	t        *testing.T
	book     *book
	queue    queue
	r        *reconciler
	recorder *events.FakeRecorder

	mu      sync.Mutex
	version int
	routes  map[string]*v1alpha1.MulticastRoute
	states  map[string]*v1alpha1.MulticastNodeState
	nodes   map[string]*corev1.Node
	writes  []time.Time
	rounds  int
	refuse  error
	read    func() // what happens right after the next Get
}

func simulate(t *testing.T, f func(t *testing.T, c *cluster)) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{
			t: t, book: newBook(10*time.Second, 300*time.Second, 20_000),
			queue:    workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[status.Object](time.Second, time.Minute)),
			recorder: events.NewFakeRecorder(1000),
			routes:   map[string]*v1alpha1.MulticastRoute{}, states: map[string]*v1alpha1.MulticastNodeState{}, nodes: map[string]*corev1.Node{},
		}
		c.r = &reconciler{book: c.book, read: c, write: c, events: c.recorder, log: slog.New(slog.DiscardHandler)}
		var working sync.WaitGroup
		working.Go(c.work)
		f(t, c)
		c.queue.ShutDown()
		working.Wait()
	})
}

// work is what controller-runtime does with a reconciler.
func (c *cluster) work() {
	for {
		o, over := c.queue.Get()
		if over {
			return
		}
		result, err := c.r.Reconcile(context.Background(), o)
		c.mu.Lock()
		c.rounds++
		c.mu.Unlock()
		switch {
		case err != nil:
			c.queue.AddRateLimited(o)
		case result.RequeueAfter > 0:
			c.queue.Forget(o)
			c.queue.AddAfter(o, result.RequeueAfter)
		default:
			c.queue.Forget(o)
		}
		c.queue.Done(o)
	}
}

var resource = schema.GroupResource{Resource: "multicastroutes"}

func (c *cluster) Get(_ context.Context, key client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
	c.mu.Lock()
	r := c.routes[key.Name]
	after := c.read
	c.read = nil
	c.mu.Unlock()
	if r == nil {
		return apierrors.NewNotFound(resource, key.Name)
	}
	r.DeepCopyInto(obj.(*v1alpha1.MulticastRoute))
	if after != nil {
		after()
	}
	return nil
}

func (c *cluster) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return fmt.Errorf("nothing is listed in a round")
}

// Update is that of a status.
func (c *cluster) Update(_ context.Context, obj client.Object, _ ...client.SubResourceUpdateOption) error {
	c.mu.Lock()
	if c.refuse != nil {
		defer c.mu.Unlock()
		return c.refuse
	}
	old := c.routes[obj.GetName()]
	if old.ResourceVersion != obj.GetResourceVersion() {
		c.t.Errorf("%s: version %s is written over %s", obj.GetName(), obj.GetResourceVersion(), old.ResourceVersion)
	}
	r := old.DeepCopy()
	r.Status = *obj.(*v1alpha1.MulticastRoute).Status.DeepCopy()
	c.writes = append(c.writes, time.Now())
	c.mu.Unlock()
	c.setRoute(r)
	return nil
}

func (c *cluster) Create(context.Context, client.Object, client.Object, ...client.SubResourceCreateOption) error {
	panic("a status is not created")
}

func (c *cluster) Patch(context.Context, client.Object, client.Patch, ...client.SubResourcePatchOption) error {
	panic("a status is not patched")
}

func (c *cluster) Apply(context.Context, runtime.ApplyConfiguration, ...client.SubResourceApplyOption) error {
	panic("a status is not applied")
}

func (c *cluster) setRoute(r *v1alpha1.MulticastRoute) {
	c.mu.Lock()
	c.version++
	r.ResourceVersion = strconv.Itoa(c.version)
	old := c.routes[r.Name]
	c.routes[r.Name] = r
	c.mu.Unlock()
	send(c.book.routes(), old, r, c.queue)
}

func (c *cluster) setNode(name string, ready corev1.ConditionStatus, labels map[string]string) {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: maps.Clone(labels)}}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready, LastHeartbeatTime: metav1.Now()}}
	old := c.nodes[name]
	c.nodes[name] = n
	send(c.book.allNodes(), old, n, c.queue)
}

// report is that of a node about route a.
func (c *cluster) report(node, reason string, packets int64) {
	s := &v1alpha1.MulticastNodeState{ObjectMeta: metav1.ObjectMeta{Name: node}}
	s.Status.ReportTime = metav1.Now()
	s.Status.NextReportTime = metav1.NewTime(time.Now().Add(12 * time.Minute))
	c.mu.Lock()
	for _, r := range c.routes {
		s.Status.Routes = append(s.Status.Routes, v1alpha1.ObjectState{
			Namespace: r.Namespace, Name: r.Name, UID: string(r.UID), Generation: r.Generation, Reason: reason, Message: "because",
			Counters: &v1alpha1.Counters{Packets: packets},
		})
	}
	old := c.states[node]
	c.states[node] = s
	c.mu.Unlock()
	send(c.book.nodeStates(), old, s, c.queue)
}

func send[T interface {
	client.Object
	comparable
}](h watching[T], old, obj T, q queue) {
	var none T
	if old == none {
		h.Create(context.Background(), event.TypedCreateEvent[T]{Object: obj}, q)
	} else {
		h.Update(context.Background(), event.TypedUpdateEvent[T]{ObjectOld: old, ObjectNew: obj}, q)
	}
}

func newRoute(name string, selector map[string]string) *v1alpha1.MulticastRoute {
	r := &v1alpha1.MulticastRoute{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: "uid", Generation: 1}}
	if selector != nil {
		r.Spec.NodeSelector = &metav1.LabelSelector{MatchLabels: selector}
	}
	return r
}

// status is the present one of route a, as "programmed/matched" and why.
func (c *cluster) status() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.routes["a"].Status
	return s.Summary.Programmed + " " + condition(s.Conditions, v1alpha1.ConditionProgrammed).Reason
}

func (c *cluster) counted() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.writes)
}

// route is the present route a.
func (c *cluster) route() *v1alpha1.MulticastRoute {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.routes["a"].DeepCopy()
}

// looked is how many rounds there were.
func (c *cluster) looked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rounds
}
