package summary

import (
	"context"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/status"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// queue is that of the controller.
type queue = workqueue.TypedRateLimitingInterface[status.Object]

// watching leads events about objects of a kind into a book.
type watching[T client.Object] struct {
	set  func(old, obj T, add func(status.Object, time.Duration)) // old: nil if it is new
	gone func(obj T, add func(status.Object, time.Duration))
}

func (w watching[T]) Create(_ context.Context, e event.TypedCreateEvent[T], q queue) {
	var none T
	w.set(none, e.Object, q.AddAfter)
}

func (w watching[T]) Update(_ context.Context, e event.TypedUpdateEvent[T], q queue) {
	w.set(e.ObjectOld, e.ObjectNew, q.AddAfter)
}

func (w watching[T]) Delete(_ context.Context, e event.TypedDeleteEvent[T], q queue) {
	w.gone(e.Object, q.AddAfter)
}

func (w watching[T]) Generic(context.Context, event.TypedGenericEvent[T], queue) {}

var _ handler.TypedEventHandler[*corev1.Node, status.Object] = watching[*corev1.Node]{}

// routes watches for routes. A write of their status wakes nothing.
func (b *book) routes() watching[*v1alpha1.MulticastRoute] {
	return objects(b, translate.RouteKind, func(r *v1alpha1.MulticastRoute) *metav1.LabelSelector { return r.Spec.NodeSelector })
}

// groups watches for groups.
func (b *book) groups() watching[*v1alpha1.MulticastGroup] {
	return objects(b, translate.GroupKind, func(g *v1alpha1.MulticastGroup) *metav1.LabelSelector { return g.Spec.NodeSelector })
}

func objects[T client.Object](b *book, kind translate.Kind, selector func(T) *metav1.LabelSelector) watching[T] {
	name := func(obj T) status.Object {
		return status.Object{Kind: kind, Namespace: obj.GetNamespace(), Name: obj.GetName()}
	}
	var none T
	return watching[T]{
		set: func(old, obj T, add func(status.Object, time.Duration)) {
			if client.Object(old) != client.Object(none) && old.GetUID() == obj.GetUID() && old.GetGeneration() == obj.GetGeneration() {
				return
			}
			now := time.Now()
			changed := now
			if client.Object(old) == client.Object(none) { // to this process
				changed = obj.GetCreationTimestamp().Time
			}
			b.seen(name(obj), selector(obj), changed, now, add)
		},
		gone: func(obj T, _ func(status.Object, time.Duration)) { b.gone(name(obj)) },
	}
}

// nodeStates watches for reports.
func (b *book) nodeStates() watching[*v1alpha1.MulticastNodeState] {
	return watching[*v1alpha1.MulticastNodeState]{
		set: func(_, obj *v1alpha1.MulticastNodeState, add func(status.Object, time.Duration)) {
			b.report(obj.Name, obj, time.Now(), add)
		},
		gone: func(obj *v1alpha1.MulticastNodeState, add func(status.Object, time.Duration)) {
			b.report(obj.Name, nil, time.Now(), add)
		},
	}
}

// allNodes watches for nodes. A heartbeat of a node wakes nothing.
func (b *book) allNodes() watching[*corev1.Node] {
	return watching[*corev1.Node]{
		set: func(old, obj *corev1.Node, add func(status.Object, time.Duration)) {
			n := status.NodeOf(obj)
			if old != nil {
				if was := status.NodeOf(old); was.Silent == n.Silent && maps.Equal(was.Labels, n.Labels) {
					return
				}
			}
			b.node(n.Name, &n, time.Now(), add)
		},
		gone: func(obj *corev1.Node, add func(status.Object, time.Duration)) {
			b.node(obj.Name, nil, time.Now(), add)
		},
	}
}
