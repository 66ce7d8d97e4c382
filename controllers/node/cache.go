package node

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// stores have what an agent knows of the API server: the node, the node's pods,
// and all routes and groups. Their objects are shared and must not be changed.
type stores struct {
	node, pods, routes, groups cache.Store
}

// world is what they have now, without links of pods. It reports whether there is
// a Node of that name; if there is none, there is no telling what is for it.
func (s *stores) world(node string) (World, bool) {
	o, ok, _ := s.node.GetByKey(node) // which does not fail
	n, isNode := o.(*corev1.Node)
	if !ok || !isNode {
		return World{}, false
	}
	return World{
		Node:   n,
		Routes: all[v1alpha1.MulticastRoute](s.routes),
		Groups: all[v1alpha1.MulticastGroup](s.groups),
		Pods:   LivePods(all[corev1.Pod](s.pods)),
	}, true
}

// all are the objects of a store.
func all[T any](s cache.Store) []T {
	items := s.List()
	out := make([]T, 0, len(items))
	for _, item := range items {
		if o, ok := item.(*T); ok {
			out = append(out, *o)
		}
	}
	return out
}

// uid is that of the Node of that name.
func (s *stores) uid(node string) (types.UID, error) {
	o, ok, _ := s.node.GetByKey(node)
	if n, isNode := o.(*corev1.Node); ok && isNode {
		return n.UID, nil
	}
	return "", apierrors.NewNotFound(corev1.Resource("nodes"), node)
}

// crowd is the most nodes that a route or a group is known to select.
func (s *stores) crowd() int {
	most := int32(0)
	for _, o := range s.routes.List() {
		if r, ok := o.(*v1alpha1.MulticastRoute); ok {
			most = max(most, r.Status.Nodes.Matched)
		}
	}
	for _, o := range s.groups.List() {
		if g, ok := o.(*v1alpha1.MulticastGroup); ok {
			most = max(most, g.Status.Nodes.Matched)
		}
	}
	return int(most)
}

// object is a pointer to one of the kinds that are watched.
type object interface {
	runtime.Object
	metav1.Object
}

// source lists and watches objects of a kind.
type source[L runtime.Object] interface {
	List(context.Context, metav1.ListOptions) (L, error)
	Watch(context.Context, metav1.ListOptions) (watch.Interface, error)
}

// watching says what is watched of a kind, and how.
type watching[T object] struct {
	field fields.Selector // nil: all objects
	slim  func(T)         // drops what is not kept of an object
	same  func(a, b T) bool
	wake  func() // called when there is another object, or one that is not the same
	fails cache.WatchErrorHandlerWithContext
}

// informer returns an informer that fills a store with what matters here of the
// objects: with a hundred pods on a node that is a small part of their size.
func informer[T object, L runtime.Object](from source[L], w watching[T]) (cache.SharedIndexInformer, error) {
	only := func(o metav1.ListOptions) metav1.ListOptions {
		if w.field != nil {
			o.FieldSelector = w.field.String()
		}
		return o
	}
	var example T
	i := cache.NewSharedIndexInformer(cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return from.List(ctx, only(o))
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return from.Watch(ctx, only(o))
		},
	}, from), example, 0, cache.Indexers{})
	transform := i.SetTransform(func(in any) (any, error) {
		if o, ok := in.(T); ok {
			w.slim(o)
		}
		return in, nil
	})
	var fails error
	if w.fails != nil {
		fails = i.SetWatchErrorHandlerWithContext(w.fails)
	}
	_, err := i.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { w.wake() },
		DeleteFunc: func(any) { w.wake() },
		UpdateFunc: func(old, now any) {
			a, ok := old.(T)
			b, also := now.(T)
			if !ok || !also || differ(a, b, w.same) {
				w.wake()
			}
		},
	})
	return i, errors.Join(transform, fails, err)
}
