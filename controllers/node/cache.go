package node

import (
	"net/http"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// NewScheme returns the scheme of an agent: what it reads and writes, no more.
func NewScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	metav1.AddToGroupVersion(s, schema.GroupVersion{Version: "v1"})
	s.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Node{}, &corev1.NodeList{}, &corev1.Pod{}, &corev1.PodList{})
	metav1.AddToGroupVersion(s, corev1.SchemeGroupVersion)
	_ = v1alpha1.AddToScheme(s) // which does not fail
	return s
}

// NewMapper is a manager's MapperProvider. What is there is known, so that an
// agent can start without the API server, and never asks it for its resources.
func NewMapper(*rest.Config, *http.Client) (meta.RESTMapper, error) {
	m := meta.NewDefaultRESTMapper(nil)
	m.Add(corev1.SchemeGroupVersion.WithKind("Node"), meta.RESTScopeRoot)
	m.Add(corev1.SchemeGroupVersion.WithKind("Pod"), meta.RESTScopeNamespace)
	m.Add(v1alpha1.GroupVersion.WithKind("MulticastRoute"), meta.RESTScopeNamespace)
	m.Add(v1alpha1.GroupVersion.WithKind("MulticastGroup"), meta.RESTScopeNamespace)
	m.Add(v1alpha1.GroupVersion.WithKind("MulticastNodeState"), meta.RESTScopeRoot)
	return m, nil
}

// CacheOptions are those of the cache of a node's manager. It holds the node,
// the node's pods, and all routes and groups, without what does not matter here:
// with a hundred pods on a node that is most of their size.
//
// What the cache returns is shared and must not be changed.
func CacheOptions(node string) cache.Options {
	keep := func(transform toolscache.TransformFunc, field fields.Selector) cache.ByObject {
		return cache.ByObject{Transform: transform, Field: field, UnsafeDisableDeepCopy: ptr.To(true)}
	}
	return cache.Options{
		ReaderFailOnMissingInformer: true,
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Node{}:             keep(slimNode, fields.OneTermEqualSelector("metadata.name", node)),
			&corev1.Pod{}:              keep(slimPod, fields.OneTermEqualSelector("spec.nodeName", node)),
			&v1alpha1.MulticastRoute{}: keep(slimRoute, nil),
			&v1alpha1.MulticastGroup{}: keep(slimGroup, nil),
		},
	}
}

// slim keeps what tells an object from others, and its labels.
func slim(m metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: m.Name, Namespace: m.Namespace, UID: m.UID,
		ResourceVersion: m.ResourceVersion, Generation: m.Generation,
		CreationTimestamp: m.CreationTimestamp, DeletionTimestamp: m.DeletionTimestamp,
		Labels: m.Labels,
	}
}

func slimNode(in any) (any, error) {
	if n, ok := in.(*corev1.Node); ok {
		return &corev1.Node{TypeMeta: n.TypeMeta, ObjectMeta: slim(n.ObjectMeta)}, nil
	}
	return in, nil
}

func slimPod(in any) (any, error) {
	if p, ok := in.(*corev1.Pod); ok {
		return &corev1.Pod{
			TypeMeta: p.TypeMeta, ObjectMeta: slim(p.ObjectMeta),
			Spec:   corev1.PodSpec{NodeName: p.Spec.NodeName, HostNetwork: p.Spec.HostNetwork},
			Status: corev1.PodStatus{Phase: p.Status.Phase, PodIP: p.Status.PodIP, PodIPs: p.Status.PodIPs},
		}, nil
	}
	return in, nil
}

func slimRoute(in any) (any, error) {
	if r, ok := in.(*v1alpha1.MulticastRoute); ok {
		return &v1alpha1.MulticastRoute{TypeMeta: r.TypeMeta, ObjectMeta: slim(r.ObjectMeta), Spec: r.Spec}, nil
	}
	return in, nil
}

func slimGroup(in any) (any, error) {
	if g, ok := in.(*v1alpha1.MulticastGroup); ok {
		return &v1alpha1.MulticastGroup{TypeMeta: g.TypeMeta, ObjectMeta: slim(g.ObjectMeta), Spec: g.Spec}, nil
	}
	return in, nil
}
